// Package receive is C1 for one client, made of the SDK's own types and rules: it hands out a few tasks, looks at all
// that the client sends as C1's code would, and writes down what it saw, a line of JSON per call.
package receive

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	dir           string
	tasks         []string
	clientID      string
	resourceTypes []string
	storageEngine string
	tokenSaid     time.Duration
	tokenLasts    time.Duration
	timeout       time.Duration
}

func parse(arguments []string) (options, error) {
	var it options
	flags := flag.NewFlagSet("interop receive", flag.ContinueOnError)
	flags.StringVar(&it.dir, "dir", "", "the folder for ca.pem, client-id, client-secret, address and what is received")
	tasks := flags.String("tasks", "hello,sync_full", "tasks to hand out, in this order: "+strings.Join(kinds(), ", "))
	flags.StringVar(&it.clientID, "client-id", "interop-test-1@localhost/pcc", "the client's id")
	types := flags.String("resource-types", "", "the resource types that a sync is asked for; all by default")
	flags.StringVar(&it.storageEngine, "storage-engine", "sqlite", "the storage engine that a sync is asked for")
	flags.DurationVar(&it.tokenSaid, "token-life", time.Hour, "how long a token is said to last")
	flags.DurationVar(&it.tokenLasts, "token-lasts", time.Hour, "how long one lasts, where that is less")
	flags.DurationVar(&it.timeout, "timeout", time.Minute, "the longest that this may take")
	if err := flags.Parse(arguments); err != nil {
		return it, err
	}
	if it.dir == "" {
		return it, fmt.Errorf("--dir is missing")
	}
	it.tasks = list(*tasks)
	it.resourceTypes = list(*types)
	return it, nil
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// Run serves until the client has finished all tasks. It fails where it has not in time, or where it sent anything
// that it should not have.
func Run(ctx context.Context, arguments []string, stdout io.Writer) error {
	options, err := parse(arguments)
	if err != nil {
		return err
	}
	script, err := newScript(options)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(options.dir, 0o700); err != nil {
		return err
	}
	client, err := newClient(options.clientID, options.tokenSaid, min(options.tokenSaid, options.tokenLasts))
	if err != nil {
		return err
	}
	transcript := &transcript{out: stdout}
	server, err := listen(&service{script: script, transcript: transcript, dir: options.dir}, client)
	if err != nil {
		return err
	}
	defer server.close()
	if err := publish(options.dir, server, client); err != nil {
		return err
	}
	if err := wait(ctx, script, options.timeout); err != nil {
		return err
	}
	if count := transcript.violations(); count > 0 {
		return fmt.Errorf("%d violations; see the transcript", count)
	}
	return nil
}

// publish writes what the client needs. The address comes last: where it is, all is.
func publish(dir string, server *server, client *client) error {
	for _, file := range []struct{ name, content string }{
		{"ca.pem", server.authority},
		{"client-id", client.id},
		{"client-secret", client.secret},
		{"address", server.address},
	} {
		path := filepath.Join(dir, file.name)
		if err := os.WriteFile(path+".tmp", []byte(file.content), 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".tmp", path); err != nil {
			return err
		}
	}
	return nil
}

// afterwards is how long the client may still ask once all is done: the answer to its last call must reach it.
const afterwards = 200 * time.Millisecond

func wait(ctx context.Context, script *script, timeout time.Duration) error {
	select {
	case <-script.finished:
		time.Sleep(afterwards)
		return nil
	case <-time.After(timeout):
		return fmt.Errorf("not finished after %s: %s", timeout, strings.Join(script.open(), ", "))
	case <-ctx.Done():
		return ctx.Err()
	}
}
