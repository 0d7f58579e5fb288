package receive

import (
	"context"
	"fmt"
	"path/filepath"

	connector "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/dotc1z"
	"github.com/conductorone/baton-sdk/pkg/dotc1z/c1zstore"
	"google.golang.org/protobuf/proto"
)

// file is what the SDK's own reader finds in a received file.
type file struct {
	Name          string         `json:"name"`
	Engine        string         `json:"engine"`
	SyncID        string         `json:"syncId"`
	SyncType      string         `json:"syncType"`
	ResourceTypes int            `json:"resourceTypes"`
	Resources     map[string]int `json:"resources"`
	Entitlements  map[string]int `json:"entitlements"`
	Grants        map[string]int `json:"grants"`
}

// look reads the latest finished run in the file at path, and all that its records break.
func look(ctx context.Context, path string) (*file, []string) {
	it := &file{
		Name: filepath.Base(path), Resources: map[string]int{}, Entitlements: map[string]int{}, Grants: map[string]int{},
	}
	reader := &reader{file: it, known: map[string]bool{}}
	if err := reader.read(ctx, path); err != nil {
		reader.broken = append(reader.broken, fmt.Sprintf("reading the file: %v", err))
	}
	return it, reader.broken
}

// reader reads the records of one run, in the order in which they refer to each other.
type reader struct {
	*file
	store  c1zstore.Store
	known  map[string]bool
	broken []string
}

func (r *reader) read(ctx context.Context, path string) error {
	store, err := dotc1z.NewStore(ctx, path, dotc1z.WithReadOnly(true))
	if err != nil {
		return err
	}
	defer store.Close(ctx)
	r.store = store
	r.Engine = store.Metadata().Engine
	latest, err := store.SyncMeta().LatestFinishedSyncOfAnyType(ctx)
	if err != nil {
		return err
	}
	if latest == nil {
		return fmt.Errorf("there is no finished run")
	}
	r.SyncID, r.SyncType = latest.ID, string(latest.Type)
	if err := store.SetCurrentSync(ctx, latest.ID); err != nil {
		return err
	}
	for _, each := range []func(context.Context) error{r.resourceTypes, r.resources, r.entitlements, r.grants} {
		if err := each(ctx); err != nil {
			return err
		}
	}
	return nil
}

// check notes what a record breaks, and that it is there.
func (r *reader) check(what, id string, record proto.Message) {
	for _, violation := range violations(record) {
		r.broken = append(r.broken, fmt.Sprintf("%s %s: %s", what, id, violation))
	}
	r.known[what+" "+id] = true
}

// refer notes a reference to what is not there.
func (r *reader) refer(from, what, id string) {
	if !r.known[what+" "+id] {
		r.broken = append(r.broken, fmt.Sprintf("%s refers to the %s %s, which is not there", from, what, id))
	}
}

func idOf(id *connector.ResourceId) string { return id.GetResourceType() + ":" + id.GetResource() }

// pages calls one until there is no next page.
func pages(one func(token string) (string, error)) error {
	for token := ""; ; {
		next, err := one(token)
		if err != nil || next == "" {
			return err
		}
		token = next
	}
}

func (r *reader) resourceTypes(ctx context.Context) error {
	return pages(func(token string) (string, error) {
		page, err := r.store.ListResourceTypes(
			ctx, connector.ResourceTypesServiceListResourceTypesRequest_builder{PageToken: token}.Build())
		for _, it := range page.GetList() {
			r.check("resource type", it.GetId(), it)
			r.ResourceTypes++
		}
		return page.GetNextPageToken(), err
	})
}

func (r *reader) resources(ctx context.Context) error {
	var parents [][2]string
	err := pages(func(token string) (string, error) {
		page, err := r.store.ListResources(
			ctx, connector.ResourcesServiceListResourcesRequest_builder{PageToken: token}.Build())
		for _, it := range page.GetList() {
			id := idOf(it.GetId())
			r.check("resource", id, it)
			r.refer(id, "resource type", it.GetId().GetResourceType())
			if it.HasParentResourceId() {
				parents = append(parents, [2]string{id, idOf(it.GetParentResourceId())})
			}
			r.Resources[it.GetId().GetResourceType()]++
		}
		return page.GetNextPageToken(), err
	})
	for _, it := range parents {
		r.refer(it[0], "resource", it[1])
	}
	return err
}

func (r *reader) entitlements(ctx context.Context) error {
	return pages(func(token string) (string, error) {
		page, err := r.store.ListEntitlements(
			ctx, connector.EntitlementsServiceListEntitlementsRequest_builder{PageToken: token}.Build())
		for _, it := range page.GetList() {
			r.check("entitlement", it.GetId(), it)
			r.refer(it.GetId(), "resource", idOf(it.GetResource().GetId()))
			r.Entitlements[it.GetResource().GetId().GetResourceType()]++
		}
		return page.GetNextPageToken(), err
	})
}

func (r *reader) grants(ctx context.Context) error {
	return pages(func(token string) (string, error) {
		page, err := r.store.ListGrants(
			ctx, connector.GrantsServiceListGrantsRequest_builder{PageToken: token}.Build())
		for _, it := range page.GetList() {
			r.check("grant", it.GetId(), it)
			r.refer(it.GetId(), "entitlement", it.GetEntitlement().GetId())
			r.refer(it.GetId(), "resource", idOf(it.GetPrincipal().GetId()))
			r.Grants[it.GetEntitlement().GetResource().GetId().GetResourceType()]++
		}
		return page.GetNextPageToken(), err
	})
}
