package store

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// craft returns a backup of one record with any parts and valid checksums.
func craft(flags record.Flags, job, sched, client string) []byte {
	const known = record.FlagSched | record.FlagClient | record.FlagTombstone | record.FlagNext
	k := record.Key{Index: 5}
	r := record.Record{Flags: flags & known, ID: schema.ID{7}, Created: k.Index, Job: record.HashJob(job), Sched: sched, Client: client}
	value := r.AppendTo(nil, k)
	m := logfile.Manifest{Last: k.Index}
	m.Sum.Add(record.SumNumber(k, value))
	m.Sum.Add(r.Job.SumNumber())
	b := backupstream.AppendHead(backupstream.AppendMagic(nil), backupstream.Head{Index: k.Index})
	b = backupstream.AppendFrame(b, backupstream.JobFrame, []byte(job))
	b = backupstream.AppendFrame(b, backupstream.RecordFrame, k.AppendTo(nil), value)
	return backupstream.AppendFoot(b, backupstream.Foot{Records: 1, Jobs: 1, Sum: m.Total()})
}

// catchUp gives a stream that Restore has accepted to a new replica, which takes it unless it has
// damage, or an index below that of a new store.
func catchUp(t *testing.T, stream []byte, info BackupInfo) {
	s := openTemp(t, &Options{Replicated: true})
	defer shut(t, s)
	err := s.CatchUp(context.Background(), bytes.NewReader(stream))
	if err != nil {
		require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrInvalid), "%v", err)
		require.Equal(t, uint64(1), s.AppliedIndex())
		return
	}
	require.Equal(t, []uint64{info.Index, info.Applied}, []uint64{s.LastIndex(), s.AppliedIndex()})
	require.Empty(t, Faults(s))
}

// FuzzRestore restores streams of arbitrary bytes, and streams with valid checksums. If Restore
// accepts a stream, Check must find no fault and every allocation must be readable, and a replica
// can catch up with it.
func FuzzRestore(f *testing.F) {
	s := openTemp(f, nil)
	a := testAlloc(7)
	upsert(f, s, a)
	var stream bytes.Buffer
	_, err := s.Backup(context.Background(), &stream)
	require.NoError(f, err)
	var codec schema.Codec
	job, sched, client := codec.AppendJob(nil, a.Job), codec.AppendScheduler(nil, a), codec.AppendClient(nil, a)
	f.Add(bytes.Clone(stream.Bytes()), byte(0), []byte{}, []byte{}, []byte{})
	_, err = s.ApplyEntries(context.Background(), []Entry{{Index: 9, Limits: Limits{Floor: 1}}})
	require.NoError(f, err)
	stream.Reset()
	_, err = s.Backup(context.Background(), &stream)
	require.NoError(f, err)
	f.Add(bytes.Clone(stream.Bytes()), byte(0), []byte{}, []byte{}, []byte{})
	f.Add([]byte{}, byte(record.FlagSched|record.FlagClient), job, sched, client)
	f.Add([]byte{}, byte(record.FlagSched|record.FlagClient), []byte(logfile.NewNote(9, 3)), sched, client)
	f.Add([]byte{}, byte(record.FlagTombstone), job, []byte{}, []byte{})
	crafted := craft(record.FlagSched|record.FlagClient, string(job), string(sched), string(client))
	require.NoError(f, s.Restore(context.Background(), bytes.NewReader(crafted)), "craft makes valid backups")
	f.Fuzz(func(t *testing.T, stream []byte, flags byte, job, sched, client []byte) {
		if len(stream) == 0 {
			stream = craft(record.Flags(flags), string(job), string(sched), string(client))
		}
		info, unread := ReadBackupInfo(bytes.NewReader(stream))
		if s.Restore(context.Background(), bytes.NewReader(stream)) != nil {
			return
		}
		require.NoError(t, unread, "the head of a whole stream")
		catchUp(t, stream, info)
		require.Empty(t, Faults(s))
		for _, err := range s.All() {
			require.NoError(t, err)
		}
	})
}
