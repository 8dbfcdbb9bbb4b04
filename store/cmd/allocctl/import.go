package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"allocstore/schema"
	"allocstore/store"
)

// importBatch and importBytes are how many allocations, and of how many bytes of JSON, are
// written at a time.
const (
	importBatch = 1000
	importBytes = 8 << 20
)

func newImport(a *app) *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Read allocations from JSON lines",
		Long: `Read allocations from JSON lines, such as export writes, from a file or the standard input,
and write them to the store, which is created if it is not there. What is there already under
an ID is replaced; what is there as it is costs nothing. Indexes are the store's own.

Every line is checked. The first that cannot be read or stored ends the import, and is named;
what comes before it is in the store. An import that was interrupted goes on with --after and the
index that it has named, of the lines; they have to be in the order of their indexes, as export
writes them. Otherwise it begins again.`,
		Example: `  allocctl -f state.db import allocations.jsonl
  zcat allocations.jsonl.gz | allocctl -f state.db import`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in, size := a.in, int64(-1)
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
				if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
					size = info.Size()
				}
			}
			s, err := a.open(false)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			return a.importLines(cmd.Context(), s, in, size, after)
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "leave out lines whose ModifyIndex is not above this")
	return cmd
}

// An importer writes allocations to a store, some at a time.
type importer struct {
	s     *store.Store
	after uint64

	line      int    // the last that was read
	index     uint64 // the highest of the lines that were read
	complete  uint64 // the highest below that one
	unordered bool   // a line's index is below that of a line before it

	batch []imported
	bytes int // of their lines

	written   int    // allocations in the store
	unchanged int    // of them, those that were there as they are
	done      uint64 // all lines up to this index are in the store, if they are in order
}

// An imported allocation is one that was read.
type imported struct {
	*schema.Allocation
	line     int
	complete uint64 // lines up to this index come before it, all of them
}

func (a *app) importLines(ctx context.Context, s *store.Store, in io.Reader, size int64, after uint64) error {
	bar := a.progress("importing", size, true)
	im := &importer{s: s, after: after, done: after}
	in, stop := interruptible(ctx, in)
	defer stop()
	lines := newLines(in)
	var err error
	for err == nil && lines.Scan() && lines.Err() == nil { // or else the line was cut
		err = im.take(lines.Bytes())
		_ = bar.Add(len(lines.Bytes()) + 1)
	}
	switch cut := lines.Err(); {
	case err == nil && ctx.Err() != nil:
		err = ctx.Err()
	case err == nil && errors.Is(cut, bufio.ErrTooLong):
		err = fmt.Errorf("line %d: longer than %d bytes", im.line+1, maxLine)
	case err == nil && cut != nil:
		err = fmt.Errorf("line %d: %w", im.line+1, cut)
	}
	if e := im.flush(); err == nil { // what came before the fault is good
		err = e
	}
	_ = bar.Finish()
	if err != nil {
		return fmt.Errorf("%w (%d allocations are in the store; %s)", err, im.written, im.rest())
	}
	fmt.Fprintf(a.err, "%d allocations, of which %d were there as they are; the store is at index %d\n", im.written, im.unchanged, s.LastIndex())
	return nil
}

// interruptible returns what reads from in until ctx ends or stop is called: a terminal or
// a pipe may have nothing to read for long.
func interruptible(ctx context.Context, in io.Reader) (_ io.Reader, stop func()) {
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, in)
		_ = w.CloseWithError(err)
	}()
	ended := context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
	return r, func() {
		ended()
		_ = r.Close()
	}
}

// take reads a line.
func (im *importer) take(text []byte) error {
	im.line++
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	alloc, err := schema.DecodeJSON(text)
	if err == nil {
		err = alloc.Validate()
	}
	if err == nil && alloc.Job == nil {
		err = fmt.Errorf("%w: allocation %s", store.ErrNoJob, alloc.ID)
	}
	if err == nil {
		err = im.order(alloc.ModifyIndex)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", im.line, err)
	}
	if im.after > 0 && alloc.ModifyIndex <= im.after {
		return nil
	}
	im.batch = append(im.batch, imported{alloc, im.line, im.complete})
	if im.bytes += len(text); len(im.batch) < importBatch && im.bytes < importBytes {
		return nil
	}
	return im.flush()
}

// order takes note of the index of a line. Lines that are left out by their index must not
// be among those that were never read.
func (im *importer) order(index uint64) error {
	switch {
	case index > im.index:
		im.index, im.complete = index, im.index
	case index < im.index:
		im.unordered = true
	}
	if im.unordered && im.after > 0 {
		return usage("its index %d is below one before it, and --after is for lines in the order of their indexes: import all of them", index)
	}
	return nil
}

// rest says how to go on.
func (im *importer) rest() string {
	if im.unordered || im.done == 0 {
		return "begin again: what is there costs nothing"
	}
	return fmt.Sprintf("go on with --after %d", im.done)
}

// flush writes what was read.
func (im *importer) flush() error {
	err := im.write(im.batch)
	clear(im.batch)
	im.batch, im.bytes = im.batch[:0], 0
	return err
}

// write writes what the scheduler owns, and then what the client does, which an update of
// the scheduler's leaves alone. It is not interrupted. If one allocation is refused, those
// before it are written.
func (im *importer) write(part []imported) error {
	if len(part) == 0 {
		return nil
	}
	b := new(store.Batch)
	for _, alloc := range part {
		b.Upsert(alloc.Allocation)
		b.UpdateFromClient(alloc.Allocation)
	}
	applied, err := im.s.Apply(context.Background(), b)
	if half := len(part) / 2; err != nil && half > 0 && refused(err) {
		if err := im.write(part[:half]); err != nil {
			return err
		}
		return im.write(part[half:])
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", part[0].line, err)
	}
	im.written += len(part)
	im.unchanged += applied.Unchanged / 2
	im.done = max(im.done, part[len(part)-1].complete)
	return nil
}

// refused reports whether it is an allocation that cannot be written, and not the store.
func refused(err error) bool {
	return errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrCorrupt)
}
