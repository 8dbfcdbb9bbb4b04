package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
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

// maxAllocation is the largest Options.MaxAllocationBytes: import and restore take the content of any store.
const maxAllocation = 512 << 20

// errRefused: allocations of an import are not in the store. Each has been reported.
var errRefused = errors.New("refused")

func newImport(a *app) *cobra.Command {
	limit := ""
	im := &importer{report: a.err, most: importBatch}
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Read allocations from JSON",
		Long: `Read allocations from JSON, such as export writes, from a file or the standard input, and
write them to the store, which is created if it does not exist. An allocation with the same ID is replaced;
an equal one costs nothing. Indexes are the store's own. NextAllocation is that of the allocation's own line:
another line that names it as its PreviousAllocation does not set it.

The text is one object a line, or objects over many lines, or several on a line, or arrays of objects.
It may be compressed by gzip. For other JSON jq writes one object a line: jq -c '.Allocations[]'.

Every allocation that cannot be read or stored is reported with its line, and the others are imported.
The exit code is then 7. To continue an interrupted import, give --after the index in its message. That
needs allocations in the order of their ModifyIndex, as export writes them. Otherwise import all of them
again.

An object of more than 256 MiB of text is refused, so that one whose end is missing does not fill the memory.
A store with the default limits holds none that large. --max-allocation sets the limit of a whole allocation
instead, as the store encodes it, up to 512MiB; the text may be 128 times as large. For an export of a store
with a larger Options.MaxAllocationBytes give three times that.

Keys that are not documented are kept with their allocation, and counted at the end.

With --addr of a node of a cluster the allocations are written through that node. While it or the cluster has no leader
the import tries again, for up to a minute: a write that was done already changes nothing.`,
		Example: `  allocctl -f state.db import allocations.jsonl
  allocctl --addr localhost:4601 import allocations.jsonl
  allocctl -f state.db import allocations.jsonl.gz
  jq -c . *.json | allocctl -f state.db import --strict`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			largest, err := im.setLimit(limit, cmd.Flags().Changed("max-allocation"))
			if err != nil {
				return err
			}
			im.after, im.index, im.done = a.after, a.after, a.after
			path := append(args, "-")[0] // the standard input without FILE
			err = a.withInput(cmd.Context(), path, "importing", func(in io.Reader) error {
				return a.withTarget(cmd.Context(), importOptions(largest), func(to target) error { return im.importAll(cmd.Context(), to, in) })
			})
			if err == nil || errors.Is(err, errRefused) {
				im.reportAll()
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&a.after, "after", 0, "leave out allocations whose ModifyIndex is not above this")
	flags.BoolVar(&im.strict, "strict", false, "refuse allocations that have keys that are not documented")
	flags.StringVar(&limit, "max-allocation", "", "refuse larger allocations, such as 1MiB (default only those of more than 256 MiB of text)")
	return cmd
}

// importOptions returns the options of a store for allocations of that size.
func importOptions(largest int) store.Options {
	return store.Options{
		MaxAllocationBytes: largest,
		MaxBatchBytes:      int(min(max(4*int64(largest), store.DefaultMaxBatchBytes), math.MaxInt)), // an allocation is written twice
	}
}

// textFactor bounds the size of a text by that of the encoding. A text has the names of the fields, and
// escapes. The most is 113 times as large: a job of empty tasks.
const textFactor = 128

// maxText returns a bound of the text of an allocation of that size.
func maxText(largest int) int { return int(min(textFactor*(int64(largest)+1024), math.MaxInt)) }

// defaultMaxText bounds the text of an object without --max-allocation. One that never ends took 665 MiB of
// memory. The largest text of a store with the default options is 236 MiB: 1 MiB each of the scheduler's
// part, the job and the client's part, with the worst content for each.
const defaultMaxText = 256 << 20

// An importer writes allocations to a store in batches.
type importer struct {
	s       target
	report  io.Writer // gets a line for every allocation that is refused
	after   uint64
	strict  bool
	maxText int // bytes
	most    int // allocations of a batch

	highest   uint64 // of the indexes that were read
	unordered bool   // an index is below one before it

	batch []imported
	bytes int // of the text of batch

	inserted, updated, unchanged int // allocations in the store
	refused                      int
	foreign                      bool // one of the refused was no JSON, or has no ID
	extras                       extras

	index uint64 // the highest of those in the store
	done  uint64 // the highest below index: all up to it are in the store, if they are in order
}

