package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/pagination"
	"github.com/conductorone/baton-sdk/pkg/types/resource"

	"connector-operator/benches/peer/upstream"
)

type none struct{}

type account struct {
	ID         string `json:"id"`
	Attributes struct {
		Name string `json:"name"`
	} `json:"attributes"`
}

type relation struct {
	Attributes struct {
		Status      string     `json:"status"`
		LastLoginAt *time.Time `json:"last-login-at"`
	} `json:"attributes"`
	Relationships struct {
		User struct {
			Data struct {
				ID string `json:"id"`
			} `json:"data"`
		} `json:"user"`
	} `json:"relationships"`
}

type user struct {
	ID         string `json:"id"`
	Attributes struct {
		Email     string     `json:"email"`
		Username  string     `json:"username"`
		FullName  *string    `json:"full-name"`
		Status    string     `json:"status"`
		CreatedAt *time.Time `json:"created-at"`
	} `json:"attributes"`
}

type serviceAccount struct {
	ID         string `json:"id"`
	Attributes struct {
		Name      string     `json:"name"`
		Email     string     `json:"email"`
		Status    string     `json:"status"`
		CreatedAt *time.Time `json:"created-at"`
	} `json:"attributes"`
}

type listing[T, I any] struct {
	Data     []T `json:"data"`
	Included []I `json:"included"`
	Meta     struct {
		Pagination struct {
			NextPage *int `json:"next-page"`
		} `json:"pagination"`
	} `json:"meta"`
}

var userType = resource.NewResourceType(
	"User",
	[]v2.ResourceType_Trait{v2.ResourceType_TRAIT_USER},
	&v2.SkipEntitlementsAndGrants{},
)

const (
	people   = "people"
	programs = "programs"
	active   = "Active"
)

// The people of the account, and after them its service accounts.
type userSyncer struct {
	connector *connector
	lock      sync.Mutex
	accountID string
}

func (s *userSyncer) ResourceType(context.Context) *v2.ResourceType { return userType }

func (s *userSyncer) Entitlements(
	context.Context, *v2.Resource, resource.SyncOpAttrs,
) ([]*v2.Entitlement, *resource.SyncOpResults, error) {
	return nil, nil, nil
}

func (s *userSyncer) Grants(
	context.Context, *v2.Resource, resource.SyncOpAttrs,
) ([]*v2.Grant, *resource.SyncOpResults, error) {
	return nil, nil, nil
}

