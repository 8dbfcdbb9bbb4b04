package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// A diskFault makes some calls of the system on some files fail, in one process and until it ends. It needs no privilege:
// the process installs a filter of its own calls.
type diskFault struct {
	name  string
	files func(dir, path string) bool
	calls []uint32
	errno syscall.Errno
}

// Sets of calls.
var (
	syncCalls  = []uint32{syscall.SYS_FDATASYNC, syscall.SYS_FSYNC}
	writeCalls = []uint32{syscall.SYS_PWRITE64, syscall.SYS_WRITE, syscall.SYS_PWRITEV}
	roomCalls  = append([]uint32{syscall.SYS_FALLOCATE, syscall.SYS_FTRUNCATE}, writeCalls...)
)

func storeFile(dir, path string) bool { return path == filepath.Join(dir, "store.db") }
func logFile(dir, path string) bool   { return strings.HasPrefix(path, filepath.Join(dir, "log")+"/") }

var diskFaults = []diskFault{
	{"store cannot sync", storeFile, syncCalls, syscall.EIO},
	{"store cannot write", storeFile, writeCalls, syscall.EIO},
	{"store has no room", storeFile, roomCalls, syscall.ENOSPC},
	{"log cannot sync", logFile, syncCalls, syscall.EIO},
	{"log cannot write", logFile, writeCalls, syscall.EIO},
}

// breakDisk inflicts a fault on the files in a directory that this process has open.
func breakDisk(dir, name string) error {
	for _, d := range diskFaults {
		if d.name != name {
			continue
		}
		fds, err := d.open(dir)
		if err != nil {
			return err
		}
		if err := d.filter(fds); err != nil {
			return replaceFiles(fds) // where filters are forbidden
		}
		return nil
	}
	return fmt.Errorf("no fault of a disk is %q", name)
}

// open returns the descriptors of the files.
func (d *diskFault) open(dir string) (fds []uint32, err error) {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		path, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || !d.files(dir, path) {
			continue // closed meanwhile, or another file
		}
		fd, err := strconv.ParseUint(e.Name(), 10, 32)
		if err != nil {
			return nil, err
		}
		fds = append(fds, uint32(fd))
	}
	if len(fds) == 0 {
		return nil, fmt.Errorf("no file of %s is open", dir)
	}
	return fds, nil
}

// Instructions of a filter.
const (
	loadWord = 0x20 // BPF_LD|BPF_W|BPF_ABS
	jumpIf   = 0x15 // BPF_JMP|BPF_JEQ|BPF_K
	result   = 0x06 // BPF_RET|BPF_K

	atCall, atFirstArgument = 0, 16 // in struct seccomp_data
	allow, fail             = 0x7fff0000, 0x00050000
)

type instruction struct {
	code     uint16
	yes, no  uint8
	argument uint32
}

// program returns the filter: a call of the set fails if its first argument is one of the descriptors.
func (d *diskFault) program(fds []uint32) []instruction {
	p := []instruction{{code: loadWord, argument: atCall}}
	for i, c := range d.calls {
		p = append(p, instruction{jumpIf, uint8(len(d.calls) - i), 0, c})
	}
	p = append(p, instruction{code: result, argument: allow}, instruction{code: loadWord, argument: atFirstArgument})
	for i, fd := range fds {
		p = append(p, instruction{jumpIf, uint8(len(fds) - i), 0, fd})
	}
	return append(p, instruction{code: result, argument: allow}, instruction{code: result, argument: fail | uint32(d.errno)})
}

// filter installs the filter in all threads.
func (d *diskFault) filter(fds []uint32) error {
	number, ok := map[string]uintptr{"amd64": 317, "arm64": 277}[runtime.GOARCH]
	if !ok {
		return errors.ErrUnsupported
	}
	const noNewPrivileges, setFilter, allThreads = 38, 1, 1
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, noNewPrivileges, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	p := d.program(fds)
	program := struct {
		length uint16
		first  *instruction
	}{uint16(len(p)), &p[0]}
	r, _, errno := syscall.RawSyscall(number, setFilter, allThreads, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(p)
	if errno != 0 {
		return errno
	}
	if r != 0 {
		return fmt.Errorf("thread %d refuses the filter", r)
	}
	return nil
}

// replaceFiles puts a file that can only be read in the place of each descriptor: writes fail with EBADF.
func replaceFiles(fds []uint32) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	for _, fd := range fds {
		if err := syscall.Dup3(int(null.Fd()), int(fd), syscall.O_CLOEXEC); err != nil {
			return err
		}
	}
	return nil
}

// mountDisk mounts a disk of its own at a directory, in memory. Without the right to it returns an error.
func mountDisk(dir string, bytes int64) error {
	return syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
}

func unmountDisk(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
