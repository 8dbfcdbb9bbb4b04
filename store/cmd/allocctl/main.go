package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run is main with the environment as arguments, for tests.
func run(ctx context.Context, a *app, args []string) (code int) {
	stdout, messages := newStream(ctx, a.out, false), newStream(ctx, a.err, true)
	out := &output{to: stdout}
	a.out, a.err = out, &console{to: messages}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := out.failure(root.ExecuteContext(ctx))
	if err == nil && ctx.Err() != nil {
		err = messages.failure()
	}
	if err == nil {
		return 0
	}
	code = codeOf(err)
	reason := err.Error()
	if ctx.Err() != nil {
		reason = strings.Replace("interrupted: "+reason, "interrupted: "+context.Canceled.Error(), "interrupted", 1)
	}
	fmt.Fprintln(a.err, "allocctl:", reason)
	if !a.parsed && !errors.Is(err, out.err) {
		fmt.Fprintln(a.err, "Try allocctl --help.")
		code = exitUsage
	}
	if ctx.Err() != nil {
		code = exitInterrupted
	}
	return code
}
