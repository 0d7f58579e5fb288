package receive

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	connector "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	baton "github.com/conductorone/baton-sdk/pb/c1/connectorapi/baton/v1"
)

// task is one that is handed out once.
type task struct {
	kind string
	*baton.Task
}

// script hands out tasks in their order, and knows which are not finished.
type script struct {
	finished chan struct{}

	lock    sync.Mutex
	waiting []task
	handed  map[string]task
}

// makers make the tasks by their names.
var makers = map[string]func(options, *baton.Task_builder){
	"none":  func(_ options, it *baton.Task_builder) { it.None = &baton.Task_NoneTask{} },
	"hello": func(_ options, it *baton.Task_builder) { it.Hello = &baton.Task_HelloTask{} },
	"sync_full": func(options options, it *baton.Task_builder) {
		it.SyncFull = sync_(options).Build()
	},
	"sync_resources": func(options options, it *baton.Task_builder) {
		task := sync_(options)
		task.SkipEntitlementsAndGrants = true
		it.SyncFull = task.Build()
	},
	"sync_without_grants": func(options options, it *baton.Task_builder) {
		task := sync_(options)
		task.SkipGrants = true
		it.SyncFull = task.Build()
	},
	"grant": func(_ options, it *baton.Task_builder) {
		it.Grant = baton.Task_GrantTask_builder{Entitlement: entitlement(), Principal: user()}.Build()
	},
	"revoke": func(_ options, it *baton.Task_builder) {
		it.Revoke = baton.Task_RevokeTask_builder{Grant: connector.Grant_builder{
			Id: "team:t1:member:user:u1", Entitlement: entitlement(), Principal: user(),
		}.Build()}.Build()
	},
	// One that no client knows.
	"unknown": func(options, *baton.Task_builder) {},
}

func kinds() []string { return slices.Sorted(maps.Keys(makers)) }

func sync_(options options) *baton.Task_SyncFullTask_builder {
	return &baton.Task_SyncFullTask_builder{
		SkipExpandGrants:    true,
		SyncResourceTypeIds: options.resourceTypes,
		StorageEngine:       options.storageEngine,
	}
}

func user() *connector.Resource {
	id := connector.ResourceId_builder{ResourceType: "user", Resource: "u1"}.Build()
	return connector.Resource_builder{Id: id, DisplayName: "Ada"}.Build()
}

func entitlement() *connector.Entitlement {
	id := connector.ResourceId_builder{ResourceType: "team", Resource: "t1"}.Build()
	team := connector.Resource_builder{Id: id, DisplayName: "Team"}.Build()
	return connector.Entitlement_builder{Id: "team:t1:member", Resource: team, Slug: "member"}.Build()
}

func newScript(options options) (*script, error) {
	it := &script{finished: make(chan struct{}), handed: map[string]task{}}
	for index, kind := range options.tasks {
		make, known := makers[kind]
		if !known {
			return nil, fmt.Errorf("there is no task %q; there are %v", kind, kinds())
		}
		// C1's ids have 27 letters and digits.
		made := baton.Task_builder{Id: fmt.Sprintf("interop%020d", index), Status: baton.Task_STATUS_PENDING}
		make(options, &made)
		it.waiting = append(it.waiting, task{kind, made.Build()})
	}
	if len(it.waiting) == 0 {
		return nil, fmt.Errorf("there is no task to hand out")
	}
	return it, nil
}

// next hands out a task; none when all have been.
func (s *script) next() (task, bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if len(s.waiting) == 0 {
		return task{}, false
	}
	next := s.waiting[0]
	s.waiting = s.waiting[1:]
	s.handed[next.GetId()] = next
	if next.kind == "none" {
		s.finishLocked(next.GetId())
	}
	return next, true
}

// find is the task of this id that has been handed out and is not finished.
func (s *script) find(id string) (task, bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	found, handed := s.handed[id]
	return found, handed
}

func (s *script) finish(id string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.finishLocked(id)
}

func (s *script) finishLocked(id string) {
	if _, handed := s.handed[id]; !handed {
		return
	}
	delete(s.handed, id)
	if len(s.handed)+len(s.waiting) == 0 {
		close(s.finished)
	}
}

// open are the tasks that are not finished.
func (s *script) open() []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	var open []string
	for _, it := range slices.Concat(slices.Collect(maps.Values(s.handed)), s.waiting) {
		open = append(open, it.kind)
	}
	return open
}
