package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// How many points a curve has.
const points = 120

// span is what is evaluated, and how closely.
type span struct {
	from, to time.Time
	step     time.Duration
	every    time.Duration
}

// newSpan begins when something must have been scraped.
func newSpan(from, to time.Time, every time.Duration) span {
	from = from.Add(2 * every)
	step := max(to.Sub(from)/points, every).Truncate(time.Millisecond)
	return span{from: from, to: to, step: step, every: every}
}

// of is the same span with the steps that a panel asks for.
func (s span) of(panel Panel) (span, error) {
	if panel.Interval == "" {
		return s, nil
	}
	shortest, err := model.ParseDuration(panel.Interval)
	if err != nil {
		return s, fmt.Errorf("%v: its interval: %w", panel, err)
	}
	s.step = max(s.step, time.Duration(shortest))
	return s, nil
}

// first is the first moment of a curve whose last one is the end.
func (s span) first() time.Time {
	return s.from.Add(s.to.Sub(s.from) % s.step)
}

// rateInterval is Grafana's $__rate_interval: never too short for two samples.
func (s span) rateInterval() string {
	return model.Duration(max(s.step+s.every, 4*s.every)).String()
}

func (s span) whole() string {
	return model.Duration(s.to.Sub(s.from).Truncate(time.Millisecond)).String()
}

func (o *observatory) evaluate(span span, dashboard *Dashboard, alerts []Alert) (*Recording, error) {
	recording := &Recording{From: span.from.UnixMilli(), To: span.to.UnixMilli()}
	for _, panel := range dashboard.Charts() {
		drawn, err := o.draw(span, panel)
		if err != nil {
			return nil, err
		}
		recording.Panels = append(recording.Panels, drawn)
	}
	for _, alert := range alerts {
		seen, err := o.observe(span, alert)
		if err != nil {
			return nil, fmt.Errorf("alert %s: %w", alert.Name, err)
		}
		recording.Alerts = append(recording.Alerts, seen)
	}
	return recording, nil
}

// draw evaluates the queries of a panel.
func (o *observatory) draw(whole span, panel Panel) (Drawn, error) {
	span, err := whole.of(panel)
	if err != nil {
		return Drawn{}, err
	}
	drawn := Drawn{ID: panel.ID, Title: panel.Title, Step: span.step.Milliseconds()}
	for _, target := range panel.Targets {
		series, err := o.query(span, target.PromQL(span.rateInterval(), span.whole()), target.Instant)
		if err != nil {
			return drawn, fmt.Errorf("%v, query %s: %w", panel, target.Ref, err)
		}
		for index := range series {
			series[index].Legend = legend(target.Legend, series[index].Labels)
		}
		drawn.Queries = append(drawn.Queries, Query{Ref: target.Ref, Series: series})
	}
	return drawn, nil
}

func (o *observatory) query(span span, expression string, instant bool) ([]Series, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var query promql.Query
	var err error
	if instant {
		query, err = o.engine.NewInstantQuery(ctx, o.database, nil, expression, span.to)
	} else {
		query, err = o.engine.NewRangeQuery(ctx, o.database, nil, expression, span.first(), span.to, span.step)
	}
	if err != nil {
		return nil, err
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	return seriesOf(result)
}

func seriesOf(result *promql.Result) ([]Series, error) {
	series := []Series{}
	switch value := result.Value.(type) {
	case promql.Matrix:
		for _, each := range value {
			drawn := Series{Labels: each.Metric.Map()}
			for _, point := range each.Floats {
				drawn.Points = append(drawn.Points, Point{point.T, point.F})
			}
			series = append(series, drawn)
		}
	case promql.Vector:
		for _, each := range value {
			series = append(series, Series{Labels: each.Metric.Map(), Points: []Point{{each.T, each.F}}})
		}
	default:
		return nil, fmt.Errorf("gives a %s, which no panel draws", value.Type())
	}
	return series, nil
}

// observe says what became of an alert.
func (o *observatory) observe(span span, alert Alert) (Observed, error) {
	seen := Observed{Name: alert.Name, Severity: alert.Severity, Expr: alert.Expr, For: alert.For.Seconds(), State: "inactive"}
	expression, err := promQL.ParseExpr(alert.Expr)
	if err != nil {
		return seen, err
	}
	for _, selector := range selectorsIn(expression) {
		data, err := o.query(span, selector.Name, false)
		if err != nil {
			return seen, err
		}
		if len(data) == 0 && !slices.Contains(seen.Missing, selector.Name) {
			seen.Missing = append(seen.Missing, selector.Name)
		}
	}
	if seen.True, err = o.query(span, alert.Expr, false); err != nil {
		return seen, err
	}
	for _, state := range []string{"pending", "firing"} {
		selector := fmt.Sprintf("ALERTS{alertname=%q,alertstate=%q}", alert.Name, state)
		active, err := o.query(span, selector, false)
		if err != nil {
			return seen, err
		}
		if len(active) > 0 {
			seen.State = state
		}
	}
	return seen, nil
}

var placeholder = regexp.MustCompile(`\{\{ *([a-z_]+) *\}\}`)

// legend is what Grafana writes below a curve.
func legend(format string, of map[string]string) string {
	if format != "__auto" {
		return placeholder.ReplaceAllStringFunc(format, func(found string) string {
			return of[placeholder.FindStringSubmatch(found)[1]]
		})
	}
	var words []string
	for _, label := range slices.Sorted(maps.Keys(of)) {
		if label != labels.MetricName {
			words = append(words, of[label])
		}
	}
	return strings.Join(words, " ")
}
