package raftstore

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"

	"allocstore/store"
)

// mendLog prepares the directory of a log for wal.Open, after any end of the process or the machine. raft-wal v0.4.0
// leaves this undone:
//
//   - A file that is full has its index, and the metadata says so later. After a crash in between the log took no entry ever
//     again. mendLog completes the metadata.
//   - A torn append may have left an index or entries after the last whole append. They are removed: with the index the
//     log took no entry.
//   - A file whose name was not synced before a restart was never synced in its directory again. With a power cut it went,
//     and its entries with it. The directory is synced.
//   - After a failed sync, data that can be read may not be on the disk, also in the next process. The last append, and the
//     metadata, are written again in their places, and synced.
//
// It opens meta.
func mendLog(dir string, meta types.MetaStore) error {
	state, err := loadMeta(dir, meta)
	if err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	if len(state.Segments) == 0 {
		return nil
	}
	tail := &state.Segments[len(state.Segments)-1]
	path := filepath.Join(dir, segment.FileName(*tail))
	t, err := mendTail(path)
	if err != nil {
		return err
	}
	if t.index == 0 {
		return nil
	}
	if t.entries == 0 {
		return fmt.Errorf("%s: %w: an index of no entries; %s", path, store.ErrCorrupt, anew)
	}
	tail.SealTime, tail.MaxIndex, tail.IndexStart = time.Now(), tail.BaseIndex+uint64(t.entries)-1, uint64(t.index)
	state.Segments = append(state.Segments, types.SegmentInfo{
		ID: state.NextSegmentID, BaseIndex: tail.MaxIndex + 1, MinIndex: tail.MaxIndex + 1, SizeLimit: tail.SizeLimit,
		Codec: wal.CodecBinaryV1, CreateTime: time.Now(),
	})
	state.NextSegmentID++
	return meta.CommitState(state)
}

// metaPages is the size of the beginning of a bbolt file that says which of the other pages count.
const metaPages = 2 * 4096

// writeAgain writes the bytes of a bbolt file again: first the pages, and then those that refer to them.
func writeAgain(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := io.ReadAll(f)
	meta := min(metaPages, len(body))
	if err == nil {
		err = rewrite(f, body[meta:], int64(meta))
	}
	if err == nil {
		err = rewrite(f, body[:meta], 0)
	}
	return errors.Join(err, f.Close())
}

func rewrite(f *os.File, body []byte, at int64) error {
	if len(body) == 0 {
		return nil
	}
	if _, err := f.WriteAt(body, at); err != nil {
		return err
	}
	return f.Sync()
}

// Sizes and kinds in a file of raft-wal. It has a header, and then frames. An append is some entries, perhaps the index of the
// file, and a commit with the checksum of the append.
const (
	segmentHeaderBytes = 32
	frameHeaderBytes   = 8
)

// A tailScan describes a file of the log up to an append.
type tailScan struct {
	start, end int64    // of the last whole append; 0 and 0 without one
	entries    int      // up to end
	index      int64    // the place of the index; 0 without one
	offsets    []uint32 // of entries, perhaps also of some after end
}

// mendTail removes all bytes after the last whole append of a file, and writes that one again.
func mendTail(path string) (tailScan, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return tailScan{}, nil // wal.Open creates it
	}
	if err != nil {
		return tailScan{}, err
	}
	t, err := scanTail(f)
	if err == nil {
		err = t.cut(f)
	}
	if err == nil {
		err = t.writeAgain(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return t, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// scanTail finds the last whole append. Like raft-wal it takes all but the last two for whole: they were synced before
// the next one began.
func scanTail(f *os.File) (tailScan, error) {
	info, err := f.Stat()
	if err != nil {
		return tailScan{}, err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, info.Size()), 1<<16)
	if _, err := r.Discard(segmentHeaderBytes); err != nil {
		return tailScan{}, ifNotEOF(err)
	}
	var now, last, before tailScan
	for at := int64(segmentHeaderBytes); ; {
		var head [frameHeaderBytes]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return wholeTail(f, last, before, ifNotEOF(err))
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		at += frameHeaderBytes
		switch head[0] {
		case segment.FrameEntry:
			now.entries++
			now.offsets = append(now.offsets, uint32(at-frameHeaderBytes))
		case segment.FrameIndex:
			now.index = at
		case segment.FrameCommit:
			now.end, length = at, 0
			before, last = last, now
			now.start = at
		default:
			return wholeTail(f, last, before, nil)
		}
		length = (length + frameHeaderBytes - 1) &^ (frameHeaderBytes - 1)
		if at += length; length > info.Size() {
			return wholeTail(f, last, before, nil)
		}
		if _, err := r.Discard(int(length)); err != nil {
			return wholeTail(f, last, before, ifNotEOF(err))
		}
	}
}

func ifNotEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// wholeTail returns the last of two appends if it has its checksum, and else the one before.
func wholeTail(f *os.File, last, before tailScan, err error) (tailScan, error) {
	if err != nil || last.end == 0 {
		return tailScan{}, err
	}
	body := make([]byte, last.end-last.start)
	if _, err := f.ReadAt(body, last.start); err != nil {
		return tailScan{}, err
	}
	frames, commit := body[:len(body)-frameHeaderBytes], body[len(body)-frameHeaderBytes:]
	if crc32.Checksum(frames, castagnoli) == binary.LittleEndian.Uint32(commit[4:]) {
		return last, nil
	}
	return before, nil
}

// cut makes the bytes after the last whole append zero.
func (t *tailScan) cut(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, buf := io.NewSectionReader(f, t.end, info.Size()-t.end), make([]byte, 1<<16)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.Join(f.Truncate(t.end), f.Truncate(info.Size()), f.Sync())
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// writeAgain writes the last whole append in its place.
func (t *tailScan) writeAgain(f *os.File) error {
	body := make([]byte, t.end-t.start)
	if _, err := f.ReadAt(body, t.start); err != nil {
		return err
	}
	return rewrite(f, body, t.start)
}

// seal appends the index of the first entries to a file that ends before it is full, and returns its place.
func seal(path string, entries int) (index uint64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	t, err := scanTail(f)
	if err != nil {
		return 0, err
	}
	if t.entries < entries {
		return 0, fmt.Errorf("%w: %s has %d entries, should have %d", store.ErrCorrupt, path, t.entries, entries)
	}
	if t.index > 0 {
		return uint64(t.index), nil
	}
	frames := binary.LittleEndian.AppendUint32([]byte{segment.FrameIndex, 0, 0, 0}, uint32(4*t.entries))
	for _, at := range t.offsets[:t.entries] {
		frames = binary.LittleEndian.AppendUint32(frames, at)
	}
	frames = append(frames, make([]byte, -len(frames)&(frameHeaderBytes-1))...)
	sum := crc32.Checksum(frames, castagnoli)
	frames = binary.LittleEndian.AppendUint32(append(frames, segment.FrameCommit, 0, 0, 0), sum)
	return uint64(t.end) + frameHeaderBytes, rewrite(f, frames, t.end)
}
