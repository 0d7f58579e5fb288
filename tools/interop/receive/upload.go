package receive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"

	baton "github.com/conductorone/baton-sdk/pb/c1/connectorapi/baton/v1"
)

// upload is what came in one stream.
type upload struct {
	path           string
	hostID, taskID string
	chunks         int
	violations     []string
}

// take writes the data of a stream into a new file in dir: metadata first, then data, then the checksum, and nothing
// after it.
func take(stream baton.BatonService_UploadAssetServer, dir string) (*upload, error) {
	out, err := os.CreateTemp(dir, "receiving-")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	it, digest, ended := &upload{path: out.Name()}, sha256.New(), false
	complain := func(what string) { it.violations = append(it.violations, what) }
	for first := true; ; first = false {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		it.violations = append(it.violations, violations(message)...)
		if ended {
			complain("a message came after eof")
		}
		if first != (message.GetMetadata() != nil) {
			complain("metadata did not come first, or came again")
		}
		switch {
		case message.GetMetadata() != nil:
			it.hostID, it.taskID = message.GetMetadata().GetHostId(), message.GetMetadata().GetTaskId()
		case message.GetData() != nil:
			it.chunks++
			digest.Write(message.GetData().GetData())
			if _, err := out.Write(message.GetData().GetData()); err != nil {
				return nil, err
			}
		case message.GetEof() != nil:
			ended = true
			if !bytes.Equal(message.GetEof().GetSha256Checksum(), digest.Sum(nil)) {
				complain("the checksum is not that of the data")
			}
		}
	}
	if !ended {
		complain("there was no eof")
	}
	return it, out.Close()
}

// keep gives what was received the name of its task.
func (u *upload) keep(dir string) (string, error) {
	kept := filepath.Join(dir, u.taskID+".c1z")
	return kept, os.Rename(u.path, kept)
}
