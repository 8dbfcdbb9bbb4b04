package machine

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	probes    = 200
	probeSize = 4 << 10
)

// SyncLatency returns the median time of a write of 4 KiB with an fdatasync, to a file in dir. The file's blocks are
// allocated before, as most blocks of a database's file are.
func SyncLatency(dir string) (median time.Duration, err error) {
	f, err := os.CreateTemp(dir, "probe-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, probes*probeSize)); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	took := make([]time.Duration, probes)
	page := []byte(strings.Repeat("page", probeSize/4))
	for i := range took {
		start := time.Now()
		if _, err := f.WriteAt(page, int64(i)*probeSize); err != nil {
			return 0, err
		}
		if err := fdatasync(f); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
