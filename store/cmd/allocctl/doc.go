/*
Allocctl looks after a store of allocations: it serves it over HTTP, reads it, and keeps it
in order.

	allocctl --file state.db list --node node1
	allocctl --addr http://127.0.0.1:4646 wait 203266e5-e0d6-9486-5e05-397ed2b184af

Every command works on a file (--file, or ALLOCSTORE_FILE), which is opened read-only
unless the command writes. While another process has the file open for writing, nobody else
can open it: get, wait, events and list then ask that process instead, if it serves the
endpoint (--addr, or ALLOCSTORE_ADDR).

# Exit codes

	0    done
	1    something failed; the message says what
	2    the command line is wrong
	3    there is no such allocation, or it was deleted
	4    the wait ran out of time
	5    another process has the file open
	6    the file or the backup is damaged
	130  interrupted
*/
package main
