/*
Package cluster plays a cluster: schedulers that place allocations on nodes of a fixed
capacity, an agent on each node that runs them, and a collector that deletes some of
those that have ended. They talk through the store alone.

A scheduler reads the lists of some nodes on a snapshot, places on a node with room, and
writes under the condition that the node's list has not moved since. After a conflict it
starts over. It stops its services some time later.

An agent waits for the list of its node. It starts the tasks of new placements, reports
them running, reports their ends, and takes note of departures. The agents use all four
variants of a list.

The collector follows the list of the cluster's job.

All of them note the indexes that the store returned to their writes. At the end, these
determine what each agent and the collector should have seen.
*/
package cluster
