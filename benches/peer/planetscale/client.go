package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/conductorone/baton-sdk/pkg/pagination"

	"connector-operator/benches/peer/upstream"
)

type organization struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

type user struct {
	ID                      string    `json:"id"`
	DisplayName             string    `json:"display_name"`
	Name                    *string   `json:"name"`
	Email                   string    `json:"email"`
	CreatedAt               time.Time `json:"created_at"`
	TwoFactorAuthConfigured *bool     `json:"two_factor_auth_configured"`
	SSO                     *bool     `json:"sso"`
	Managed                 *bool     `json:"managed"`
	DirectoryManaged        *bool     `json:"directory_managed"`
	EmailVerified           *bool     `json:"email_verified"`
}

type membership struct {
	Role string `json:"role"`
	User user   `json:"user"`
}

type team struct {
	ID          string    `json:"id"`
	DisplayName string    `json:"display_name"`
	Slug        string    `json:"slug"`
	Description *string   `json:"description"`
	Managed     *bool     `json:"managed"`
	CreatedAt   time.Time `json:"created_at"`
}

type teamMembership struct {
	User user `json:"user"`
}

type listing[T any] struct {
	NextPage *int `json:"next_page"`
	Data     []T  `json:"data"`
}

type client struct {
	*upstream.Client
	// The names of organizations by id: what is asked about one is asked by its name.
	names *sync.Map
}

// organizations reads one page of them.
func (c client) organizations(ctx context.Context, token *pagination.Token) ([]organization, string, error) {
	page, next, err := list[organization](ctx, c, token)
	for _, it := range page {
		c.names.Store(it.ID, it.Name)
	}
	return page, next, err
}

// organizationName is that of an organization that has been listed.
func (c client) organizationName(id string) (string, error) {
	name, known := c.names.Load(id)
	if !known {
		return "", fmt.Errorf("the organization %s has not been listed", id)
	}
	return name.(string), nil
}

// list reads one page of the listing at the path, and gives the token of the next.
func list[T any](ctx context.Context, c client, token *pagination.Token, segments ...string) ([]T, string, error) {
	query := url.Values{
		"page":     {upstream.Page(token.Token)},
		"per_page": {strconv.Itoa(upstream.PageSize)},
	}
	var page listing[T]
	if err := c.Get(ctx, &page, query, append([]string{"v1", "organizations"}, segments...)...); err != nil {
		return nil, "", err
	}
	return page.Data, upstream.Token(page.NextPage), nil
}
