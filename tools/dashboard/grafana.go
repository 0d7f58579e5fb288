package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// checkFormat holds the dashboard to Grafana's own types. A field that there is not, one that is missing, or a value of another
// type is a finding, with its path.
func checkFormat(text []byte) []string {
	plugins.RegisterDefaultPlugins()
	var model dashboard.Dashboard
	// It returns an error without a word in it where there is nothing to say.
	if err := model.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		return strings.Split(strings.TrimSpace(err.Error()), "\n")
	}
	if err := model.Validate(); err != nil {
		return strings.Split(strings.TrimSpace(err.Error()), "\n")
	}
	return nil
}
