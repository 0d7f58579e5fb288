package receive

import (
	"strings"
	"testing"

	connector "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	baton "github.com/conductorone/baton-sdk/pb/c1/connectorapi/baton/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func packed(t *testing.T, message proto.Message) *anypb.Any {
	t.Helper()
	it, err := anypb.New(message)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func TestWhatBreaksARuleIsNamed(t *testing.T) {
	request := func() *baton.BatonServiceGetTaskRequest {
		return baton.BatonServiceGetTaskRequest_builder{HostId: "host"}.Build()
	}
	strange := request()
	strange.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	for name, it := range map[string]struct {
		message proto.Message
		broken  string
	}{
		"good":                      {request(), ""},
		"no host":                   {&baton.BatonServiceGetTaskRequest{}, "HostId"},
		"a field that nobody knows": {strange, "unknown fields"},
		"an Any that nobody knows": {
			connector.Grant_builder{
				Id: "g", Entitlement: entitlement(), Principal: user(),
				Annotations: []*anypb.Any{{TypeUrl: "type.googleapis.com/c1.connector.v2.Nothing"}},
			}.Build(),
			"c1.connector.v2.Nothing",
		},
		"a broken message in an Any": {
			connector.Grant_builder{
				Id: "g", Entitlement: entitlement(), Principal: user(),
				Annotations: []*anypb.Any{packed(t, connector.ExternalLink_builder{Url: "ftp://elsewhere"}.Build())},
			}.Build(),
			"ExternalLink",
		},
	} {
		found := strings.Join(violations(it.message), "; ")
		if (it.broken == "") != (found == "") || !strings.Contains(found, it.broken) {
			t.Errorf("%s: %q, not %q", name, found, it.broken)
		}
	}
}
