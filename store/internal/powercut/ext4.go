package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// An ext4 is a real file system on a disk: in a file of it, by a loop device. What the
// file system makes of a store's operations is recorded, and so are its own: its
// journal, and the order that it keeps.
type ext4 struct {
	image string // the file that it is in
	dir   string // where it is mounted
}

// ext4Bytes is the size of one: small, so that there can be many copies.
const ext4Bytes = 12 << 20

// whyNoExt4 returns why there can be no ext4 here, or "".
func whyNoExt4() string {
	if reason := whyNot(); reason != "" {
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

// newExt4 makes one, with mount options, of which barrier=0 has it keep no order.
func newExt4(d *disk, options string) (_ *ext4, err error) {
	dir, err := d.newDir()
	if err != nil {
		return nil, err
	}
	e := &ext4{image: filepath.Join(dir, "image")}
	if err := os.WriteFile(e.image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(e.image, ext4Bytes); err != nil {
		return nil, err
	}
	// One block size for all, and nothing left to be done later, in the background.
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

// close unmounts it. On a busy machine somebody who looks at what is mounted may be in the
// way for a moment.
func (e *ext4) close() error {
	err := insist(func() error { return command("umount", e.dir) })
	return errors.Join(err, os.Remove(e.dir))
}

// An ext4Recording is what a workload in a file system did to the disk.
type ext4Recording struct {
	*recording
	in    *ext4
	began int // the operation from which on there was the file system
}

// performOnExt4 runs the workload in a new ext4 with those mount options.
func performOnExt4(d *disk, options string, seed uint64) (_ *ext4Recording, err error) {
	if reason := whyNoExt4(); reason != "" {
		return nil, errors.New(reason)
	}
	if err := d.begin(Fault{}); err != nil {
		return nil, err
	}
	e, err := newExt4(d, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	made, err := d.take()
	if err != nil {
		return nil, err
	}
	rec, err := runAt(d, filepath.Join(e.dir, storeName), ext4Workload, seed).perform()
	return &ext4Recording{rec, e, len(made.Ops)}, err
}

// cut cuts the power of the disk that the file system is on.
func (rec *ext4Recording) cut(c cutting) (*tally, error) {
	c.from, c.whole, c.on = rec.began, true, rec.in
	return c.cut(rec.recording)
}

// judge mounts what a power cut has left of the file system, which has it go through its
// journal, and judges the store in it.
func (e *ext4) judge(h *history, img *image, dir string, used bool) (v verdict) {
	if v.err = img.put(dir); v.err != nil {
		return v
	}
	left := &ext4{image: filepath.Join(dir, filepath.Base(e.image)), dir: filepath.Join(dir, "mounted")}
	if v.err = os.Mkdir(left.dir, 0o700); v.err != nil {
		return v
	}
	if v.err = left.mount("barrier=1"); v.err != nil {
		return v
	}
	v = h.judgeStore(left.dir, img.acked, used)
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

// command runs a program, and returns what it complains about.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
