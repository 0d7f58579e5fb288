package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

var known = Metrics{
	"connector_resources":                      named(targetLabels, []string{"kind", "phase"}),
	"connector_sync_duration_seconds_bucket":   named(targetLabels, []string{"kind", "le"}),
	"connector_resource_ready":                 named(targetLabels, []string{"kind", "namespace", "name"}),
	"connector_last_success_timestamp_seconds": named(targetLabels, []string{"kind", "namespace", "name"}),
}

func sound(change func(*Panel)) *Dashboard {
	panel := Panel{
		ID: 1, Type: "timeseries", Title: "Phases", Description: "How many.", Position: Rectangle{0, 0, 12, 8},
		Datasource: Datasource{UID: "${datasource}"},
		Targets:    []Target{{Ref: "A", Expr: `sum by (phase) (connector_resources{kind=~"$kind"})`, Legend: "{{phase}}"}},
	}
	panel.FieldConfig.Defaults.Unit = "none"
	change(&panel)
	return &Dashboard{UID: "u", Title: "T", SchemaVersion: 39, Panels: []Panel{panel}}
}

func TestASoundDashboardHasNoFindings(t *testing.T) {
	if findings := checkDashboard(sound(func(*Panel) {}), known); len(findings) > 0 {
		t.Error(findings)
	}
}

func TestEachFaultOfAPanelIsFound(t *testing.T) {
	expr := func(text string) func(*Panel) {
		return func(panel *Panel) { panel.Targets[0] = Target{Ref: "A", Expr: text} }
	}
	for finding, change := range map[string]func(*Panel){
		"has no title":                       func(panel *Panel) { panel.Title = "" },
		"has no description":                 func(panel *Panel) { panel.Description = "" },
		"has no unit":                        func(panel *Panel) { panel.FieldConfig.Defaults.Unit = "" },
		"does not ask the data source":       func(panel *Panel) { panel.Datasource.UID = "prometheus" },
		"has no query":                       func(panel *Panel) { panel.Targets = nil },
		"has two queries A":                  func(panel *Panel) { panel.Targets = append(panel.Targets, panel.Targets[0]) },
		"is not within the 24 columns":       func(panel *Panel) { panel.Position.X = 13 },
		"its legend has the label face":      func(panel *Panel) { panel.Targets[0].Legend = "{{face}}" },
		"is no PromQL":                       expr(`sum by (phase) (connector_resources`),
		"there is no variable $job":          expr(`connector_resources{kind=~"$job"}`),
		`no metric "connector_resource"`:     expr(`connector_resource`),
		"no metric \"up\"":                   expr(`up`),
		"have no label namespace":            expr(`connector_resources{namespace=~"$namespace"}`),
		"have no label phases":               expr(`sum by (phases) (connector_resources)`),
		"have no label names":                expr(`connector_resource_ready unless on (names) connector_last_success_timestamp_seconds`),
		`metric "connector_sync_duration_se`: expr(`histogram_quantile(0.95, rate(connector_sync_duration_seconds[$__rate_interval]))`),
	} {
		findings := checkDashboard(sound(change), known)
		if len(findings) != 1 || !strings.Contains(findings[0], finding) {
			t.Errorf("wanted %q, found %q", finding, findings)
		}
	}
}

func TestAFieldThatGrafanaDoesNotHaveIsFound(t *testing.T) {
	text, err := os.ReadFile("../../charts/connector-operator/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if findings := checkFormat(text); len(findings) > 0 {
		t.Error(findings)
	}
	for wrong, finding := range map[string]string{
		`"drawStile": "line"`:   "drawStile",
		`"drawStyle": ["line"]`: "drawStyle",
	} {
		changed := strings.Replace(string(text), `"drawStyle": "line"`, wrong, 1)
		findings := checkFormat([]byte(changed))
		if len(findings) == 0 || !strings.Contains(findings[0], finding) {
			t.Errorf("%s: found %q", wrong, findings)
		}
	}
}

func TestPanelsThatLieOverEachOtherAreFound(t *testing.T) {
	dashboard := sound(func(*Panel) {})
	second := dashboard.Panels[0]
	second.Position = Rectangle{11, 7, 12, 8}
	dashboard.Panels = append(dashboard.Panels, second)
	findings := checkDashboard(dashboard, known)
	wanted := []string{
		"panel 1 (Phases): another panel has this id",
		"panel 1 (Phases): lies over panel 1 (Phases)",
	}
	if !slices.Equal(findings, wanted) {
		t.Error(findings)
	}
}

func TestAnAlertOnAMetricThatThereIsNotIsFound(t *testing.T) {
	alerts := []Alert{{Name: "Good", Expr: "connector_resource_ready == 0"}, {Name: "Bad", Expr: "connector_ready == 0"}}
	findings := checkAlerts(alerts, known)
	if !slices.Equal(findings, []string{`alert Bad: there is no metric "connector_ready"`}) {
		t.Error(findings)
	}
}

func TestTheReferenceOfTheMetricsIsRead(t *testing.T) {
	metrics, err := readMetrics("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, label := range map[string]string{
		"connector_resource_ready":               "namespace",
		"connector_sync_total":                   "trigger",
		"connector_sync_duration_seconds_bucket": "le",
		"connector_sync_duration_seconds_count":  "result",
		"connector_build_info":                   "version",
		"process_resident_memory_bytes":          "instance",
		"ALERTS":                                 "alertname",
	} {
		if !metrics[name][label] {
			t.Errorf("%s has no label %s: %v", name, label, metrics[name])
		}
	}
	if _, bare := metrics["connector_sync_duration_seconds"]; bare {
		t.Error("a histogram has no series of its own name")
	}
}