// An imported is an allocation of the batch.
type imported struct {
	*schema.Allocation
	place
	extras *extras
}

// setLimit bounds the texts by the value of --max-allocation, if it is set. It returns the limit of the
// encoding.
func (im *importer) setLimit(limit string, isSet bool) (largest int, err error) {
	if !isSet {
		im.maxText = defaultMaxText
		return maxAllocation, nil
	}
	size, err := humanize.ParseBytes(limit)
	if err != nil || size < 1 || size > maxAllocation {
		return 0, usage("--max-allocation %s: want a size from 1B to 512MiB", limit)
	}
	im.maxText = maxText(int(size))
	return int(size), nil
}

// importAll imports all allocations that can be read and stored, until the source or the store fails, or
// ctx ends. If some are refused, the error is errRefused.
func (im *importer) importAll(ctx context.Context, s target, from io.Reader) error {
	im.s = s
	in := ctxio.NewReader(ctx, from)
	defer in.Close()
	text, err := textOf(in)
	if errors.Is(err, schema.ErrMalformed) {
		return err
	}
	if err == nil {
		err = im.readAll(newObjectReader(text, im.maxText))
	}
	if e := im.flush(); err == nil {
		err = e
	}
	if err != nil {
		rest := fmt.Sprintf("go on with --after %d", im.done)
		if im.unordered || im.done == 0 {
			rest = "begin again: what is there costs nothing"
		}
		return fmt.Errorf("%w (in the store: %s; %s)", err, counted(im.written(), "allocation"), rest)
	}
	if im.refused > 0 {
		err = fmt.Errorf("%w: %d, named above", errRefused, im.refused)
	}
	if im.foreign {
		err = fmt.Errorf("%w (jq -c . FILE says where the text is no JSON; jq -c '.[]' FILE writes the elements of a list or an object, one a line)", err)
	}
	return err
}

// readAll adds the allocations to the batch, and writes full batches.
func (im *importer) readAll(from *objectReader) error {
	for {
		o, err := from.next()
		var bad *badText
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &bad):
			im.foreign = im.foreign || !errors.Is(bad, store.ErrTooLarge)
			im.refuse(bad.place.String(), bad.reason)
			continue
		case err != nil:
			return err
		}
		alloc, err := im.parse(o.text)
		if errors.Is(err, errUsage) {
			return fmt.Errorf("%v: %w", o.place, err)
		}
		if err != nil {
			im.refuseObject(o, err)
			continue
		}
		if im.after > 0 && alloc.ModifyIndex <= im.after {
			continue
		}
		if err := im.add(o, alloc); err != nil {
			return err
		}
	}
}

// add adds an allocation to the batch, and writes the batch if it is full.
func (im *importer) add(o object, alloc *schema.Allocation) error {
	kept := countExtras(alloc)
	if im.strict && !kept.empty() {
		im.refuse(o.String(), fmt.Errorf("keys that are not documented: %v", kept))
		return nil
	}
	im.batch = append(im.batch, imported{alloc, o.place, kept})
	if im.bytes += len(o.text); len(im.batch) >= im.most || im.bytes >= importBytes {
		return im.flush()
	}
	return nil
}

// parse returns the allocation of an object. With --after one out of order is an error: --after would leave
// out allocations that the first import did not reach.
func (im *importer) parse(text []byte) (*schema.Allocation, error) {
	alloc, err := schema.DecodeJSON(text)
	if err == nil {
		im.foreign = im.foreign || alloc.ID == ""
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
		return nil, usage("its index %d is below one before it, and --after is for allocations in the order of their indexes: import all of them", alloc.ModifyIndex)
	}
	return alloc, nil
}

