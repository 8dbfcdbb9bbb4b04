package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/compaction"
	"allocstore/store/internal/logfile"
)

// slowDisk is the environment of a committer without a database. A group has at most
// maxBatches batches.
type slowDisk struct {
	maxBatches int
	next       uint64
	committed  []*request // of the group under way
	log        []*request // published
	failure    error
}

func (d *slowDisk) env() commitEnv {
	return commitEnv{
		commit: func(batches []*request, r *compaction.Removals, putBack func(int)) ([]answer, error) {
			if len(batches) > d.maxBatches {
				putBack(d.maxBatches)
				batches = batches[:d.maxBatches]
			}
			if r != nil {
				r.Dead = r.Dead[min(len(r.Dead), 10):]
			}
			d.committed = append([]*request(nil), batches...)
			var answers []answer
			for range batches {
				d.next++
				answers = append(answers, answer{applied: Applied{Index: d.next}})
			}
			return answers, d.failure
		},
		publish: func() { d.log = append(d.log, d.committed...) },
		fail:    func(cause error) error { return errors.Join(ErrFailed, cause) },
	}
}

// newEmptyRequest returns a request with an empty batch.
func newEmptyRequest() *request {
	r := newRequest().(*request)
	r.batch = new(Batch)
	return r
}

// TestCommitterAnswersOnce runs writers, a third of them canceled, beside removals and barriers.
// Every request is committed and answered once, or withdrawn and not committed. The answers
// have the order of the log.
func TestCommitterAnswersOnce(t *testing.T) {
	t.Parallel()
	disk := &slowDisk{maxBatches: 7}
	c := newCommitter(disk.env(), false)
	c.start()
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[*request]uint64{}
	var withdrawn, barriers atomic.Int64
	for g := range 32 {
		r := rand.New(rand.NewPCG(uint64(g), 1))
		wg.Go(func() {
			for range 200 {
				req := newEmptyRequest()
				ctx, cancel := context.WithCancel(context.Background())
				if err := c.enqueue(req); err != nil {
					t.Error(err)
				}
				if r.IntN(3) == 0 {
					cancel()
				}
				a, err := c.await(ctx, req)
				cancel()
				if err != nil {
					withdrawn.Add(1)
					continue
				}
				mu.Lock()
				answers[req] = a.applied.Index
				mu.Unlock()
			}
		})
	}
	wg.Go(func() { // one goroutine: the store holds the maintenance lock here
		for range 50 {
			if err := c.remove(&compaction.Removals{Dead: make([]compaction.DeadRecord, 35)}); err != nil {
				t.Error(err)
			}
			if err := c.barrier(func() error { barriers.Add(1); return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	c.stop()
	require.Len(t, answers, 32*200-int(withdrawn.Load()))
	require.Len(t, disk.log, len(answers), "a withdrawn request is not committed")
	for i, r := range disk.log {
		require.Equal(t, uint64(i+1), answers[r], "answers have the order of the log")
	}
	require.EqualValues(t, 50, barriers.Load())
	require.ErrorIs(t, c.enqueue(newRequest().(*request)), ErrClosed)
}

// TestCommitterKeepsTheOrder queues more batches than one group commits. The batches that are
// put back stay in front of later ones, and can be withdrawn.
func TestCommitterKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{maxBatches: 2}
		c := newCommitter(disk.env(), false)
		hold := make(chan struct{})
		c.start()
		go func() { _ = c.barrier(func() error { <-hold; return nil }) }()
		synctest.Wait()
		var all []*request
		for range 9 {
			r := newEmptyRequest()
			require.NoError(t, c.enqueue(r))
			all = append(all, r)
		}
		require.True(t, c.withdraw(all[4]))
		require.False(t, c.withdraw(all[4]), "a request can be withdrawn once")
		close(hold)
		synctest.Wait()
		require.Equal(t, append(append([]*request(nil), all[:4]...), all[5:]...), disk.log)
		c.stop()
	})
}

// TestCommitterFails fails a commit while a removal and batches are queued. All of them, and
// all later requests, get the failure.
func TestCommitterFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("disk")
		disk := &slowDisk{maxBatches: 1, failure: cause}
		c := newCommitter(disk.env(), false)
		var all []*request
		for range 3 {
			r := newEmptyRequest()
			require.NoError(t, c.enqueue(r))
			all = append(all, r)
		}
		removed := make(chan error)
		go func() { removed <- c.remove(&compaction.Removals{Dead: make([]compaction.DeadRecord, 1)}) }()
		synctest.Wait()
		c.start()
		for _, r := range all {
			a := <-r.answered
			require.ErrorIs(t, a.err, ErrFailed)
			require.ErrorIs(t, a.err, cause)
		}
		require.ErrorIs(t, <-removed, ErrFailed)
		require.ErrorIs(t, c.enqueue(newRequest().(*request)), ErrFailed)
		require.Empty(t, disk.log)
		c.stop()
		require.ErrorIs(t, c.enqueue(newRequest().(*request)), ErrClosed)
	})
}

// queued returns the length of the committer's queue.
func (s *Store) queued() int {
	s.committer.queue.Lock()
	defer s.committer.queue.Unlock()
	return len(s.committer.queue.waiting)
}

// TestWithdrawnWriteLeavesNothing cancels a queued write while the committer is busy with
// another.
func TestWithdrawnWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	s := openTemp(t, nil)
	held, release := make(chan struct{}), make(chan struct{})
	go func() { // the committer waits for the write lock
		_ = s.state.Load().File.Update(func(logfile.Tx) (bool, error) {
			close(held)
			<-release
			return false, nil
		})
	}()
	<-held
	var first Batch
	first.Upsert(testAlloc(1))
	busy := &request{batch: &first, answered: make(chan answer, 1)}
	require.NoError(t, s.committer.enqueue(busy))
	for s.queued() != 0 { // until the committer has it
	}
	ctx, cancel := context.WithCancel(context.Background())
	withdrawn := make(chan error)
	go func() { _, err := s.Upsert(ctx, testAlloc(2)); withdrawn <- err }()
	for s.queued() != 1 {
	}
	cancel()
	require.ErrorIs(t, <-withdrawn, context.Canceled)
	close(release)
	require.NoError(t, (<-busy.answered).err)
	_, err := s.Get(testAlloc(2).ID)
	require.ErrorIs(t, err, ErrNotFound, "a withdrawn write is not committed")
	_, err = s.Upsert(ctx, testAlloc(2))
	require.ErrorIs(t, err, context.Canceled)
}
