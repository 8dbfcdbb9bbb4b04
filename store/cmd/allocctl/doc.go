/*
Allocctl serves a store of allocations over HTTP, reads it, and maintains its file. It is a module of its
own: go -C store/cmd/allocctl build.

	allocctl -f state.db list --job example       # also --node, --eval, --prefix; --json
	allocctl -f state.db get ID                   # as JSON; the beginning of an ID is enough
	allocctl -f state.db events ID redis          # the latest ten events of a task
	allocctl -f state.db follow --after 1200      # every change, as JSON lines
	allocctl -f state.db export > all.jsonl       # and import, also of arrays and gzip
	allocctl -f state.db backup state.bak         # and restore
	allocctl -f state.db check                    # exit code 6 if anything is damaged
	allocctl -f state.db compact                  # and stats
	allocctl -f state.db serve --listen :4646     # with /metrics and /health
	allocctl --addr http://host:4646 wait ID      # also get, events, list: from a process that serves

Several processes are a cluster: each has a directory with all allocations, and any of them takes reads and writes.
Package store/raftstore says what a cluster guarantees. Here is one of a single node, to which others are added:

	allocctl serve --raft localhost:4701 --dir a --listen localhost:4601 --bootstrap
	allocctl serve --raft localhost:4702 --dir b --listen localhost:4602 --join localhost:4601
	allocctl cluster status --addr localhost:4602 # also join, leave, transfer, snapshot
	allocctl -f state.db export > all.jsonl
	allocctl --addr localhost:4602 import all.jsonl

A command works on a file (--file, or ALLOCSTORE_FILE), which it opens read-only unless it writes. While a
process has the file open for writing, no other can open it. If that process serves the endpoint, get,
wait, events and list can ask it instead (--addr, or ALLOCSTORE_ADDR). If it is a node of a cluster, import can
write through it.

	$ export ALLOCSTORE_FILE=state.db ID=203266e5-e0d6-9486-5e05-397ed2b184af
	$ allocctl import allocations.jsonl
	1 allocation: 1 inserted; the store is at index 2
	$ allocctl list
	ID                                    Name              Node                                  Desired  Status   Index
	203266e5-e0d6-9486-5e05-397ed2b184af  example.cache[0]  e02b6169-83bd-9df6-69bd-832765f333eb  run      running      2
	$ allocctl events $ID
	Task "redis" is running
	Time                                       Type     What happened
	2015-11-18 00:20:38.427 UTC  11 years ago  Started  The task is up
	$ allocctl check
	state.db is sound: 1 allocation, index 2
	$ allocctl backup state.bak
	index 2: 1 record, 1 job, 738 B
	$ allocctl get 203266e5-e0d6-9486-5e05-000000000000; echo "exit code $?"
	allocctl: allocation not found: 203266e5-e0d6-9486-5e05-000000000000
	exit code 3

On a terminal, tables and messages are written for its width. A table that is too wide for it has short
IDs, or else a block of lines for each row. JSON stays as it is. Shells complete IDs, nodes, jobs and
evaluations from the store: see allocctl completion --help. They offer nothing if the store cannot be read in
less than a second, or is open for writing elsewhere.

The first SIGINT or SIGTERM ends a command, also one that opens a named pipe or writes to a reader that
does not read. A second one ends the process at once. The exit codes are those of allocctl --help.
*/
package main
