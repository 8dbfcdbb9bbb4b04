/*
Soak updates a store at full rate for minutes, once with compaction and once
without, beside a feed reader and snapshots.

	go run ./bench/soak [-minutes n] [-allocs n] [-writers n] [-every d] [-hold d] [-json] [-out dir] ...

# Method

Each of the two runs places -allocs allocations in a new store. Then -writers clients
report events for -minutes, one allocation an update, each client of its own
allocations in random order. Meanwhile

  - a feed reader follows every change after the last placement;
  - two goroutines open snapshots: one reads and closes each at once, the other
    holds each for -hold and reads it again;
  - every -every a sample records the rate, the latencies and the sizes.

The run with compaction has default options. The run without sets
Options.FeedRetention to keep every change; its file grows by some 300 bytes an
update, or 15 GB in ten minutes at 90,000 updates a second.

# Checks

The first difference ends the program with exit status 1. A missed target does not.

The feed has every index in turn, each with the next event of its allocation. At the
end it has exactly the acknowledged updates at the acknowledged indexes.

In a snapshot the list of a job is complete. Every allocation in it equals the
client's update in every field, at the index acknowledged for its last event, at or
below the snapshot's index. The allocation's next event is acknowledged above the
snapshot's index. The writers remember the last 64 acknowledgements of an allocation;
older states are counted as not checked.

At the end the program reopens the store and compares all of its content.
*/
package main
