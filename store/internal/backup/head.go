package backup

import (
	"errors"
	"io"

	"allocstore/store/internal/backupstream"
	"allocstore/store/internal/logfile"
	"allocstore/store/internal/record"
)

// maxNoteFrame bounds the frame that ReadHead reads as a note. It leaves room for the numbers of later
// releases.
const maxNoteFrame = 64 << 10

// ReadHead returns the index of a backup and its applied index. It reads no more than the head and the
// frame after it, which is the note, or a job or a record of a backup without one. It verifies these
// two frames, and not that anything follows.
//
// Errors: those of a backupstream.Reader.
func ReadHead(r io.Reader) (index, applied uint64, err error) {
	from := backupstream.NewReader(r, maxNoteFrame)
	if index, err = readIndex(from); err != nil {
		return 0, 0, err
	}
	at := from.Offset()
	kind, payload, err := from.Next()
	if errors.Is(err, record.ErrTooLarge) {
		return index, index, nil
	}
	if err != nil {
		return 0, 0, err
	}
	m := logfile.Manifest{Last: index}
	if kind == backupstream.JobFrame && logfile.IsNote(payload) {
		if m.Note, err = logfile.ParseNote(payload); err != nil {
			return 0, 0, from.CorruptAt(at, err)
		}
	}
	return index, m.Applied(), nil
}
