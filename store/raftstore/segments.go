package raftstore

import (
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// A segmentFiler opens the log's files. raft-wal v0.4.0 ends a file without an index when entries at the end of the log are
// removed, as on a deposed leader, and can read it only until it is closed. Such a file is read as the last one is: through
// its frames. Later releases, which write the index, need a version of a package that raft v1.8.0 excludes.
type segmentFiler struct{ types.SegmentFiler }

func newSegmentFiler(dir string) segmentFiler {
	return segmentFiler{segment.NewFiler(dir, fs.New())}
}

// Open opens a file that takes no more entries.
func (f segmentFiler) Open(info types.SegmentInfo) (types.SegmentReader, error) {
	if info.IndexStart == 0 {
		return f.RecoverTail(info)
	}
	return f.SegmentFiler.Open(info)
}
