// A Scalr connector on baton-sdk, written in the SDK's usual way: what connector-operator is measured against.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/annotations"
	"github.com/conductorone/baton-sdk/pkg/cli"
	"github.com/conductorone/baton-sdk/pkg/config"
	"github.com/conductorone/baton-sdk/pkg/connectorbuilder"
	"github.com/conductorone/baton-sdk/pkg/field"
	"github.com/spf13/viper"

	"connector-operator/benches/peer/upstream"
)

var (
	accountField = field.StringField(
		"scalr-account", field.WithDescription("The account's subdomain."), field.WithRequired(true),
	)
	tokenField = field.StringField(
		"scalr-api-token", field.WithDescription("The API token."), field.WithRequired(true), field.WithIsSecret(true),
	)
	addressField = field.StringField(
		"scalr-base-url", field.WithDescription("Where Scalr is, unless at <account>.scalr.io."),
	)
)

type connector struct {
	api     *upstream.Client
	account string
}

func (c *connector) Metadata(context.Context) (*v2.ConnectorMetadata, error) {
	return v2.ConnectorMetadata_builder{DisplayName: "Scalr", Description: "Users of Scalr."}.Build(), nil
}

func (c *connector) Validate(ctx context.Context) (annotations.Annotations, error) {
	_, err := c.accountID(ctx)
	return nil, err
}

func (c *connector) ResourceSyncers(context.Context) []connectorbuilder.ResourceSyncerV2 {
	return []connectorbuilder.ResourceSyncerV2{&userSyncer{connector: c}}
}

// accountID is the id of the account of the configured name.
func (c *connector) accountID(ctx context.Context) (string, error) {
	var page listing[account, none]
	query := url.Values{"filter[name]": {c.account}, "page[size]": {strconv.Itoa(upstream.PageSize)}}
	if err := c.api.Get(ctx, &page, query, "api", "iacp", "v3", "accounts"); err != nil {
		return "", err
	}
	for _, it := range page.Data {
		if it.Attributes.Name == c.account {
			return it.ID, nil
		}
	}
	return "", errors.New("no account is called " + c.account)
}

func newConnector(
	ctx context.Context,
	settings *viper.Viper,
	_ *cli.ConnectorOpts,
) (connectorbuilder.ConnectorBuilderV2, []connectorbuilder.Opt, error) {
	account := settings.GetString(accountField.FieldName)
	address := settings.GetString(addressField.FieldName)
	if address == "" {
		address = "https://" + account + ".scalr.io"
	}
	token := settings.GetString(tokenField.FieldName)
	limit := settings.GetInt(upstream.RequestsField.FieldName)
	api, err := upstream.New(ctx, address, "Bearer "+token, "application/vnd.api+json", limit)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the Scalr client: %w", err)
	}
	return &connector{api: api, account: account}, nil, nil
}

func main() {
	schema := field.NewConfiguration([]field.SchemaField{accountField, tokenField, addressField, upstream.RequestsField})
	config.RunConnector(context.Background(), "peer-scalr", "bench", schema, newConnector)
}
