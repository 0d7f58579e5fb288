package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// Alert is one alert of a rule file.
type Alert struct {
	Name     string
	Severity string
	Expr     string
	For      time.Duration
}

var promQL = parser.NewParser(parser.Options{})

func readAlerts(file string) ([]Alert, error) {
	groups, problems := rulefmt.ParseFile(file, false, model.UTF8Validation, promQL, slog.New(slog.DiscardHandler))
	if len(problems) > 0 {
		return nil, fmt.Errorf("reading the alerts: %w", errors.Join(problems...))
	}
	var alerts []Alert
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, Alert{
				Name:     rule.Alert,
				Severity: rule.Labels["severity"],
				Expr:     rule.Expr,
				For:      time.Duration(rule.For),
			})
		}
	}
	return alerts, nil
}
