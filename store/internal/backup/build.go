package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"allocstore/index"
	"allocstore/schema"
	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/logcopy"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
	"allocstore/store/internal/state"
)

// Build writes a whole stream to the new file n, whose manifest becomes that of the stream. Nothing is
// durable yet. maxFrame bounds the bytes of a frame.
//
// decoded reports whether all of the content can be decoded, old versions included, which Load then need not
// do. It blocks for as long as from does. Errors: those of a backupstream.Reader; ctx's, checked
// between two transactions; and that of writing the file.
func Build(ctx context.Context, n *logfile.Successor, from io.Reader, maxFrame int64) (decoded bool, err error) {
	b := &builder{Successor: n, from: backupstream.NewReader(from, maxFrame), decoder: newDecoder()}
	err = b.build(ctx)
	return b.decoder.finish(), err
}

func (b *builder) build(ctx context.Context) error {
	if err := b.head(); err != nil {
		return err
	}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := b.Fill(func(to logfile.Tx) (err error) {
			more, err = b.readSome(to)
			return err
		})
		if err != nil {
			return err
		}
	}
	return b.from.ExpectEnd()
}

// Load loads the state of a file that Build has written, as Open would. Unless its content is decoded
// it decodes every allocation once, on all processors, without keeping it. It blocks while it reads.
//
// Errors: record.ErrCorrupt, also with the first allocation that cannot be decoded; or ctx's.
func Load(ctx context.Context, n *logfile.Successor, decoded bool, o *state.Options) (*state.State, error) {
	st, err := state.LoadRaw(ctx, n.Raw(), o)
	if err != nil {
		return nil, err
	}
	if st.File = n.File; decoded {
		return st, nil
	}
	return st, st.DecodeEach(ctx, func(id schema.ID, err error) error {
		return fmt.Errorf("%w: allocation %v: %w", record.ErrCorrupt, id, err)
	})
}

// A builder is the work of one Build.
type builder struct {
	*logfile.Successor
	from    *backupstream.Reader
	decoder *decoder

	records, jobs uint64
	after         record.Key // of the latest record
}

// head reads the beginning of the stream.
func (b *builder) head() (err error) {
	b.Last, err = readIndex(b.from)
	return err
}

// readIndex reads the magic and the head.
func readIndex(from *backupstream.Reader) (uint64, error) {
	if err := from.ReadMagic(); err != nil {
		return 0, err
	}
	at := from.Offset()
	kind, payload, err := from.Next()
	if err != nil {
		return 0, err
	}
	head, err := backupstream.ParseHead(payload)
	if err != nil || kind != backupstream.HeadFrame || head.Index < index.Created || head.Index == math.MaxUint64 {
		return 0, from.CorruptAt(at, record.ErrShape)
	}
	return head.Index, nil
}

// readSome writes the next frames in one transaction, and reports whether there are more.
func (b *builder) readSome(to logfile.Tx) (more bool, err error) {
	for start := b.from.Offset(); b.from.Offset()-start < logcopy.StepBytes; {
		at := b.from.Offset()
		kind, payload, err := b.from.Next()
		if err != nil {
			return false, err
		}
		if err := b.frame(to, kind, payload); err != nil {
			return false, b.from.CorruptAt(at, err)
		}
		if kind == backupstream.FootFrame {
			return false, nil
		}
	}
	return true, nil
}

// frame writes the content of one frame. The payload is valid until it returns.
func (b *builder) frame(to logfile.Tx, kind backupstream.Kind, payload []byte) error {
	switch kind {
	case backupstream.JobFrame:
		b.jobs++
		if logfile.IsNote(payload) {
			return b.note(payload)
		}
		body := bytes.Clone(payload)
		b.decoder.job(body)
		return b.PutJob(to, record.HashJob(record.UnsafeString(body)), body)
	case backupstream.DamagedJobFrame:
		b.jobs++
		if len(payload) < len(record.JobHash{}) {
			return record.ErrShort
		}
		h := record.JobHash(payload)
		return b.PutJob(to, h, bytes.Clone(payload[len(h):]))
	case backupstream.RecordFrame:
		b.records++
		return b.record(to, payload)
	case backupstream.FootFrame:
		return b.foot(to, payload)
	}
	return record.ErrShape
}

// note takes the note of the backup, which foot writes with the manifest.
func (b *builder) note(payload []byte) (err error) {
	if b.Note != "" {
		return record.ErrShape
	}
	b.Note, err = logfile.ParseNote(payload)
	return err
}

// record writes a record.
func (b *builder) record(to logfile.Tx, payload []byte) error {
	if len(payload) < record.KeyLen {
		return record.ErrShort
	}
	k, value := record.ParseKey(payload), bytes.Clone(payload[record.KeyLen:]) // the transaction keeps it
	if !k.After(b.after) || k.Index > b.Last {
		return record.ErrShape
	}
	r, err := record.Parse(k, value)
	if err != nil && err != record.ErrDamaged {
		return err
	}
	b.decoder.add(&r)
	b.after = k
	return b.Put(to, k, value)
}

// foot compares the content with the numbers in the last frame, and writes the manifest.
func (b *builder) foot(to logfile.Tx, payload []byte) error {
	foot, err := backupstream.ParseFoot(payload)
	if err != nil {
		return err
	}
	b.Floor, b.Restored = foot.Floor, foot.Restored
	if foot.Records != b.records || foot.Jobs != b.jobs || foot.Sum != b.Total() {
		return record.ErrChecksum
	}
	return errors.Join(b.PutMarks(to), b.Manifest.Put(to))
}
