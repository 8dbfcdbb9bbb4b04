package store_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store"
	"allocstore/store/internal/damagetest"
)

var damaged = flag.Int("damaged", 160, "number of damaged files that TestDamagedFiles makes")

// An original is a store's file, and the content that the store had at each index.
type original struct {
	closed   []byte // after Close
	crashed  []byte // before Close, as a crash leaves it
	contents map[uint64][]string
	last     observed
	before   uint64 // the index before the last
}

// file returns the closed or the crashed file, and the earliest index that the file may have
// when it is damaged outside its meta pages. After a crash, damage of the last commit looks
// like an unfinished commit, so the file may have the index before.
func (o *original) file(crashed bool) (file []byte, earliest uint64) {
	if crashed {
		return o.crashed, o.before
	}
	return o.closed, o.last.index
}

// observed is a store's content as its readers get it.
type observed struct {
	index   uint64
	content []string // the readable allocations, in the order of their IDs
	damaged int      // the number of the others
	stats   string
}

// observe reads all of a store.
func observe(s *store.Store) (observed, error) {
	st := s.Stats()
	all := observed{index: s.LastIndex(), stats: fmt.Sprint(st.Allocations, st.Tombstones, st.Floor)}
	for a, err := range s.All() {
		switch {
		case errors.Is(err, store.ErrCorrupt):
			all.damaged++
		case err != nil:
			return observed{}, err
		default:
			all.content = append(all.content, text(a))
		}
	}
	if all.damaged != st.Quarantined {
		return observed{}, fmt.Errorf("%d cannot be read, %d are quarantined", all.damaged, st.Quarantined)
	}
	return all, nil
}

// missing returns the number of elements of all that some lacks, or -1 if some is not a
// subsequence of all.
func missing(some, all []string) int {
	i := 0
	for _, text := range all {
		if i < len(some) && some[i] == text {
			i++
		}
	}
	if i < len(some) {
		return -1
	}
	return len(all) - len(some)
}

// makeOriginal writes a store, with two passes of compaction, and closes it.
func makeOriginal(path string) (o *original, err error) {
	s, err := store.Open(path, &store.Options{DetectMutation: true, FeedRetention: -1})
	if err != nil {
		return nil, err
	}
	o = &original{contents: map[uint64][]string{}}
	r := rand.New(rand.NewPCG(1, 1))
	note := func(_ store.Applied, e error) {
		err = errors.Join(err, e)
		if o.last, e = observe(s); e != nil {
			err = errors.Join(err, e)
		}
		o.contents[o.last.index] = o.last.content
	}
	for i := range 60 {
		batch := make([]*schema.Allocation, 6)
		for j := range batch {
			batch[j] = placed(i*6 + j)
			batch[j].Job = &schema.Job{ID: "job", Name: strings.Repeat("x", i%5*100)}
		}
		note(s.Upsert(context.Background(), batch...))
		note(s.UpdateFromClient(context.Background(), &schema.Allocation{
			ID: idOf(r.IntN(i*6 + 1)), ClientStatus: "running", ClientDescription: strings.Repeat("y", r.IntN(3000)),
		}))
		if i%7 == 0 {
			note(s.Delete(context.Background(), idOf(r.IntN(i*6+1))))
		}
		if i == 20 || i == 45 {
			err = errors.Join(err, s.Sweep(context.Background()))
		}
	}
	o.before = s.LastIndex()
	note(s.Upsert(context.Background(), placed(7)))
	var e error
	o.crashed, e = os.ReadFile(path)
	err = errors.Join(err, e, errors.Join(store.Faults(s)...), s.Close())
	if err != nil {
		return nil, err
	}
	o.closed, err = os.ReadFile(path)
	return o, err
}

