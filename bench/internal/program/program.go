package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"strings"

	"allocstore/bench/internal/report"
)

// Main runs a program and exits with status 1 if it fails. An interrupt ends the context.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Flags holds the flags that all programs have.
type Flags struct {
	Seed   uint64
	Sample string // the file of the documented allocation
	Dir    string // parent of the temporary directory; "" is the system's default
	Out    string // directory for the report; "" means that it is not saved
	JSON   bool   // print the report as JSON

	Command string // the whole command line
}

// Parse parses the arguments of the program in the folder dir. declare adds the
// program's own flags. Errors are also printed to stderr.
func (f *Flags) Parse(dir string, args []string, stderr io.Writer, declare func(*flag.FlagSet)) error {
	f.Command = strings.Join(append([]string{"go run ./" + dir}, args...), " ")
	flags := flag.NewFlagSet(path.Base(dir), flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&f.Seed, "seed", 1, "seed of IDs and choices")
	flags.StringVar(&f.Sample, "sample", "testdata/allocation.json", "the documented allocation")
	flags.StringVar(&f.Dir, "dir", "", "directory for the throw-away files (default the system's temporary one)")
	flags.BoolVar(&f.JSON, "json", false, "print the report as JSON")
	declare(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// Report calls measure with a temporary directory, which it removes afterwards. It
// writes the returned report to w and, if Out is set, to files of that name.
func (f *Flags) Report(w io.Writer, name string, measure func(dir string) (report.Texter, error)) error {
	dir, err := os.MkdirTemp(f.Dir, "allocstore-"+name+"-*")
	if err != nil {
		return err
	}
	r, err := measure(dir)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return err
	}
	return report.Write(w, f.JSON, f.Out, name, r)
}
