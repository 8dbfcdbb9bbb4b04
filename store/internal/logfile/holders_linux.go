package logfile

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// holders returns the processes that took the lock of f and still run, as the kernel knows
// them. It leaves out a process that this one cannot see, as in another container. It
// returns nil if the file system gives its locks another device than its files, as some
// overlays do.
func holders(f *os.File) []int {
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return nil
	}
	defer locks.Close()
	dev := uint64(st.Dev)
	major := dev>>8&0xfff | dev>>32&^0xfff
	minor := dev&0xff | dev>>12&^0xff
	inode := fmt.Sprintf("%02x:%02x:%d", major, uint32(minor), st.Ino)
	var pids []int
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 4131 00:1b:2459121 0 EOF
		field := strings.Fields(lines.Text())
		if len(field) < 6 || field[1] != "FLOCK" || field[5] != inode {
			continue // also of an opener that waits, which has "->" before FLOCK
		}
		pid, err := strconv.Atoi(field[4])
		if err != nil || pid <= 0 {
			continue
		}
		// A process that has ended may have left the lock to a child.
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}
