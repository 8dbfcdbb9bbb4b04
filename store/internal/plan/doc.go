/*
Package plan determines the changes that the batches of one group make, before anything is
committed.

A batch comes as [Op] writes and [Condition] values, which the writers' goroutines have checked and
encoded. [Plan.Begin] starts a group in one transaction of the file. [Plan.Add] plans one batch
against the batches before it: it refuses the batch as a whole, or puts its records and new jobs
into the transaction. After the commit the caller publishes [Plan.Changes] and
[Plan.PublishJobs].

The hard idea: a batch is folded into one draft for each ID it touches, and only the end of a draft
counts. The writes of one ID apply to its draft in order. Then the draft is compared, by content,
with the version from before the batch. A draft that is equal changed nothing, however many writes
it had; any other becomes one record and one version. Dropping the drafts refuses the batch as a
whole. The version from before the batch is the published one, or the one that an earlier batch of
the group made. The steps are in this order in conditions.go, draft.go, fold.go, diff.go and
encode.go.

A plan reads the state of the store: its last index, table, lists, jobs and damage. It reads the
file only where a draft needs stored content: for events and statuses, which edit it; for a
ClientStatus that the scheduler reports; for an update without a NodeID, a JobID or a TaskGroup; for
an allocation with a NextAllocation; and to confirm that content with an equal checksum is equal. A
client's update replaces one encoded part and is compared by checksum.

Invariants:

  - A refused batch has put nothing into the transaction, and later batches do not see it.
  - A batch has one change for each ID that it changes, in the order of the first writes. All have
    its index, and their positions count from 0.
  - A batch without changes takes no index.
  - The same batches in the same order make the same records and refusals on any replica, as long
    as the disk has room.
  - Nothing of the state changes before PublishJobs, except the content sum in the manifest.

A plan has no locks. One goroutine uses it: the committer, which alone changes the state.
*/
package plan
