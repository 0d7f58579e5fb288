package main

import (
	"context"
	"strings"
	"time"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/types/entitlement"
	"github.com/conductorone/baton-sdk/pkg/types/grant"
	"github.com/conductorone/baton-sdk/pkg/types/resource"
)

const (
	memberRole = "member"
	adminRole  = "admin"
)

var (
	organizationType = v2.ResourceType_builder{Id: "organization", DisplayName: "Organization"}.Build()
	teamType         = v2.ResourceType_builder{
		Id:          "team",
		DisplayName: "Team",
		Traits:      []v2.ResourceType_Trait{v2.ResourceType_TRAIT_GROUP},
	}.Build()
	userType = resource.NewResourceType(
		"User",
		[]v2.ResourceType_Trait{v2.ResourceType_TRAIT_USER},
		&v2.SkipEntitlementsAndGrants{},
	)
)

func results(next string) *resource.SyncOpResults {
	return &resource.SyncOpResults{NextPageToken: next}
}

// Resources of a token's organizations, and who is in them with which role.
type organizationSyncer struct{ client client }

func (s *organizationSyncer) ResourceType(context.Context) *v2.ResourceType { return organizationType }

func (s *organizationSyncer) List(
	ctx context.Context, _ *v2.ResourceId, attrs resource.SyncOpAttrs,
) ([]*v2.Resource, *resource.SyncOpResults, error) {
	organizations, next, err := s.client.organizations(ctx, &attrs.PageToken)
	if err != nil {
		return nil, nil, err
	}
	var made []*v2.Resource
	for _, it := range organizations {
		one, err := resource.NewResource(
			it.Name, organizationType, it.ID,
			resource.WithAnnotation(
				&v2.RawId{Id: it.ID},
				v2.ExternalLink_builder{Url: "https://app.planetscale.com/" + it.Name}.Build(),
				v2.ChildResourceType_builder{ResourceTypeId: teamType.GetId()}.Build(),
				v2.ChildResourceType_builder{ResourceTypeId: userType.GetId()}.Build(),
			),
			resource.WithResourceProfile(map[string]any{"name": it.Name}),
			resource.WithResourceCreatedAt(it.CreatedAt),
		)
		if err != nil {
			return nil, nil, err
		}
		made = append(made, one)
	}
	return made, results(next), nil
}

func (s *organizationSyncer) Entitlements(
	_ context.Context, organization *v2.Resource, _ resource.SyncOpAttrs,
) ([]*v2.Entitlement, *resource.SyncOpResults, error) {
	name := organization.GetDisplayName()
	return []*v2.Entitlement{
		entitlement.NewAssignmentEntitlement(
			organization, memberRole,
			entitlement.WithGrantableTo(userType),
			entitlement.WithDisplayName(name+" Organization Member"),
			entitlement.WithDescription("Is a member of the PlanetScale organization "+name),
		),
		entitlement.NewPermissionEntitlement(
			organization, adminRole,
			entitlement.WithGrantableTo(userType),
			entitlement.WithDisplayName(name+" Organization Admin"),
			entitlement.WithDescription("Administers the PlanetScale organization "+name),
		),
	}, results(""), nil
}

func (s *organizationSyncer) Grants(
	ctx context.Context, organization *v2.Resource, attrs resource.SyncOpAttrs,
) ([]*v2.Grant, *resource.SyncOpResults, error) {
	members, next, err := list[membership](ctx, s.client, &attrs.PageToken, organization.GetDisplayName(), "members")
	if err != nil {
		return nil, nil, err
	}
	var grants []*v2.Grant
	for _, it := range members {
		id, err := resource.NewResourceID(userType, it.User.ID)
		if err != nil {
			return nil, nil, err
		}
		grants = append(grants, grant.NewGrant(organization, it.Role, id))
	}
	return grants, results(next), nil
}

// Teams of an organization, and who is in them.
type teamSyncer struct{ client client }

func (s *teamSyncer) ResourceType(context.Context) *v2.ResourceType { return teamType }

func (s *teamSyncer) List(
	ctx context.Context, parent *v2.ResourceId, attrs resource.SyncOpAttrs,
) ([]*v2.Resource, *resource.SyncOpResults, error) {
	if parent == nil {
		return nil, results(""), nil
	}
	name, err := s.client.organizationName(parent.GetResource())
	if err != nil {
		return nil, nil, err
	}
	teams, next, err := list[team](ctx, s.client, &attrs.PageToken, name, "teams")
	if err != nil {
		return nil, nil, err
	}
	var made []*v2.Resource
	for _, it := range teams {
		profile := map[string]any{"name": it.DisplayName, "slug": it.Slug, "organization": name}
		if it.Managed != nil {
			profile["managed"] = *it.Managed
		}
		one, err := resource.NewGroupResource(
			it.DisplayName, teamType, it.ID, nil,
			resource.WithAnnotation(&v2.RawId{Id: it.ID}),
			resource.WithParentResourceID(parent),
			resource.WithResourceProfile(profile),
			resource.WithResourceCreatedAt(it.CreatedAt),
		)
		if err != nil {
			return nil, nil, err
		}
		made = append(made, one)
	}
	return made, results(next), nil
}

