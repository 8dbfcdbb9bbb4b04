/*
Powercut cuts the power of a store, and has its disk fail, at every moment there is.

	go run . [-images n] [-seed n] [-sweep=false] [-chains n] [-ext4 n] [-out dir]

It needs root and /dev/fuse; and mkfs.ext4 and loop devices, unless -ext4 is 0.

# Power cuts

A store is used on a file system that writes down every write, truncate, sync and
change of a name, in order, with the moments at which the store acknowledged an
index. From that log it works out what a disk may hold when power is cut: all that a
completed sync covers, and of what comes after it anything: all subsets where they
are few; writes torn between sectors, and meta pages between bytes; some sectors of
a write; bytes of nobody's in place of those that were to be written; names before or
after they were changed. See device for what exactly is assumed.

Every such image is opened with store.Open. It must open, at an index that is the
last acknowledged one or a later one of the workload, and show by every way of
reading it (the list, Get, the feed from its floor on, Check) what the store was
after exactly that batch. One in four is written to and opened again.

One thing is taken for granted that a disk need not promise: a sector that is written
with the bytes that it has already keeps them, power cut or not. Open writes what the
last transaction has written again, in its place.

# Failing at step n

A shorter workload is run again and again, and the nth write, truncate, sync or
change of a name fails: once or from then on, with EIO or ENOSPC, for every n until
nothing fails. The store must fail itself, wake its waiters and feeds with ErrFailed,
and still show what it had published. Opened again on the disk that works, it must
hold every acknowledged batch and none but the one whose outcome was unknown; a
compaction or a restore is there as a whole or not at all. It is
then written to, and its power is cut as above; a sync that has failed counts for
nothing, and no later one makes up for it.

# Chains

What a crash has left is opened, used and crashed again, three times in a row, at any
moment: also while it is opened. A crash is a power cut, or only the end of the process: then
what was not synced can be read, and is synced later or lost in the next one. In between a
sync or a write may fail, as above. After each crash power is cut as above; and what was
shown not to be there must not come back.

# Below a file system

The same with an ext4 between the store and the disk, in a file of it: what is cut is what
the file system made of the store's operations, and an image is mounted, so that the
file system goes through its journal, before the store in it is opened. No write is
torn here, since a file system on a disk that tears its blocks promises nothing.

# Mutants

The tests run the same harness on logs of stores that would lose something: syncs
left out, the directory's too, and acknowledgements that come early; and below an ext4
that asks the disk for no order. It must notice.
*/
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	asked, err := serveIfAsked()
	if !asked {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
		stop()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "powercut:", err)
		os.Exit(1)
	}
}

// execute is main with its surroundings as arguments.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if reason := whyNot(); reason != "" {
		return errors.New(reason)
	}
	d, err := startDisk()
	if err != nil {
		return err
	}
	r, err := measure(ctx, c, d, stderr)
	if err = errors.Join(err, d.close()); err != nil {
		return err
	}
	return r.write(stdout, c.out)
}