// TestDamagedFiles damages the file of a store in many ways. Open refuses the file with the
// reason and the place. Or the store serves all content except the allocations that it reports
// as damaged, and still does after writes, compaction and another Open.
//
// A store may return to an earlier index only if a meta page is damaged, or, after a crash, the
// last commit: a power cut in that commit leaves the same file.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	var o *original // one for each child process
	report := damagetest.InChildren(t, *damaged, func(dir string, n int) (verdict string) {
		if o == nil {
			var err error
			if o, err = makeOriginal(filepath.Join(dir, fmt.Sprint("original", n))); err != nil {
				return "BAD: " + err.Error()
			}
		}
		kind := damagetest.Kinds[n%len(damagetest.Kinds)]
		r := rand.New(rand.NewPCG(uint64(n), 13))
		path := filepath.Join(dir, fmt.Sprint("damaged", n))
		file, earliest := o.file(n/len(damagetest.Kinds)%2 == 1)
		harmed := kind.Damage(r, file, os.Getpagesize())
		if !sameMetas(harmed, file) {
			earliest = 0
		}
		if err := os.WriteFile(path, harmed, 0o600); err != nil {
			return "BAD: " + err.Error()
		}
		defer os.Remove(path)
		verdict = o.judge(path, earliest)
		if strings.HasPrefix(verdict, "BAD") {
			verdict += fmt.Sprintf(" (case %d)", n)
		}
		return kind.Name + ": " + verdict
	})
	for _, v := range slices.Sorted(maps.Keys(report.Verdicts)) {
		t.Logf("%6d %s", report.Verdicts[v], v)
	}
	for verdict := range report.Verdicts {
		require.NotContains(t, verdict, "BAD")
	}
	require.Empty(t, report.Deaths)
}

// sameMetas reports whether both meta pages are unchanged.
func sameMetas(file, was []byte) bool {
	metas := 2 * os.Getpagesize()
	return len(file) >= metas && bytes.Equal(file[:metas], was[:metas])
}

// judge opens the file, uses the store and returns a verdict. "BAD" is a broken rule.
func (o *original) judge(path string, earliest uint64) string {
	opts := &store.Options{FeedRetention: -1, Logger: silent}
	s, err := store.Open(path, opts)
	switch {
	case err != nil && !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrFormatVersion):
		return fmt.Sprintf("BAD: refused with %v", err)
	case err != nil && !strings.Contains(err.Error(), path):
		return fmt.Sprintf("BAD: does not name the file: %v", err)
	case err != nil:
		return "refused"
	}
	verdict := o.compare(s, earliest)
	if e := use(s); e != nil {
		verdict = fmt.Sprintf("BAD: %s, and in use: %v", verdict, e)
	}
	after, afterErr := observe(s)
	if err := s.Close(); err != nil {
		return fmt.Sprintf("BAD: %s, and at the end: %v", verdict, err)
	}
	if s, err = store.Open(path, opts); err != nil {
		return fmt.Sprintf("BAD: %s, and then refused: %v", verdict, err)
	}
	defer s.Close()
	if again, err := observe(s); fmt.Sprint(err) != fmt.Sprint(afterErr) || !reflect.DeepEqual(again, after) {
		return fmt.Sprintf("BAD: %s, and other content when opened again: %v, %v", verdict, err, afterErr)
	}
	return verdict
}

// compare returns a verdict on the store's content.
func (o *original) compare(s *store.Store, earliest uint64) string {
	got, err := observe(s)
	switch {
	case err != nil:
		return fmt.Sprintf("BAD: does not read: %v", err)
	case missing(got.content, o.contents[got.index]) != got.damaged:
		return "BAD: wrong content"
	case got.index == o.last.index && got.stats != o.last.stats:
		return fmt.Sprintf("BAD: right content, but counts %s instead of %s", got.stats, o.last.stats)
	case got.index < earliest:
		return fmt.Sprintf("BAD: the content at index %d, with both meta pages in place", got.index)
	case got.index != o.last.index:
		return "right at an earlier index"
	case got.damaged > 0:
		return "right, except quarantined allocations"
	}
	return "right"
}

// use writes to every part of the store and compacts it. A write to a quarantined allocation may
// be refused.
func use(s *store.Store) error {
	var errs []error
	refusable := func(_ store.Applied, err error) {
		if s.Stats().Quarantined == 0 || !errors.Is(err, store.ErrCorrupt) {
			errs = append(errs, err)
		}
	}
	for i := range 60 {
		refusable(s.UpdateFromClient(context.Background(), &schema.Allocation{ID: idOf(i * 6), ClientStatus: "complete"}))
	}
	refusable(s.Upsert(context.Background(), placed(1), placed(1000)))
	_, err := s.Delete(context.Background(), idOf(2), idOf(300))
	return errors.Join(append(errs, err, s.Sweep(context.Background()))...)
}