func (s *teamSyncer) Entitlements(
	_ context.Context, team *v2.Resource, _ resource.SyncOpAttrs,
) ([]*v2.Entitlement, *resource.SyncOpResults, error) {
	name := team.GetDisplayName()
	return []*v2.Entitlement{entitlement.NewAssignmentEntitlement(
		team, memberRole,
		entitlement.WithGrantableTo(userType),
		entitlement.WithDisplayName(name+" Team Member"),
		entitlement.WithDescription("Is a member of the PlanetScale team "+name),
	)}, results(""), nil
}

func (s *teamSyncer) Grants(
	ctx context.Context, team *v2.Resource, attrs resource.SyncOpAttrs,
) ([]*v2.Grant, *resource.SyncOpResults, error) {
	profile := team.GetProfile().GetFields()
	members, next, err := list[teamMembership](
		ctx, s.client, &attrs.PageToken,
		profile["organization"].GetStringValue(), "teams", profile["slug"].GetStringValue(), "members",
	)
	if err != nil {
		return nil, nil, err
	}
	var grants []*v2.Grant
	for _, it := range members {
		id, err := resource.NewResourceID(userType, it.User.ID)
		if err != nil {
			return nil, nil, err
		}
		grants = append(grants, grant.NewGrant(team, memberRole, id))
	}
	return grants, results(next), nil
}

// Users, who are the members of organizations.
type userSyncer struct{ client client }

func (s *userSyncer) ResourceType(context.Context) *v2.ResourceType { return userType }

func (s *userSyncer) List(
	ctx context.Context, parent *v2.ResourceId, attrs resource.SyncOpAttrs,
) ([]*v2.Resource, *resource.SyncOpResults, error) {
	if parent == nil {
		return nil, results(""), nil
	}
	name, err := s.client.organizationName(parent.GetResource())
	if err != nil {
		return nil, nil, err
	}
	members, next, err := list[membership](ctx, s.client, &attrs.PageToken, name, "members")
	if err != nil {
		return nil, nil, err
	}
	var made []*v2.Resource
	for _, it := range members {
		one, err := userResource(&it.User)
		if err != nil {
			return nil, nil, err
		}
		made = append(made, one)
	}
	return made, results(next), nil
}

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

func userResource(it *user) (*v2.Resource, error) {
	name := it.DisplayName
	profile := map[string]any{
		"user_id":      it.ID,
		"email":        it.Email,
		"display_name": it.DisplayName,
		"created_at":   it.CreatedAt.Format(time.RFC3339Nano),
	}
	if it.Name != nil && *it.Name != "" {
		name = *it.Name
		profile["name"] = name
		if first, last, found := strings.Cut(name, " "); found {
			profile["first_name"], profile["last_name"] = first, last
		}
	}
	for key, fact := range map[string]*bool{
		"two_factor_auth_configured": it.TwoFactorAuthConfigured,
		"sso":                        it.SSO,
		"managed":                    it.Managed,
		"directory_managed":          it.DirectoryManaged,
		"email_verified":             it.EmailVerified,
	} {
		if fact != nil {
			profile[key] = *fact
		}
	}
	options := []resource.UserTraitOption{
		resource.WithEmail(it.Email, true),
		resource.WithUserLogin(it.Email),
		resource.WithStatus(v2.UserTrait_Status_STATUS_ENABLED),
		resource.WithUserProfile(profile),
		resource.WithCreatedAt(it.CreatedAt),
		resource.WithAccountType(v2.UserTrait_ACCOUNT_TYPE_HUMAN),
	}
	if it.TwoFactorAuthConfigured != nil {
		options = append(options, resource.WithMFAStatus(
			v2.UserTrait_MFAStatus_builder{MfaEnabled: *it.TwoFactorAuthConfigured}.Build()))
	}
	if it.SSO != nil {
		options = append(options, resource.WithSSOStatus(
			v2.UserTrait_SSOStatus_builder{SsoEnabled: *it.SSO}.Build()))
	}
	return resource.NewUserResource(
		name, userType, it.ID, options, resource.WithAnnotation(&v2.RawId{Id: it.ID}),
	)
}
