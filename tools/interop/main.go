// Interop holds this repository against C1's own SDK: its descriptors against ours, its server types against our
// client.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"connector-operator/tools/interop/descriptors"
	"connector-operator/tools/interop/receive"
)

const usage = `usage:
  interop descriptors [FILE]   compare the FileDescriptorSet in FILE, or on stdin, with the SDK's descriptors
  interop receive FLAGS        be C1 for one client, and say what it did; see interop receive -h
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) > 0 {
		switch command, rest := arguments[0], arguments[1:]; command {
		case "descriptors":
			return descriptors.Run(rest, os.Stdin, os.Stdout)
		case "receive":
			return receive.Run(ctx, rest, os.Stdout)
		}
	}
	fmt.Fprint(os.Stderr, usage)
	return fmt.Errorf("no such command")
}