// refuseObject reports an object that is no allocation, with the line of the fault.
func (im *importer) refuseObject(o object, err error) {
	where := o.String()
	var fault *schema.JSONError
	if errors.As(err, &fault) {
		im.foreign = im.foreign || fault.Field == ""
		if line := o.lineAt(fault.Offset); line > o.line {
			where = fmt.Sprintf("line %d, in the object of line %d", line, o.line)
		}
	}
	im.refuse(where, err)
}

// refuse counts and reports an allocation that is not imported.
func (im *importer) refuse(where string, err error) {
	im.refused++
	fmt.Fprintf(im.report, "allocctl: %s: %v\n", where, err)
}

// flush writes the batch.
func (im *importer) flush() error {
	err := im.write(im.batch)
	im.batch, im.bytes = nil, 0
	return err
}

// write writes the allocations twice in one batch: as the scheduler, and then as the client, since a
// scheduler's update keeps the client's fields. ctx does not interrupt it. If one allocation is
// refused, the others are written.
func (im *importer) write(part []imported) error {
	if len(part) == 0 {
		return nil
	}
	b := new(store.Batch)
	for _, alloc := range part {
		b.Upsert(alloc.Allocation)
		b.UpdateFromClient(alloc.Allocation)
	}
	again := im.moved(part)
	for _, alloc := range again {
		b.Upsert(alloc)
	}
	absent, last := im.absent(part), im.s.LastIndex()
	applied, err := im.s.Apply(context.Background(), b)
	switch half := len(part) / 2; {
	case err != nil && !refused(err):
		return fmt.Errorf("%v: %w", part[0].place, err)
	case err != nil && half > 0:
		if err := im.write(part[:half]); err != nil {
			return err
		}
		return im.write(part[half:])
	case err != nil:
		im.refuse(part[0].String(), err)
		return nil
	}
	unchanged := (applied.Unchanged - im.unchangedAfter(last, again)) / 2
	im.inserted += absent
	im.unchanged += unchanged
	im.updated += len(part) - absent - unchanged
	for _, alloc := range part {
		im.extras.addAll(alloc.extras)
		if alloc.ModifyIndex > im.index {
			im.index, im.done = alloc.ModifyIndex, im.index
		}
	}
	return nil
}

// unchangedAfter returns the number of the allocations that have not changed above an index.
func (im *importer) unchangedAfter(index uint64, all []*schema.Allocation) (n int) {
	for _, a := range all {
		if is, err := im.s.Get(a.ID); err == nil && is.ModifyIndex <= index {
			n++
		}
	}
	return n
}

// absent returns the number of IDs that the store does not have, or 0 for one that is asked over HTTP: there inserts count
// as updates.
func (im *importer) absent(part []imported) int {
	if _, isLocal := im.s.(*store.Store); !isLocal {
		return 0
	}
	ids := make(map[schema.ID]bool, len(part))
	for _, alloc := range part {
		id, err := schema.ParseID(alloc.ID)
		if err == nil {
			_, err = im.s.Get(alloc.ID)
		}
		if errors.Is(err, store.ErrNotFound) {
			ids[id] = true
		}
	}
	return len(ids)
}

// refused reports whether the store refuses the allocation, rather than all writes.
func refused(err error) bool {
	return errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrCorrupt)
}

// written returns the number of allocations in the store.
func (im *importer) written() int { return im.inserted + im.updated + im.unchanged }

// reportAll reports the counts. A store without an index may be one that was removed again.
func (im *importer) reportAll() {
	updated := "updated"
	if _, isLocal := im.s.(*store.Store); !isLocal {
		updated = "written"
	}
	var parts []string
	for _, part := range []struct {
		n    int
		name string
	}{{im.inserted, "inserted"}, {im.updated, updated}, {im.unchanged, "unchanged"}} {
		if part.n > 0 {
			parts = append(parts, humanize.Comma(int64(part.n))+" "+part.name)
		}
	}
	text := counted(im.written(), "allocation")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if hasWrites(im.s) {
		text += fmt.Sprintf("; the store is at index %d", im.s.LastIndex())
	}
	fmt.Fprintln(im.report, text)
	if !im.extras.empty() {
		fmt.Fprintf(im.report, "kept, but not documented: %v\n", &im.extras)
	}
}
