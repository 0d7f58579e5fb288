package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Metrics are the names of all series that there can be, each with the labels that it can have.
type Metrics map[string]map[string]bool

// What a scrape adds to every series. Not `namespace`: with honor_labels it is the connector's, and where a series has none,
// it is the operator's, which no panel means.
var targetLabels = []string{"job", "instance", "pod"}

// What Prometheus itself makes.
var prometheusMetrics = Metrics{
	"up":     named(targetLabels),
	"ALERTS": named(targetLabels, []string{"alertname", "alertstate", "severity", "kind", "namespace", "name"}),
}

var (
	tableRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([a-z]+) \\| ([^|]*) \\|")
	quoted   = regexp.MustCompile("`([a-z0-9_]+)`")
)

func readMetrics(file string) (Metrics, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the reference of the metrics: %w", err)
	}
	metrics := Metrics{}
	for _, row := range tableRow.FindAllStringSubmatch(string(text), -1) {
		name, kind, labels := row[1], row[2], []string{}
		for _, label := range quoted.FindAllStringSubmatch(row[3], -1) {
			labels = append(labels, label[1])
		}
		metrics.add(name, kind, labels)
	}
	if len(metrics) == 0 {
		return nil, fmt.Errorf("%s has no table of metrics", file)
	}
	for name, labels := range prometheusMetrics {
		metrics[name] = labels
	}
	return metrics, nil
}

func (m Metrics) add(name, kind string, labels []string) {
	if kind != "histogram" {
		m[name] = named(targetLabels, labels)
		return
	}
	m[name+"_sum"] = named(targetLabels, labels)
	m[name+"_count"] = named(targetLabels, labels)
	m[name+"_bucket"] = named(targetLabels, labels, []string{"le"})
}

func named(lists ...[]string) map[string]bool {
	set := map[string]bool{}
	for _, list := range lists {
		for _, name := range list {
			set[strings.TrimSpace(name)] = true
		}
	}
	return set
}
