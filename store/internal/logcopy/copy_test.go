package logcopy_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/logcopy"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/logtest"
	"allocstore/store/internal/record"
)

// newLog returns a log of ten steps. Its jobs are named by several records each.
func newLog(t *testing.T) *logtest.Log {
	t.Helper()
	l := logtest.New(t, 0)
	for i := range 20 {
		for range 5 {
			l.Apply(
				logtest.Write{ID: schema.ID{1, byte(i)}, Flags: logtest.Placed, Job: string(rune('a' + i/3)), Text: string(make([]byte, 100_000))},
				logtest.Write{ID: schema.ID{2, byte(i)}, Flags: logtest.Placed, Job: string(rune('a' + i%2))},
			)
		}
	}
	return l
}

// A given is a record, or a job if it has no key.
type given struct {
	key record.Key
	job record.JobHash
}

// oracle returns all that a copy up to an index must give.
func oracle(all []logfile.Entry, last uint64) (want []given) {
	seen := make(map[record.JobHash]bool)
	for _, e := range all {
		if e.Key.Index > last {
			break
		}
		if !seen[e.Job] {
			want = append(want, given{job: e.Job})
		}
		seen[e.Job] = true
		want = append(want, given{key: e.Key})
	}
	return want
}

// TestCopy copies logs to several indexes, the last one beside writes, and compares with the oracle.
func TestCopy(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	for _, last := range []uint64{1, 2, 30, l.State.Index.Last(), math.MaxUint64} {
		c := logcopy.New(l.State, last)
		require.Equal(t, l.State.File, c.File())
		var got []given
		steps := 0
		for more := true; more; steps++ {
			bytes := 0
			require.NoError(t, c.File().View(func(tx logfile.Tx) error {
				n, again, err := c.Step(tx, func(h record.JobHash, body []byte, damaged bool) error {
					require.False(t, damaged)
					require.Equal(t, h, record.HashJob(string(body)))
					got = append(got, given{job: h})
					bytes += len(body)
					return nil
				}, func(e *logfile.Entry) error {
					got = append(got, given{key: e.Key})
					bytes += e.Size()
					return nil
				})
				require.Equal(t, bytes, n)
				require.Less(t, n, logcopy.StepBytes+200_000, "the last record may exceed it")
				more = again
				return err
			}))
			if last == math.MaxUint64 && steps < 3 {
				l.Apply(logtest.Write{ID: schema.ID{3, byte(steps)}, Flags: logtest.Placed, Job: "late"})
			}
		}
		want := oracle(l.Entries(), last)
		require.Equal(t, want, got, "up to %d", last)
		for _, g := range want {
			require.True(t, g.job == record.JobHash{} || c.Jobs()[g.job])
		}
		require.True(t, last < 100 || steps > 5, "a long log has several steps")
	}
}

// TestCopyEnds ends a copy by an error of each function.
func TestCopyEnds(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	cause := errors.New("cause")
	for _, failing := range []string{"job", "record"} {
		err := l.State.File.View(func(tx logfile.Tx) error {
			_, more, err := logcopy.New(l.State, math.MaxUint64).Step(tx, func(record.JobHash, []byte, bool) error {
				if failing == "job" {
					return cause
				}
				return nil
			}, func(*logfile.Entry) error { return cause })
			require.False(t, more)
			return err
		})
		require.ErrorIs(t, err, cause, failing)
	}
}

// TestCopyFindsDamage damages a job. The copy passes it on if the state knows of the damage, and
// fails otherwise.
func TestCopyFindsDamage(t *testing.T) {
	t.Parallel()
	l := logtest.New(t, 0)
	l.Apply(logtest.Write{ID: schema.ID{1}, Flags: logtest.Placed, Job: "job"})
	h := l.Entries()[0].Job
	var whole []byte
	put := func(body []byte) {
		require.NoError(t, l.State.File.Update(func(tx logfile.Tx) (bool, error) {
			_, err := tx.PutJob(h, body)
			return true, errors.Join(err, l.State.Manifest.Put(tx))
		}))
	}
	require.NoError(t, l.State.File.View(func(tx logfile.Tx) error {
		body, err := tx.Job(h)
		whole = append(whole, body...)
		return err
	}))
	put([]byte("damaged"))
	step := func() (passed bool, err error) {
		err = l.State.File.View(func(tx logfile.Tx) error {
			_, _, err := logcopy.New(l.State, math.MaxUint64).Step(tx, func(_ record.JobHash, body []byte, damaged bool) error {
				require.Equal(t, "damaged", string(body))
				passed = damaged
				return nil
			}, func(*logfile.Entry) error { return nil })
			return err
		})
		return passed, err
	}
	passed, err := step()
	require.ErrorIs(t, err, record.ErrCorrupt)
	require.False(t, passed)
	l.State = l.Load()
	passed, err = step()
	require.NoError(t, err)
	require.True(t, passed)
	put(whole)
	l.State = l.Load()
}
