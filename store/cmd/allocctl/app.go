package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"allocstore/store"
)

// An app is what all commands have in common.
type app struct {
	in       io.Reader
	out, err io.Writer

	file, addr string
	began      bool // the command line was understood
}

// newRoot returns the command that has all others.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "allocctl",
		Short: "Look after a store of allocations",
		Long: `Allocctl serves a store of allocations over HTTP, reads it, and keeps it in order.

Give it the file, or the address of a process that serves one.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 no such allocation, 4 timed out,
5 another process has the file open, 6 damaged, 130 interrupted.`,
		Example: `  allocctl -f state.db list --node node1
  allocctl -f state.db serve --listen 127.0.0.1:4646
  allocctl --addr http://127.0.0.1:4646 wait 203266e5-e0d6-9486-5e05-397ed2b184af`,
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { a.begin(cmd) },
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.file, "file", "f", os.Getenv("ALLOCSTORE_FILE"), "the store's file (ALLOCSTORE_FILE)")
	flags.StringVar(&a.addr, "addr", os.Getenv("ALLOCSTORE_ADDR"), "address of a process that serves it, such as http://127.0.0.1:4646 (ALLOCSTORE_ADDR)")
	root.AddCommand(
		newGet(a), newWait(a), newEvents(a), newList(a), newServe(a), newFollow(a), newExport(a), newImport(a),
		newCheck(a), newBackup(a), newRestore(a), newCompact(a), newStats(a),
	)
	return root
}

// begin takes note that the command line was understood. Of the file and the address, what
// is on it goes before what is in the environment.
func (a *app) begin(cmd *cobra.Command) {
	a.began = true
	file, addr := cmd.Flags().Changed("file"), cmd.Flags().Changed("addr")
	switch {
	case file && !addr:
		a.addr = ""
	case addr && !file:
		a.file = ""
	}
}

// source returns where to read from: the file, or whoever serves one.
func (a *app) source() (source, error) {
	switch {
	case a.file != "" && a.addr != "":
		return nil, usage("give --file or --addr (ALLOCSTORE_FILE or ALLOCSTORE_ADDR), not both")
	case a.addr != "":
		return newRemote(a.addr)
	}
	s, err := a.open(true)
	if err != nil {
		return nil, err
	}
	return local{s}, nil
}

// open opens the file. A command that only reads does not create it.
func (a *app) open(readOnly bool) (*store.Store, error) {
	return a.openWith(&store.Options{ReadOnly: readOnly})
}

// openKeeping opens the file for writing, and has so many changes be kept.
func (a *app) openKeeping(changes int) (*store.Store, error) {
	if changes == 0 {
		changes = -1 // 0 is the default
	}
	return a.openWith(&store.Options{FeedRetention: changes})
}

func (a *app) openWith(opts *store.Options) (*store.Store, error) {
	switch {
	case a.addr != "" && a.file == "":
		return nil, usage("this works on a file: give --file, not --addr")
	case a.file == "":
		return nil, usage("which store? Give --file, or set ALLOCSTORE_FILE")
	}
	opts.Logger = a.logger()
	s, err := store.Open(a.file, opts)
	if errors.Is(err, store.ErrLocked) {
		return nil, fmt.Errorf("%w: another process has %s open. If that one serves it, ask it: allocctl --addr http://HOST:PORT (get, wait, events, list)", store.ErrLocked, a.file)
	}
	return s, err
}

// logger writes to the error output.
func (a *app) logger() *slog.Logger { return slog.New(slog.NewTextHandler(a.err, nil)) }

// isTerminal reports whether a person is looking at what is written to w.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// colors reports whether there are to be any: see https://no-color.org.
func (a *app) colors() bool {
	return isTerminal(a.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
