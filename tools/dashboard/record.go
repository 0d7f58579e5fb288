package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	job        = "connector-operator"
	maxSamples = 50_000_000
	patience   = time.Minute
)

type settings struct {
	target    string
	every     time.Duration
	rulesFile string
}

// observatory is a Prometheus in one process: what scrapes, what stores, what evaluates and what alerts.
type observatory struct {
	database *tsdb.DB
	engine   *promql.Engine
	scraper  *scrape.Manager
	alerting *rules.Manager
}

// record scrapes until `ctx` ends, and evaluates everything on what it got by then.
func record(ctx context.Context, settings settings, dashboard *Dashboard, alerts []Alert) (*Recording, error) {
	folder, err := os.MkdirTemp("", "dashboard-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for what is scraped: %w", err)
	}
	defer os.RemoveAll(folder)

	observatory, err := open(folder, settings)
	if err != nil {
		return nil, err
	}
	defer observatory.close()
	from := time.Now()
	if err := observatory.start(settings); err != nil {
		return nil, err
	}
	<-ctx.Done()
	if err := observatory.scraped(); err != nil {
		return nil, err
	}
	span := newSpan(from, time.Now(), settings.every)
	return observatory.evaluate(span, dashboard, alerts)
}

func open(folder string, settings settings) (*observatory, error) {
	quiet, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	database, err := tsdb.Open(folder, quiet, registry, tsdb.DefaultOptions(), nil)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: quiet, MaxSamples: maxSamples, Timeout: patience, EnableAtModifier: true, Parser: promQL,
	})
	immediately := &scrape.Options{DiscoveryReloadOnStartup: true}
	scraper, err := scrape.NewManager(immediately, quiet, nil, nil, database, registry)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing to scrape: %w", err), database.Close())
	}
	alerting := rules.NewManager(&rules.ManagerOptions{
		NameValidationScheme: model.UTF8Validation,
		AppendableV2:         database,
		Queryable:            database,
		QueryFunc:            rules.EngineQueryFunc(engine, database),
		NotifyFunc:           func(context.Context, string, ...*rules.Alert) {},
		Context:              context.Background(),
		Registerer:           registry,
		Logger:               quiet,
		Parser:               promQL,
	})
	if err := alerting.Update(settings.every, []string{settings.rulesFile}, labels.EmptyLabels(), "", nil); err != nil {
		return nil, errors.Join(fmt.Errorf("loading the alerts: %w", err), database.Close())
	}
	return &observatory{database: database, engine: engine, scraper: scraper, alerting: alerting}, nil
}

func (o *observatory) start(settings settings) error {
	every := model.Duration(settings.every)
	text := fmt.Sprintf(
		"{scrape_configs: [{job_name: %s, honor_labels: true, scrape_interval: %v, scrape_timeout: %v}]}", job, every, every,
	)
	configuration, err := config.Load(text, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("configuring the scrape: %w", err)
	}
	if err := o.scraper.ApplyConfig(configuration); err != nil {
		return fmt.Errorf("configuring the scrape: %w", err)
	}
	target := model.LabelSet{model.AddressLabel: model.LabelValue(settings.target)}
	targets := make(chan map[string][]*targetgroup.Group, 1)
	targets <- map[string][]*targetgroup.Group{job: {{Source: job, Targets: []model.LabelSet{target}}}}
	go func() { _ = o.scraper.Run(targets) }()
	go o.alerting.Run()
	return nil
}

// scraped is an error where nothing could be scraped.
func (o *observatory) scraped() error {
	for _, target := range o.scraper.TargetsActive()[job] {
		if target.Health() == scrape.HealthGood {
			return nil
		}
		return fmt.Errorf("scraping %s: %s: %w", target.URL(), target.Health(), target.LastError())
	}
	return errors.New("there was no time to scrape")
}

func (o *observatory) close() {
	o.scraper.Stop()
	o.alerting.Stop()
	_ = o.database.Close()
}
