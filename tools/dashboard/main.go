// Dashboard reads the chart's Grafana dashboard and its alerts. `check` judges them against the reference of the metrics;
// `record` scrapes a running operator with Prometheus' own parts, and evaluates every panel and every alert on what it got.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

const usage = `usage:
  dashboard check  --dashboard FILE --metrics FILE --rules FILE
  dashboard record --dashboard FILE --rules FILE --target HOST:PORT --out FILE [--every DURATION]   until Ctrl-C or SIGTERM
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(arguments[0], flag.ExitOnError)
	dashboardFile := flags.String("dashboard", "", "the dashboard, as Grafana exports it")
	rulesFile := flags.String("rules", "", "the alerts, as a rule file of Prometheus")
	metricsFile := flags.String("metrics", "", "the reference of the metrics: docs/reference/metrics.md")
	target := flags.String("target", "", "where /metrics is")
	out := flags.String("out", "", "the file to write what was evaluated to")
	every := flags.Duration("every", 2*time.Second, "how often to scrape")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}

	dashboard, err := readDashboard(*dashboardFile)
	if err != nil {
		return err
	}
	alerts, err := readAlerts(*rulesFile)
	if err != nil {
		return err
	}
	switch arguments[0] {
	case "check":
		metrics, err := readMetrics(*metricsFile)
		if err != nil {
			return err
		}
		return printCheck(dashboard, alerts, metrics)
	case "record":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		recording, err := record(ctx, settings{target: *target, every: *every, rulesFile: *rulesFile}, dashboard, alerts)
		if err != nil {
			return err
		}
		if err := recording.write(*out); err != nil {
			return err
		}
		return recording.print(os.Stdout)
	default:
		return errors.New(usage)
	}
}

func printCheck(dashboard *Dashboard, alerts []Alert, metrics Metrics) error {
	findings := slices.Concat(checkFormat(dashboard.text), checkDashboard(dashboard, metrics), checkAlerts(alerts, metrics))
	for _, finding := range findings {
		fmt.Fprintln(os.Stderr, finding)
	}
	if len(findings) > 0 {
		return fmt.Errorf("%d things are wrong", len(findings))
	}
	panels, queries := dashboard.Charts(), 0
	for _, panel := range panels {
		queries += len(panel.Targets)
	}
	fmt.Printf("dashboard: %d panels with %d queries, and %d alerts, name only metrics and labels that there are\n",
		len(panels), queries, len(alerts))
	return nil
}
