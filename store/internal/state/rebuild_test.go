package state

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/lists"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// FuzzRebuild rebuilds a state from a log of any records. It must not panic. A log that is
// accepted must give, for each ID, the version of its latest record, lists that have the existing
// allocations and no other, and the digest of what the latest records say.
func FuzzRebuild(f *testing.F) {
	f.Add([]byte{0, 3, 0, 0, 1, 3, 1, 0, 0, 2, 0, 0}, uint8(0))
	f.Add([]byte{0, 3, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0}, uint8(2))
	f.Fuzz(func(t *testing.T, ops []byte, floor uint8) {
		st := newState(&Options{})
		job := &Job{Hash: record.JobHash{1}}
		st.Jobs.Add(job)
		st.Floor.Store(uint64(floor))
		records := fuzzRecords(ops)
		err := rebuildFrom(st, records)
		if err != nil {
			require.ErrorIs(t, err, record.ErrCorrupt)
			return
		}
		latest := map[schema.ID]scanned{}
		for _, r := range records {
			latest[r.ID] = r
		}
		living := 0
		for id, r := range latest {
			v := st.Table.Get(&id)
			require.NotNil(t, v)
			require.Equal(t, r.Key, v.Pair().Newest())
			require.Equal(t, r.Tombstone(), v.Tombstone())
			if !v.Tombstone() {
				living++
			}
			require.Equal(t, !v.Tombstone(), st.Lists.Has(lists.Name{Kind: lists.Everything}, id))
		}
		_, digest := st.Digest()
		require.Equal(t, fuzzDigest(records), digest)
		require.EqualValues(t, living, st.Counts.Allocations.Load())
		require.EqualValues(t, len(latest)-living, st.Counts.Tombstones.Load())
	})
}

// fuzzDigest returns the digest of the allocations that the records make.
func fuzzDigest(records []scanned) (sum uint64) {
	allocs := map[schema.ID]record.Visible{}
	for _, r := range records {
		v := allocs[r.ID]
		if r.Tombstone() {
			delete(allocs, r.ID)
			continue
		}
		v.ID, v.Modified, v.HasNext, v.Next = r.ID, r.Key.Index, r.Flags&record.FlagNext != 0, r.Next
		if r.Damaged {
			v.Next = schema.ID{}
		}
		if r.Flags&record.FlagSched != 0 {
			v.Scheduled, v.Created, v.Job, v.SchedSum = r.Key.Index, r.Created, r.Job, r.sums[0]
		}
		if r.Flags&record.FlagClient != 0 {
			v.ClientSum = r.sums[1]
		}
		allocs[r.ID] = v
	}
	for _, v := range allocs {
		sum += v.DigestNumber()
	}
	return sum
}

// rebuildFrom gives the records to a rebuilder, as a scan does.
func rebuildFrom(st *State, records []scanned) error {
	sc := &scan{blocks: make(chan *block, 1), used: make(chan *block, 1)}
	sc.blocks <- &block{records: records}
	close(sc.blocks)
	return rebuild(context.Background(), st, sc)
}

// fuzzRecords makes a record of every four bytes: the ID, the flags, how its Prev differs
// from the right one, and the index and the job.
func fuzzRecords(ops []byte) []scanned {
	var records []scanned
	versions := map[schema.ID]record.Pair{}
	k := record.Key{Index: 1}
	for ; len(ops) >= 4; ops = ops[4:] {
		if ops[3]&1 == 0 {
			k = record.Key{Index: k.Index + 1}
		} else {
			k.Pos++
		}
		id := schema.ID{ops[0] % 4}
		r := record.Record{ID: id, Flags: record.Flags(ops[1] & 15), Prev: versions[id], Job: record.JobHash{1}}
		switch ops[2] {
		case 1:
			r.Prev.Sched.Pos++
		case 2:
			r.Prev.Client = record.Key{}
		case 3:
			r.Prev = record.Pair{}
		}
		if ops[3]&2 != 0 {
			r.Job = record.JobHash{2}
		}
		if r.Tombstone() {
			r.Flags = record.FlagTombstone
		} else if r.Flags&(record.FlagSched|record.FlagClient) == 0 {
			r.Flags |= record.FlagClient
		}
		damaged := ops[3]&4 != 0 && !r.Tombstone()
		n, sums := uint32(len(records)), [2]uint32{}
		if !damaged {
			sums = [2]uint32{3*n + 1, 5*n + 2}
		}
		if r.Flags&record.FlagNext != 0 {
			r.Next = schema.ID{ops[3] >> 3}
		}
		if r.Flags&record.FlagSched != 0 {
			r.Created = uint64(ops[0]) + 1
		}
		e := logfile.Entry{Key: k, Value: make([]byte, 100), Damaged: damaged, Record: r}
		records = append(records, scanned{Entry: e, sums: sums, sched: schema.Placement{NodeID: string(ops[:1])}})
		versions[id] = r.PairAt(k)
	}
	return records
}
