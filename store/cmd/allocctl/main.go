package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
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
	out := &output{to: a.out}
	a.out = out
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := out.failure(root.ExecuteContext(ctx))
	if err == nil {
		return 0
	}
	code = codeOf(err)
	if ctx.Err() != nil {
		code = exitInterrupted
		err = fmt.Errorf("interrupted: %w", err)
	}
	fmt.Fprintln(a.err, "allocctl:", err)
	if !a.parsed && !errors.Is(err, out.err) {
		fmt.Fprintln(a.err, "Try allocctl --help.")
		code = exitUsage
	}
	return code
}
