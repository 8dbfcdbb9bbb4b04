package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// machine is where the figures come from. What the system does not tell is empty.
type machine struct {
	CPU         string
	Cores       int // that the process may use at once
	MemoryBytes int64
	Kernel      string
	Go          string
	FileSystem  string // of the directory that the stores are in
	Sync        syncCost
}

// syncCost is what the disk takes for a durable write.
type syncCost struct {
	Fdatasync time.Duration // median of a write of 4 KiB with an fdatasync, nanoseconds

	// CommitFloor is what a writer waits at least for a commit of two such, as
	// bbolt's are: its pages, then its meta page.
	CommitFloor time.Duration
}

// newMachine asks the system, and probes the disk in dir.
func newMachine(dir string) (machine, error) {
	cost, err := probe(dir)
	if err != nil {
		return machine{}, err
	}
	m := machine{
		CPU:        field("/proc/cpuinfo", "model name"),
		Cores:      runtime.GOMAXPROCS(0),
		Go:         runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		FileSystem: fileSystem(dir),
		Sync:       cost,
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(kernel))
	}
	if kB, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.MemoryBytes = kB << 10
	}
	return m, nil
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores of %s, %.1f GB, Linux %s, %s, %s; fdatasync of 4 KiB %v, two of them %v (%.0f commits/s)",
		m.Cores, m.CPU, float64(m.MemoryBytes)/1e9, m.Kernel, m.Go, m.FileSystem,
		m.Sync.Fdatasync, m.Sync.CommitFloor, 1/m.Sync.CommitFloor.Seconds())
}

// field returns the first value of a name in a file of "name: value" lines.
func field(file, name string) (value string) {
	eachLine(file, func(line string) {
		key, rest, _ := strings.Cut(line, ":")
		if value == "" && strings.TrimSpace(key) == name {
			value = strings.TrimSpace(rest)
		}
	})
	return value
}

// fileSystem returns the type of the file system that dir is on.
func fileSystem(dir string) (kind string) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	deepest := 0
	eachLine("/proc/mounts", func(line string) {
		f := strings.Fields(line)
		if len(f) < 3 {
			return
		}
		under, err := filepath.Rel(f[1], dir)
		if err == nil && under != ".." && !strings.HasPrefix(under, "../") && len(f[1]) >= deepest {
			deepest, kind = len(f[1]), f[2]
		}
	})
	return kind
}

// eachLine calls do with the lines of a file, if it can be read.
func eachLine(file string, do func(line string)) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		do(lines.Text())
	}
}

const (
	probes    = 200
	probeSize = 4 << 10
)

// probe measures writes of a page, each with an fdatasync, to a file that is on
// the disk in full already, which is what a database's file mostly is.
func probe(dir string) (cost syncCost, err error) {
	f, err := os.CreateTemp(dir, "peers-probe-")
	if err != nil {
		return cost, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, probes*probeSize)); err != nil {
		return cost, err
	}
	if err := f.Sync(); err != nil {
		return cost, err
	}
	took := make([]time.Duration, probes)
	page := []byte(strings.Repeat("page", probeSize/4))
	for i := range took {
		start := time.Now()
		if _, err := f.WriteAt(page, int64(i)*probeSize); err != nil {
			return cost, err
		}
		if err := fdatasync(f); err != nil {
			return cost, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	median := took[(probes-1)/2]
	return syncCost{Fdatasync: median, CommitFloor: 2 * median}, nil
}
