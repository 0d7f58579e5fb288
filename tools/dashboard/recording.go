package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/tabwriter"
)

// Recording is what every panel and every alert has come to. Times are in milliseconds since 1970.
type Recording struct {
	From   int64      `json:"from"`
	To     int64      `json:"to"`
	Panels []Drawn    `json:"panels"`
	Alerts []Observed `json:"alerts"`
}

// Drawn is what one panel shows.
type Drawn struct {
	ID      int     `json:"id"`
	Title   string  `json:"title"`
	Step    int64   `json:"step"`
	Queries []Query `json:"queries"`
}

// Query is what one query of a panel has found.
type Query struct {
	Ref    string   `json:"ref"`
	Series []Series `json:"series"`
}

// Series is one curve, or one value where the query was of one moment.
type Series struct {
	Labels map[string]string `json:"labels"`
	Legend string            `json:"legend"`
	Points []Point           `json:"points"`
}

// Point is a value at a time.
type Point struct {
	Time  int64
	Value float64
}

// MarshalJSON writes a pair; what is no number, such as a quantile of nothing, is null.
func (p Point) MarshalJSON() ([]byte, error) {
	if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
		return json.Marshal([]any{p.Time, nil})
	}
	return json.Marshal([]any{p.Time, p.Value})
}

// Observed is what became of one alert: when its expression was true, and the last state that it reached.
type Observed struct {
	Name     string   `json:"name"`
	Severity string   `json:"severity"`
	Expr     string   `json:"expr"`
	For      float64  `json:"for"`
	State    string   `json:"state"`
	True     []Series `json:"true"`
	// Metrics that it names, and that nothing told of.
	Missing []string `json:"missing"`
}

func (q Query) hasData() bool {
	for _, series := range q.Series {
		for _, point := range series.Points {
			if !math.IsNaN(point.Value) {
				return true
			}
		}
	}
	return false
}

func (r *Recording) write(file string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing what was evaluated: %w", err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("writing what was evaluated: %w", err)
	}
	return nil
}

// print says what has data. It is an error where a query of a panel has none, or an alert names a metric that has none.
func (r *Recording) print(out io.Writer) error {
	var without []string
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "PANEL\tQUERY\tSERIES\tPOINTS")
	queries := 0
	for _, panel := range r.Panels {
		for _, query := range panel.Queries {
			queries++
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\n", panel.Title, query.Ref, len(query.Series), query.points())
			if !query.hasData() {
				without = append(without, fmt.Sprintf("panel %s, query %s", panel.Title, query.Ref))
			}
		}
	}
	fmt.Fprintln(table, "\t\t\t")
	fmt.Fprintln(table, "ALERT\tSTATE\tTRUE OF\tFOR")
	states := map[string]int{}
	for _, alert := range r.Alerts {
		states[alert.State]++
		fmt.Fprintf(table, "%s\t%s\t%d\t%.0f s\n", alert.Name, alert.State, len(alert.True), alert.For)
		for _, metric := range alert.Missing {
			without = append(without, fmt.Sprintf("alert %s, metric %s", alert.Name, metric))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d panels with %d queries, %d alerts of which %d fired and %d were pending, over %d s\n",
		len(r.Panels), queries, len(r.Alerts), states["firing"], states["pending"], (r.To-r.From)/1000)
	if len(without) > 0 {
		return fmt.Errorf("without data: %s", strings.Join(without, "; "))
	}
	return nil
}

func (q Query) points() int {
	count := 0
	for _, series := range q.Series {
		count += len(series.Points)
	}
	return count
}
