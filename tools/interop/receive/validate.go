package receive

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// violations are the rules of the SDK that a message breaks: those that are generated with the messages, in it and in
// whatever its Anys hold; fields that the SDK does not know; Anys of types that it does not know.
func violations(message proto.Message) []string {
	var found []string
	if it, ok := message.(interface{ ValidateAll() error }); ok {
		if err := it.ValidateAll(); err != nil {
			found = append(found, err.Error())
		}
	}
	walk(message.ProtoReflect(), func(it protoreflect.Message) {
		if unknown := it.GetUnknown(); len(unknown) > 0 {
			found = append(found, fmt.Sprintf("%s has %d bytes of unknown fields", it.Descriptor().FullName(), len(unknown)))
		}
		wrapped, ok := it.Interface().(*anypb.Any)
		if !ok || wrapped.GetTypeUrl() == "" {
			return
		}
		inner, err := wrapped.UnmarshalNew()
		if err != nil {
			found = append(found, fmt.Sprintf("an Any of %q: %v", wrapped.GetTypeUrl(), err))
			return
		}
		found = append(found, violations(inner)...)
	})
	return found
}

// walk visits a message and all that are in it.
func walk(message protoreflect.Message, visit func(protoreflect.Message)) {
	visit(message)
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, it protoreflect.Value) bool {
					walk(it.Message(), visit)
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				walk(value.List().Get(i).Message(), visit)
			}
		default:
			walk(value.Message(), visit)
		}
		return true
	})
}
