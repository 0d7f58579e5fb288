package receive

import (
	"encoding/json"
	"io"
	"sync"
)

// line is what there is to say of one call.
type line struct {
	Method string `json:"method"`
	// The kind of the task that the call hands out, or is about.
	Task       string   `json:"task,omitempty"`
	TaskID     string   `json:"taskId,omitempty"`
	Valid      bool     `json:"valid"`
	Violations []string `json:"violations,omitempty"`
	// Why the call was not let in.
	Refused string `json:"refused,omitempty"`
	// Of the message.
	HostID    string `json:"hostId,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	// Of an upload: the messages of data, and what is in the file.
	Chunks int   `json:"chunks,omitempty"`
	File   *file `json:"file,omitempty"`
	// Of the end of a task.
	Finished *end `json:"finished,omitempty"`
}

// end is how a task ended.
type end struct {
	Success      bool   `json:"success"`
	Code         string `json:"code,omitempty"`
	Message      string `json:"message,omitempty"`
	NonRetryable bool   `json:"nonRetryable,omitempty"`
}

// transcript writes lines as they come.
type transcript struct {
	lock  sync.Mutex
	out   io.Writer
	count int
}

func (t *transcript) write(it line) {
	t.lock.Lock()
	defer t.lock.Unlock()
	it.Valid = len(it.Violations) == 0
	t.count += len(it.Violations)
	// Nothing in it can fail to be encoded, and there is nobody to tell where stdout is gone.
	_ = json.NewEncoder(t.out).Encode(it)
}

func (t *transcript) violations() int {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.count
}
