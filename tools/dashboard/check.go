package main

import (
	"fmt"
	"maps"
	"regexp"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

const columns = 24

var (
	legendLabel = regexp.MustCompile(`\{\{ *([a-z_]+) *\}\}`)
	variable    = regexp.MustCompile(`\$[A-Za-z_{]+`)
)

// What is wrong with the dashboard, one sentence each.
func checkDashboard(dashboard *Dashboard, metrics Metrics) []string {
	var findings []string
	if dashboard.UID == "" || dashboard.Title == "" || dashboard.SchemaVersion == 0 {
		findings = append(findings, "the dashboard lacks uid, title or schemaVersion")
	}
	findings = append(findings, checkPlaces(dashboard.Panels)...)
	for _, panel := range dashboard.Charts() {
		for _, problem := range checkPanel(panel, metrics) {
			findings = append(findings, fmt.Sprintf("%v: %s", panel, problem))
		}
	}
	return findings
}

// What is wrong with the alerts, one sentence each.
func checkAlerts(alerts []Alert, metrics Metrics) []string {
	var findings []string
	for _, alert := range alerts {
		_, problems := checkExpression(alert.Expr, metrics)
		for _, problem := range problems {
			findings = append(findings, fmt.Sprintf("alert %s: %s", alert.Name, problem))
		}
	}
	return findings
}

func checkPlaces(panels []Panel) []string {
	var findings []string
	taken, ids := map[[2]int]Panel{}, map[int]bool{}
	for _, panel := range panels {
		if ids[panel.ID] {
			findings = append(findings, fmt.Sprintf("%v: another panel has this id", panel))
		}
		ids[panel.ID] = true
		at := panel.Position
		if at.X < 0 || at.Y < 0 || at.W < 1 || at.H < 1 || at.X+at.W > columns {
			findings = append(findings, fmt.Sprintf("%v: is not within the %d columns", panel, columns))
			continue
		}
		if under := place(panel, taken); under != nil {
			findings = append(findings, fmt.Sprintf("%v: lies over %v", panel, *under))
		}
	}
	return findings
}

// place takes the panel's cells, and returns a panel that has one of them already.
func place(panel Panel, taken map[[2]int]Panel) *Panel {
	var under *Panel
	for x := panel.Position.X; x < panel.Position.X+panel.Position.W; x++ {
		for y := panel.Position.Y; y < panel.Position.Y+panel.Position.H; y++ {
			if other, ok := taken[[2]int{x, y}]; ok {
				under = &other
			}
			taken[[2]int{x, y}] = panel
		}
	}
	return under
}

func checkPanel(panel Panel, metrics Metrics) []string {
	var problems []string
	if panel.Title == "" {
		problems = append(problems, "has no title")
	}
	if panel.Description == "" {
		problems = append(problems, "has no description")
	}
	if panel.FieldConfig.Defaults.Unit == "" {
		problems = append(problems, "has no unit; Grafana calls numbers without one `none`")
	}
	if panel.Datasource.UID != "${datasource}" {
		problems = append(problems, "does not ask the data source that is chosen above")
	}
	if len(panel.Targets) == 0 {
		problems = append(problems, "has no query")
	}
	refs := map[string]bool{}
	for _, target := range panel.Targets {
		if refs[target.Ref] {
			problems = append(problems, fmt.Sprintf("has two queries %s", target.Ref))
		}
		refs[target.Ref] = true
		for _, problem := range checkTarget(target, metrics) {
			problems = append(problems, fmt.Sprintf("query %s: %s", target.Ref, problem))
		}
	}
	return problems
}

func checkTarget(target Target, metrics Metrics) []string {
	known, problems := checkExpression(target.PromQL("5m", "6h"), metrics)
	for _, label := range legendLabel.FindAllStringSubmatch(target.Legend, -1) {
		if !known[label[1]] {
			problems = append(problems, fmt.Sprintf("its legend has the label %s, which its metrics have not", label[1]))
		}
	}
	return problems
}

// What is wrong with an expression, and the labels that its metrics have.
func checkExpression(text string, metrics Metrics) (map[string]bool, []string) {
	if left := variable.FindString(text); left != "" {
		return nil, []string{fmt.Sprintf("there is no variable %s", left)}
	}
	expression, err := promQL.ParseExpr(text)
	if err != nil {
		return nil, []string{fmt.Sprintf("is no PromQL: %v", err)}
	}
	var problems []string
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		switch part := node.(type) {
		case *parser.VectorSelector:
			problems = append(problems, checkSelector(part, metrics)...)
		case *parser.AggregateExpr:
			problems = append(problems, checkLabels(part.Grouping, labelsIn(part.Expr, metrics))...)
		case *parser.BinaryExpr:
			if part.VectorMatching != nil {
				problems = append(problems, checkLabels(part.VectorMatching.MatchingLabels, labelsIn(part, metrics))...)
			}
		}
		return nil
	})
	return labelsIn(expression, metrics), problems
}

func checkSelector(selector *parser.VectorSelector, metrics Metrics) []string {
	known, ok := metrics[selector.Name]
	if !ok {
		return []string{fmt.Sprintf("there is no metric %q", selector.Name)}
	}
	var named []string
	for _, matcher := range selector.LabelMatchers {
		if matcher.Name != labels.MetricName {
			named = append(named, matcher.Name)
		}
	}
	return checkLabels(named, known)
}

func checkLabels(named []string, known map[string]bool) []string {
	var problems []string
	for _, label := range named {
		if !known[label] {
			problems = append(problems, fmt.Sprintf("its metrics have no label %s", label))
		}
	}
	return problems
}

// labelsIn are the labels of all metrics that an expression names.
func labelsIn(expression parser.Node, metrics Metrics) map[string]bool {
	known := map[string]bool{}
	for _, selector := range selectorsIn(expression) {
		maps.Copy(known, metrics[selector.Name])
	}
	return known
}

func selectorsIn(expression parser.Node) []*parser.VectorSelector {
	var selectors []*parser.VectorSelector
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			selectors = append(selectors, selector)
		}
		return nil
	})
	return selectors
}
