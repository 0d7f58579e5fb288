package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Dashboard is what of Grafana's format is judged here. See https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model
type Dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []Panel `json:"panels"`

	// The file as it is.
	text []byte
}

// Panel is one drawing, or a row, which is a heading.
type Panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Position    Rectangle  `json:"gridPos"`
	Datasource  Datasource `json:"datasource"`
	Targets     []Target   `json:"targets"`
	// The shortest step of its curves, as Prometheus writes durations; Grafana chooses where it is empty.
	Interval    string `json:"interval"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
}

// Rectangle is where a panel is, on a grid of 24 columns.
type Rectangle struct {
	X, Y, W, H int
}

// Datasource says whom a panel asks.
type Datasource struct {
	UID string `json:"uid"`
}

// Target is one query of a panel.
type Target struct {
	Ref     string `json:"refId"`
	Expr    string `json:"expr"`
	Legend  string `json:"legendFormat"`
	Instant bool   `json:"instant"`
}

// Charts are the panels without the rows.
func (d *Dashboard) Charts() []Panel {
	var charts []Panel
	for _, panel := range d.Panels {
		if panel.Type != "row" {
			charts = append(charts, panel)
		}
	}
	return charts
}

// The name of the panel for people.
func (p Panel) String() string {
	return fmt.Sprintf("panel %d (%s)", p.ID, p.Title)
}

// PromQL is the query with what Grafana puts in place of its variables, where all namespaces and kinds are chosen.
func (t Target) PromQL(rateInterval, span string) string {
	return strings.NewReplacer(
		"$namespace", ".*",
		"$kind", ".*",
		"$__rate_interval", rateInterval,
		"$__range", span,
	).Replace(t.Expr)
}

func readDashboard(file string) (*Dashboard, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the dashboard: %w", err)
	}
	dashboard := Dashboard{text: text}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return nil, fmt.Errorf("reading the dashboard %s: %w", file, err)
	}
	return &dashboard, nil
}
