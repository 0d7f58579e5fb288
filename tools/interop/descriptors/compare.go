package descriptors

import (
	"fmt"
	"io"
	"sort"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// comparison counts what has been compared, and keeps what differs. Ours may lack what the SDK has.
type comparison struct {
	messages, fields, enums, values, services, methods int
	differences                                        []string
}

func (c *comparison) print(out io.Writer) {
	sort.Strings(c.differences)
	for _, difference := range c.differences {
		fmt.Fprintln(out, difference)
	}
	fmt.Fprintf(
		out, "messages compared: %d, fields: %d, enums: %d, values: %d, services: %d, methods: %d, differences: %d\n",
		c.messages, c.fields, c.enums, c.values, c.services, c.methods, len(c.differences),
	)
}

func (c *comparison) differ(where protoreflect.FullName, format string, arguments ...any) {
	c.differences = append(c.differences, fmt.Sprintf("%s: %s", where, fmt.Sprintf(format, arguments...)))
}

// equal notes a difference of one trait of a descriptor.
func equal[T comparable](c *comparison, where protoreflect.FullName, what string, ours, theirs T) {
	if ours != theirs {
		c.differ(where, "its %s is %v, and %v in the SDK", what, ours, theirs)
	}
}

// counterpart is the SDK's descriptor of the same name and sort.
func counterpart[D protoreflect.Descriptor](c *comparison, ours D) (D, bool) {
	var none D
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(ours.FullName())
	if err != nil {
		c.differ(ours.FullName(), "the SDK has nothing of this name")
		return none, false
	}
	theirs, same := found.(D)
	if !same {
		c.differ(ours.FullName(), "is something else in the SDK")
		return none, false
	}
	return theirs, true
}

func (c *comparison) file(file protoreflect.FileDescriptor) {
	c.types(file.Messages(), file.Enums())
	for i := range file.Services().Len() {
		c.service(file.Services().Get(i))
	}
}

func (c *comparison) types(messages protoreflect.MessageDescriptors, enums protoreflect.EnumDescriptors) {
	for i := range messages.Len() {
		c.message(messages.Get(i))
	}
	for i := range enums.Len() {
		c.enum(enums.Get(i))
	}
}

func (c *comparison) message(ours protoreflect.MessageDescriptor) {
	c.messages++
	if theirs, found := counterpart(c, ours); found {
		equal(c, ours.FullName(), "being the entry of a map", ours.IsMapEntry(), theirs.IsMapEntry())
		for i := range ours.Fields().Len() {
			c.field(ours.Fields().Get(i), theirs.Fields())
		}
	}
	c.types(ours.Messages(), ours.Enums())
}

func (c *comparison) field(ours protoreflect.FieldDescriptor, fields protoreflect.FieldDescriptors) {
	c.fields++
	name := ours.FullName()
	theirs := fields.ByName(ours.Name())
	if theirs == nil {
		c.differ(name, "the SDK has no such field")
		return
	}
	equal(c, name, "number", ours.Number(), theirs.Number())
	equal(c, name, "kind", ours.Kind(), theirs.Kind())
	equal(c, name, "cardinality", ours.Cardinality(), theirs.Cardinality())
	equal(c, name, "presence", ours.HasPresence(), theirs.HasPresence())
	equal(c, name, "being packed", ours.IsPacked(), theirs.IsPacked())
	equal(c, name, "being a map", ours.IsMap(), theirs.IsMap())
	equal(c, name, "name in JSON", ours.JSONName(), theirs.JSONName())
	equal(c, name, "oneof", nameOf(ours.ContainingOneof()), nameOf(theirs.ContainingOneof()))
	equal(c, name, "type", typeOf(ours), typeOf(theirs))
}

// typeOf is the name of the message or enum that a field holds, if it holds one.
func typeOf(field protoreflect.FieldDescriptor) protoreflect.FullName {
	if enum := field.Enum(); enum != nil {
		return enum.FullName()
	}
	return nameOf(field.Message())
}

func nameOf(descriptor protoreflect.Descriptor) protoreflect.FullName {
	if descriptor == nil {
		return ""
	}
	return descriptor.FullName()
}

func (c *comparison) enum(ours protoreflect.EnumDescriptor) {
	c.enums++
	theirs, found := counterpart(c, ours)
	if !found {
		return
	}
	for i := range ours.Values().Len() {
		c.values++
		value := ours.Values().Get(i)
		same := theirs.Values().ByName(value.Name())
		if same == nil {
			c.differ(value.FullName(), "the SDK has no such value")
			continue
		}
		equal(c, value.FullName(), "number", value.Number(), same.Number())
	}
}

func (c *comparison) service(ours protoreflect.ServiceDescriptor) {
	c.services++
	theirs, found := counterpart(c, ours)
	if !found {
		return
	}
	for i := range ours.Methods().Len() {
		c.method(ours.Methods().Get(i), theirs.Methods())
	}
}

func (c *comparison) method(ours protoreflect.MethodDescriptor, methods protoreflect.MethodDescriptors) {
	c.methods++
	name := ours.FullName()
	theirs := methods.ByName(ours.Name())
	if theirs == nil {
		c.differ(name, "the SDK has no such method")
		return
	}
	equal(c, name, "input", ours.Input().FullName(), theirs.Input().FullName())
	equal(c, name, "output", ours.Output().FullName(), theirs.Output().FullName())
	equal(c, name, "streaming of requests", ours.IsStreamingClient(), theirs.IsStreamingClient())
	equal(c, name, "streaming of answers", ours.IsStreamingServer(), theirs.IsStreamingServer())
}
