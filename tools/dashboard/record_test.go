package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const exposition = `# TYPE connector_leader gauge
connector_leader 0
# TYPE connector_sync counter
connector_sync_total{kind="ScalrConnector"} %d
# EOF
`

const leaderless = `groups:
  - name: test
    rules:
      - alert: Leaderless
        expr: sum(connector_leader) != 1
      - alert: Elsewhere
        expr: connector_elsewhere > 0
`

func TestWhatIsScrapedIsEvaluated(t *testing.T) {
	// It ends when it has been asked ten times.
	ctx, enough := context.WithTimeout(t.Context(), time.Minute)
	defer enough()
	var asked atomic.Int64
	operator := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		fmt.Fprintf(answer, exposition, asked.Add(1))
		if asked.Load() == 10 {
			enough()
		}
	}))
	defer operator.Close()

	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(leaderless), 0o644); err != nil {
		t.Fatal(err)
	}
	alerts, err := readAlerts(rules)
	if err != nil {
		t.Fatal(err)
	}
	dashboard := &Dashboard{Panels: []Panel{
		{ID: 1, Type: "row", Title: "A row"},
		{ID: 2, Type: "timeseries", Title: "Runs", Targets: []Target{
			{Ref: "A", Expr: "rate(connector_sync_total[$__rate_interval])", Legend: "runs of {{kind}}"},
		}},
		{ID: 3, Type: "stat", Title: "Nothing", Targets: []Target{{Ref: "A", Expr: "connector_elsewhere", Instant: true}}},
	}}
	target := strings.TrimPrefix(operator.URL, "http://")
	recording, err := record(ctx, settings{target: target, every: 50 * time.Millisecond, rulesFile: rules}, dashboard, alerts)
	if err != nil {
		t.Fatal(err)
	}

	runs := recording.Panels[0].Queries[0]
	if !runs.hasData() || runs.Series[0].Legend != "runs of ScalrConnector" {
		t.Errorf("%+v", runs)
	}
	if state := recording.Alerts[0].State; state != "firing" {
		t.Errorf("the alert is %s", state)
	}
	var said strings.Builder
	err = recording.print(&said)
	wanted := "without data: panel Nothing, query A; alert Elsewhere, metric connector_elsewhere"
	if err == nil || err.Error() != wanted {
		t.Errorf("%v; %s", err, said.String())
	}
}

func TestAnOperatorThatDoesNotAnswerIsAnError(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	target := strings.TrimPrefix(closed.URL, "http://")
	closed.Close()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("groups: []"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := record(ctx, settings{target: target, every: 50 * time.Millisecond, rulesFile: rules}, &Dashboard{}, nil)
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}
