// A PlanetScale connector on baton-sdk, written in the SDK's usual way: what connector-operator is measured against.
package main

import (
	"context"
	"fmt"
	"sync"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/annotations"
	"github.com/conductorone/baton-sdk/pkg/cli"
	"github.com/conductorone/baton-sdk/pkg/config"
	"github.com/conductorone/baton-sdk/pkg/connectorbuilder"
	"github.com/conductorone/baton-sdk/pkg/field"
	"github.com/conductorone/baton-sdk/pkg/pagination"
	"github.com/spf13/viper"

	"connector-operator/benches/peer/upstream"
)

var (
	tokenField = field.StringField(
		"planetscale-service-token",
		field.WithDescription("The service token, <id>:<value>."),
		field.WithRequired(true),
		field.WithIsSecret(true),
	)
	addressField = field.StringField(
		"planetscale-api-url",
		field.WithDescription("Where the API is."),
		field.WithDefaultValue("https://api.planetscale.com"),
	)
)

type connector struct{ client client }

func (c *connector) Metadata(context.Context) (*v2.ConnectorMetadata, error) {
	return v2.ConnectorMetadata_builder{
		DisplayName: "PlanetScale",
		Description: "Organizations, teams and users of PlanetScale.",
	}.Build(), nil
}

func (c *connector) Validate(ctx context.Context) (annotations.Annotations, error) {
	_, _, err := c.client.organizations(ctx, &pagination.Token{})
	return nil, err
}

func (c *connector) ResourceSyncers(context.Context) []connectorbuilder.ResourceSyncerV2 {
	return []connectorbuilder.ResourceSyncerV2{
		&organizationSyncer{c.client},
		&teamSyncer{client: c.client},
		&userSyncer{c.client},
	}
}

func newConnector(
	ctx context.Context,
	settings *viper.Viper,
	_ *cli.ConnectorOpts,
) (connectorbuilder.ConnectorBuilderV2, []connectorbuilder.Opt, error) {
	api, err := upstream.New(
		ctx,
		settings.GetString(addressField.FieldName),
		settings.GetString(tokenField.FieldName),
		"application/json",
		settings.GetInt(upstream.RequestsField.FieldName),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the PlanetScale client: %w", err)
	}
	return &connector{client{api, &sync.Map{}}}, nil, nil
}

func main() {
	schema := field.NewConfiguration([]field.SchemaField{tokenField, addressField, upstream.RequestsField})
	config.RunConnector(context.Background(), "peer-planetscale", "bench", schema, newConnector)
}
