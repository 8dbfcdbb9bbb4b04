package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/internal/ctxio"
)

// The limits of a batch: the number of allocations, and their bytes of JSON.
const (
	importBatch = 1000
	importBytes = 8 << 20
)

// errRefused: allocations of an import are not in the store. Each has been reported.
var errRefused = errors.New("refused")

// A badLine is the error of a line that is not imported. It is errRefused.
type badLine struct {
	line int
	err  error
}

// Error returns the number of the line and the reason.
func (b *badLine) Error() string { return fmt.Sprintf("line %d: %v", b.line, b.err) }

// Unwrap returns errRefused and the reason.
func (b *badLine) Unwrap() []error { return []error{errRefused, b.err} }

func newImport(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Read allocations from JSON lines",
		Long: `Read allocations from JSON lines, such as export writes, from a file or the standard input,
and write them to the store, which is created if it does not exist. An allocation with the same
ID is replaced; an equal one costs nothing. Indexes are the store's own.

Every line is checked. The import ends at the first line that cannot be read or stored, and names
it; the lines before it are in the store. To continue an interrupted import, give --after the index
in its message. That needs lines in the order of their ModifyIndex, as export writes them. Otherwise
import all of them again.`,
		Example: `  allocctl -f state.db import allocations.jsonl
  zcat allocations.jsonl.gz | allocctl -f state.db import`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			im := &importer{after: a.after, index: a.after, done: a.after}
			path := append(args, "-")[0] // the standard input without FILE
			err := a.withInput(cmd.Context(), path, "importing", func(in io.Reader) error {
				return a.withStore(cmd.Context(), store.Options{}, func(s *store.Store) error { return im.importLines(cmd.Context(), s, in) })
			})
			if err == nil {
				there := ""
				if im.unchanged > 0 {
					there = fmt.Sprintf(", %d of them already there", im.unchanged)
				}
				fmt.Fprintf(a.err, "%s%s; the store is at index %d\n", counted(im.written, "allocation"), there, im.s.LastIndex())
			}
			return err
		},
	}
	cmd.Flags().Uint64Var(&a.after, "after", 0, "leave out lines whose ModifyIndex is not above this")
	return cmd
}

// An importer writes allocations to a store in batches.
type importer struct {
	s     *store.Store
	after uint64

	line      int    // number of the line to read
	highest   uint64 // of the indexes of the lines read
	unordered bool   // a line's index is below that of a line before it

	batch []imported
	bytes int // of the lines in batch

	written   int    // allocations in the store
	unchanged int    // those of them that were equal before
	index     uint64 // the highest of those in the store
	done      uint64 // the highest below index: all lines up to it are in the store, if they are in order
}

// An imported is an allocation of the batch.
type imported struct {
	*schema.Allocation
	line int
}

// importLines imports all lines, until one cannot be read or stored, or ctx ends.
func (im *importer) importLines(ctx context.Context, s *store.Store, from io.Reader) error {
	im.s = s
	in := ctxio.NewReader(ctx, from)
	defer in.Close()
	err := im.readLines(newLines(in))
	if e := im.flush(); err == nil { // the lines before the fault are good
		err = e
	}
	if err == nil {
		return nil
	}
	rest := fmt.Sprintf("go on with --after %d", im.done)
	if im.unordered || im.done == 0 {
		rest = "begin again: what is there costs nothing"
	}
	return fmt.Errorf("%w (%d allocations are in the store; %s)", err, im.written, rest)
}

// readLines adds the lines to the batch, and writes full batches.
func (im *importer) readLines(lines *bufio.Scanner) error {
	for im.line = 1; lines.Scan() && lines.Err() == nil; im.line++ { // after an error the line is not whole
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		alloc, err := im.parse(lines.Bytes())
		if err != nil {
			return &badLine{im.line, err}
		}
		if im.after > 0 && alloc.ModifyIndex <= im.after {
			continue
		}
		im.batch = append(im.batch, imported{alloc, im.line})
		if im.bytes += len(lines.Bytes()); len(im.batch) == importBatch || im.bytes >= importBytes {
			if err := im.flush(); err != nil {
				return err
			}
		}
	}
	switch err := lines.Err(); {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, bufio.ErrTooLong):
		return &badLine{im.line, fmt.Errorf("longer than %d bytes", maxLine)}
	default:
		return fmt.Errorf("line %d: %w", im.line, err)
	}
}

// parse returns the allocation of a line. Lines out of order are an error with --after: a line that it
// leaves out may then be one that the first import never read.
func (im *importer) parse(text []byte) (*schema.Allocation, error) {
	alloc, err := schema.DecodeJSON(text)
	if err == nil {
		err = alloc.Validate()
	}
	if err != nil {
		return nil, err
	}
	if alloc.Job == nil {
		return nil, fmt.Errorf("%w: allocation %s", store.ErrNoJob, alloc.ID)
	}
	im.unordered = im.unordered || alloc.ModifyIndex < im.highest
	im.highest = max(im.highest, alloc.ModifyIndex)
	if im.unordered && im.after > 0 {
		return nil, usage("its index %d is below one before it, and --after is for lines in the order of their indexes: import all of them", alloc.ModifyIndex)
	}
	return alloc, nil
}

// flush writes the batch.
func (im *importer) flush() error {
	err := im.write(im.batch)
	im.batch, im.bytes = nil, 0
	return err
}

// write writes the allocations twice in one batch: as the scheduler, and then as the client, since a
// scheduler's update keeps the client's fields. ctx does not interrupt it. If one allocation is
// refused, those before it are written.
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
	if err != nil && refused(err) {
		return &badLine{part[0].line, err}
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", part[0].line, err)
	}
	im.written += len(part)
	im.unchanged += applied.Unchanged / 2
	for _, alloc := range part {
		if alloc.ModifyIndex > im.index {
			im.index, im.done = alloc.ModifyIndex, im.index
		}
	}
	return nil
}

// refused reports whether the store refuses the allocation, rather than all writes.
func refused(err error) bool {
	return errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrCorrupt)
}
