package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// An ext4 is a real file system in a file of a disk, by a loop device. The operations of the
// file system are recorded: its writes for the store, its journal, and their order.
type ext4 struct {
	image string // its file
	dir   string // its mount point
}

// ext4Bytes is the size of the file system: small, for many copies.
const ext4Bytes = 12 << 20

// whyNoExt4 returns the reason why there can be no ext4 here, or "".
func whyNoExt4() string {
	if reason := whyNoDisk(); reason != "" {
		return reason
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err.Error()
		}
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil || !strings.Contains(string(known), "\text4\n") {
		return "the kernel has no ext4"
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return "no loop devices: " + err.Error()
	}
	return ""
}

// newExt4 makes one in a directory, mounted with these options. With barrier=0 it keeps no order.
func newExt4(dir, options string) (_ *ext4, err error) {
	e := &ext4{image: filepath.Join(dir, "image")}
	if err := os.WriteFile(e.image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(e.image, ext4Bytes); err != nil {
		return nil, err
	}
	// One block size on all machines, and no initialization in the background.
	if err := command("mkfs.ext4", "-q", "-F", "-b", "1024", "-J", "size=1", "-E", "lazy_itable_init=0,lazy_journal_init=0", e.image); err != nil {
		return nil, err
	}
	if err := errors.Join(syncPath(e.image), syncPath(dir)); err != nil {
		return nil, err
	}
	if e.dir, err = os.MkdirTemp(scratch(), "allocstore-powercut-ext4-*"); err != nil {
		return nil, err
	}
	return e, e.mount(options)
}

func (e *ext4) mount(options string) error {
	return command("mount", "-t", "ext4", "-o", "loop,"+options, e.image, e.dir)
}

// close unmounts it. On a busy machine a process that lists the mounts may be in the way for
// a moment.
func (e *ext4) close() error {
	err := retry(func() error { return command("umount", e.dir) })
	return errors.Join(err, os.Remove(e.dir))
}

// An ext4Recording is the recording of a workload in a file system.
type ext4Recording struct {
	*recording
	in    *ext4
	began int // the first operation with the file system in place
}

// performOnExt4 runs the workload in a new ext4 with those mount options.
func performOnExt4(d *disk, options string, seed uint64) (_ *ext4Recording, err error) {
	if reason := whyNoExt4(); reason != "" {
		return nil, errors.New(reason)
	}
	dir, err := d.newDir()
	if err == nil {
		err = d.begin(Fault{})
	}
	if err != nil {
		return nil, err
	}
	e, err := newExt4(dir, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	made, err := d.recorded()
	if err != nil {
		return nil, err
	}
	rec, err := runAt(d, filepath.Join(e.dir, storeName), ext4Workload, seed).perform()
	return &ext4Recording{rec, e, len(made.Ops)}, err
}

// cut cuts the power of the disk that the file system is on.
func (rec *ext4Recording) cut(c cutter) (*counts, error) {
	c.from, c.whole, c.judge = rec.began, true, rec.in.judge
	return c.cut(rec.recording)
}

// judge mounts the file system of an image, which replays its journal, and judges the store
// in it.
func (e *ext4) judge(h *history, img *trialImage, dir string) (v verdict) {
	if v.err = img.writeTo(dir); v.err != nil {
		return v
	}
	left := &ext4{image: filepath.Join(dir, filepath.Base(e.image)), dir: filepath.Join(dir, "mounted")}
	if v.err = os.Mkdir(left.dir, 0o700); v.err != nil {
		return v
	}
	if v.err = left.mount("barrier=1"); v.err != nil {
		return v
	}
	v = h.judgeStore(left.dir, img.acked, img.used)
	v.err = errors.Join(v.err, left.close())
	return v
}

// syncPath makes a file, or the names in a directory, durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// command runs a program. An error has its output.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
