// Package descriptors compares protocol descriptors with those that are linked into this program: the SDK's.
package descriptors

import (
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	// What is compared with.
	_ "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	_ "github.com/conductorone/baton-sdk/pb/c1/connectorapi/baton/v1"
)

// Run compares the set in the file that is named, or on stdin, and fails where anything differs.
func Run(arguments []string, stdin io.Reader, stdout io.Writer) error {
	encoded, err := read(arguments, stdin)
	if err != nil {
		return err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(encoded, set); err != nil {
		return fmt.Errorf("decoding the descriptors: %w", err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return fmt.Errorf("linking the descriptors: %w", err)
	}
	found := &comparison{}
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		found.file(file)
		return true
	})
	found.print(stdout)
	if found.messages == 0 {
		return errors.New("there is no message to compare")
	}
	if len(found.differences) > 0 {
		return fmt.Errorf("%d differences", len(found.differences))
	}
	return nil
}

func read(arguments []string, stdin io.Reader) ([]byte, error) {
	switch len(arguments) {
	case 0:
		return io.ReadAll(stdin)
	case 1:
		return os.ReadFile(arguments[0])
	default:
		return nil, errors.New("one file at most")
	}
}