func (s *userSyncer) List(
	ctx context.Context, _ *v2.ResourceId, attrs resource.SyncOpAttrs,
) ([]*v2.Resource, *resource.SyncOpResults, error) {
	account, err := s.account(ctx)
	if err != nil {
		return nil, nil, err
	}
	bag := &pagination.Bag{}
	if err := bag.Unmarshal(attrs.PageToken.Token); err != nil {
		return nil, nil, err
	}
	if bag.Current() == nil {
		bag.Push(pagination.PageState{ResourceTypeID: programs})
		bag.Push(pagination.PageState{ResourceTypeID: people})
	}
	query := url.Values{
		"filter[account]": {account},
		"sort":            {"email"},
		"page[number]":    {upstream.Page(bag.PageToken())},
		"page[size]":      {strconv.Itoa(upstream.PageSize)},
	}
	list := s.people
	if bag.ResourceTypeID() == programs {
		list = s.programs
	}
	made, next, err := list(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	token, err := bag.NextToken(upstream.Token(next))
	if err != nil {
		return nil, nil, err
	}
	return made, &resource.SyncOpResults{NextPageToken: token}, nil
}

// account is the account's id, asked for once.
func (s *userSyncer) account(ctx context.Context) (string, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.accountID == "" {
		id, err := s.connector.accountID(ctx)
		if err != nil {
			return "", err
		}
		s.accountID = id
	}
	return s.accountID, nil
}

func (s *userSyncer) people(ctx context.Context, query url.Values) ([]*v2.Resource, *int, error) {
	query.Set("include", "user")
	var page listing[relation, user]
	if err := s.connector.api.Get(ctx, &page, query, "api", "iacp", "v3", "account-users"); err != nil {
		return nil, nil, err
	}
	users := make(map[string]*user, len(page.Included))
	for index := range page.Included {
		users[page.Included[index].ID] = &page.Included[index]
	}
	var made []*v2.Resource
	for _, it := range page.Data {
		who, known := users[it.Relationships.User.Data.ID]
		if !known {
			return nil, nil, fmt.Errorf("the user %s is not included", it.Relationships.User.Data.ID)
		}
		one, err := person(&it, who)
		if err != nil {
			return nil, nil, err
		}
		made = append(made, one)
	}
	return made, page.Meta.Pagination.NextPage, nil
}

func (s *userSyncer) programs(ctx context.Context, query url.Values) ([]*v2.Resource, *int, error) {
	var page listing[serviceAccount, none]
	if err := s.connector.api.Get(ctx, &page, query, "api", "iacp", "v3", "service-accounts"); err != nil {
		return nil, nil, err
	}
	var made []*v2.Resource
	for _, it := range page.Data {
		one, err := program(&it)
		if err != nil {
			return nil, nil, err
		}
		made = append(made, one)
	}
	return made, page.Meta.Pagination.NextPage, nil
}

func person(relation *relation, user *user) (*v2.Resource, error) {
	attributes := user.Attributes
	name := attributes.Username
	status, details := statusOf(relation.Attributes.Status, attributes.Status)
	profile := map[string]any{
		"user_id":      user.ID,
		"email":        attributes.Email,
		"username":     attributes.Username,
		"account_type": "human",
		"status":       details,
	}
	if attributes.FullName != nil {
		name = *attributes.FullName
		profile["full_name"] = name
		if first, last, found := strings.Cut(name, " "); found {
			profile["first_name"], profile["last_name"] = first, last
		}
	}
	options := []resource.UserTraitOption{
		resource.WithEmail(attributes.Email, true),
		resource.WithUserLogin(attributes.Username),
		resource.WithDetailedStatus(status, details),
		resource.WithAccountType(v2.UserTrait_ACCOUNT_TYPE_HUMAN),
	}
	if relation.Attributes.LastLoginAt != nil {
		options = append(options, resource.WithLastLogin(*relation.Attributes.LastLoginAt))
	}
	return made(name, user.ID, attributes.CreatedAt, profile, options)
}

func program(it *serviceAccount) (*v2.Resource, error) {
	status, details := statusOf(it.Attributes.Status, active)
	profile := map[string]any{
		"user_id": it.ID, "email": it.Attributes.Email, "account_type": "service", "status": details,
	}
	options := []resource.UserTraitOption{
		resource.WithEmail(it.Attributes.Email, true),
		resource.WithUserLogin(it.Attributes.Name),
		resource.WithDetailedStatus(status, details),
		resource.WithAccountType(v2.UserTrait_ACCOUNT_TYPE_SERVICE),
	}
	return made(it.Attributes.Name, it.ID, it.Attributes.CreatedAt, profile, options)
}

func made(
	name, id string, createdAt *time.Time, profile map[string]any, options []resource.UserTraitOption,
) (*v2.Resource, error) {
	if createdAt != nil {
		profile["created_at"] = createdAt.Format(time.RFC3339Nano)
		options = append(options, resource.WithCreatedAt(*createdAt))
	}
	options = append(options, resource.WithUserProfile(profile))
	return resource.NewUserResource(
		name, userType, id, options, resource.WithAnnotation(&v2.RawId{Id: id}),
	)
}

// statusOf is enabled where both words are Active.
func statusOf(relation, user string) (v2.UserTrait_Status_Status, string) {
	switch {
	case relation != active:
		return v2.UserTrait_Status_STATUS_DISABLED, relation
	case user != active:
		return v2.UserTrait_Status_STATUS_DISABLED, user
	default:
		return v2.UserTrait_Status_STATUS_ENABLED, active
	}
}
