package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"allocstore/store"
)

// An app holds the standard streams and the flags of all commands.
type app struct {
	in       io.Reader
	out, err io.Writer

	file, addr string
	json       bool
	after      uint64
	parsed     bool // the command line is valid

	lockTimeout time.Duration // as in store.Options
}

// newRoot returns the root command with all others.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "allocctl",
		Short: "Look after a store of allocations",
		Long: `Allocctl serves a store of allocations over HTTP, reads it, and maintains its file.

Give it the file, or the address of a process that serves one.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 no such allocation, 4 timed out,
5 another process has the file open, 6 damaged, 7 an import with bad lines, 130 interrupted.
Output that cannot be written is a failure. If its reader has closed it, SIGPIPE ends the command.`,
		Example: `  allocctl -f state.db list --node node1
  allocctl -f state.db serve --listen 127.0.0.1:4646
  allocctl --addr http://127.0.0.1:4646 wait 203266e5-e0d6-9486-5e05-397ed2b184af`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			a.parsed = true
			a.chooseSource(cmd)
		},
		Version: version(debug.ReadBuildInfo()),
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.file, "file", "f", os.Getenv("ALLOCSTORE_FILE"), "the store's file (ALLOCSTORE_FILE)")
	flags.StringVar(&a.addr, "addr", os.Getenv("ALLOCSTORE_ADDR"), "address of a process that serves it, such as http://127.0.0.1:4646 (ALLOCSTORE_ADDR)")
	root.AddCommand(
		newGet(a), newWait(a), newEvents(a), newList(a), newServe(a), newFollow(a), newExport(a), newImport(a),
		newCheck(a), newBackup(a), newRestore(a), newCompact(a), newStats(a), newCluster(a),
	)
	root.SetVersionTemplate("allocctl {{.Version}}\n")
	root.SetHelpFunc(a.help(root.HelpFunc()))
	return root
}

// chooseSource ignores the file or the address of the environment if the other one is a flag.
func (a *app) chooseSource(cmd *cobra.Command) {
	if file, addr := cmd.Flags().Changed("file"), cmd.Flags().Changed("addr"); file && !addr {
		a.addr = ""
	} else if addr && !file {
		a.file = ""
	}
}

// A runner runs a command.
type runner = func(cmd *cobra.Command, args []string) error

// onSource returns the runner of a command that reads from the file, or from the store at the address.
func (a *app) onSource(fn func(cmd *cobra.Command, args []string, s source) error) runner {
	inFile := a.onFile(func(cmd *cobra.Command, args []string, s *store.Store) error { return fn(cmd, args, local{s, a.file}) })
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case a.file != "" && a.addr != "":
			return usage("give --file or --addr (ALLOCSTORE_FILE or ALLOCSTORE_ADDR), not both")
		case a.addr == "":
			return inFile(cmd, args)
		}
		r, err := newRemote(a.addr)
		if err != nil {
			return err
		}
		return fn(cmd, args, r)
	}
}

// onFile returns the runner of a command that only reads, from the file. It does not create the file.
func (a *app) onFile(fn func(cmd *cobra.Command, args []string, s *store.Store) error) runner {
	return func(cmd *cobra.Command, args []string) error {
		return a.withStore(cmd.Context(), store.Options{ReadOnly: true}, func(s *store.Store) error { return fn(cmd, args, s) })
	}
}

// withStore opens the file, calls fn, and closes the file. It waits for the file no longer than for ctx. If
// fn fails, an empty store that withStore has created is removed.
func (a *app) withStore(ctx context.Context, opts store.Options, fn func(*store.Store) error) error {
	switch {
	case a.addr != "" && a.file == "":
		return usage("this works on a file: give --file, not --addr")
	case a.file == "":
		return usage("which store? Give --file, or set ALLOCSTORE_FILE")
	}
	opts.Logger, opts.LockTimeout = a.logger(), a.lockTimeout
	_, absent := os.Lstat(a.file)
	isNew := errors.Is(absent, fs.ErrNotExist) && !opts.ReadOnly
	s, err := untilDone(ctx, func() (*store.Store, error) { return store.Open(a.file, &opts) }, func(s *store.Store) { _ = a.abandon(s, isNew) })
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%w. If that one serves the store, ask it: allocctl --addr http://HOST:PORT (get, wait, events, list)", err)
	}
	if err != nil {
		return err
	}
	if err := fn(s); err != nil {
		return errors.Join(err, a.abandon(s, isNew))
	}
	return s.Close()
}

// abandon closes the store after a failure. A new one in which nothing was ever written is removed first, while
// its lock keeps other processes out.
func (a *app) abandon(s *store.Store, isNew bool) (err error) {
	if isNew && !hasWrites(s) {
		err = os.Remove(a.file)
	}
	return errors.Join(err, s.Close())
}

// hasWrites reports whether anything was ever written to the store. An empty one begins at index 1.
func hasWrites(s interface{ LastIndex() uint64 }) bool { return s.LastIndex() > 1 }

// withInput calls fn with the file at path, or with the standard input for "-", and shows how much is read.
// A named pipe without a writer keeps it waiting until ctx ends.
func (a *app) withInput(ctx context.Context, path, title string, fn func(io.Reader) error) error {
	in, size := a.in, int64(-1)
	if path != "-" {
		f, err := untilDone(ctx, func() (*os.File, error) { return os.Open(path) }, func(f *os.File) { _ = f.Close() })
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		in = f
	}
	bar := a.progress(title, size, true)
	defer bar.Finish()
	return fn(io.TeeReader(in, bar))
}

// logger writes to the error output.
func (a *app) logger() *slog.Logger { return slog.New(slog.NewTextHandler(a.err, nil)) }

// say prints a line of text for people.
func (a *app) say(format string, args ...any) error {
	_, err := io.WriteString(a.out, wrap(fmt.Sprintf(format, args...)+"\n", widthOf(a.out)))
	return err
}

// counted returns a number with the name of the things counted: 1 job, 2 jobs.
func counted(n int, name string) string {
	if n != 1 {
		name += "s"
	}
	return humanize.Comma(int64(n)) + " " + name
}
