package machine

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Machine describes a machine. A field that the system does not report is empty.
type Machine struct {
	CPU         string
	Cores       int // GOMAXPROCS
	MemoryBytes int64
	Kernel      string
	Go          string
	FileSystem  string // of the directory with the stores
}

// Describe describes this machine and the file system of dir.
func Describe(dir string) Machine {
	m := Machine{
		CPU:         field("/proc/cpuinfo", "model name"),
		Cores:       runtime.GOMAXPROCS(0),
		MemoryBytes: kilobytes("/proc/meminfo", "MemTotal"),
		Go:          runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		FileSystem:  fileSystem(dir),
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(kernel))
	}
	return m
}

func (m Machine) String() string {
	return fmt.Sprintf("%d cores of %s, %.1f GB, Linux %s, %s, %s",
		m.Cores, m.CPU, float64(m.MemoryBytes)/1e9, m.Kernel, m.Go, m.FileSystem)
}

// field returns the first value of name in a file with lines "name: value".
func field(file, name string) (value string) {
	eachLine(file, func(line string) {
		key, rest, _ := strings.Cut(line, ":")
		if value == "" && strings.TrimSpace(key) == name {
			value = strings.TrimSpace(rest)
		}
	})
	return value
}

// kilobytes returns a field given in kB in bytes, or 0 if the file has no such field.
func kilobytes(file, name string) int64 {
	kB, err := strconv.ParseInt(strings.TrimSuffix(field(file, name), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kB << 10
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

// eachLine calls do with each line of the file, if the file can be read.
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
