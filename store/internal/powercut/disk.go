package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// A disk is a mounted file system that records its operations. A process of its own
// serves it.
type disk struct {
	dir    string
	cmd    *exec.Cmd
	stderr bytes.Buffer // of the process
	client *rpc.Client
	dirs   int
}

// whyNoDisk returns the reason why there can be no disk here, or "".
func whyNoDisk() string {
	if os.Geteuid() != 0 {
		return "mounting needs root"
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return "no FUSE here: " + err.Error()
	}
	_ = f.Close()
	dir, err := os.MkdirTemp(scratch(), "allocstore-powercut-*")
	if err == nil {
		err = errors.Join(mayMount(dir), os.Remove(dir))
	}
	if err != nil {
		return "mounting is not allowed: " + err.Error()
	}
	return ""
}

// mayMount returns nil if dir can be mounted on.
func mayMount(dir string) error {
	if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		return err
	}
	return syscall.Unmount(dir, 0)
}

// scratch is the directory for throw-away files, in memory if possible.
func scratch() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// startDisk mounts a disk. It goes away when it is closed, or with this process.
func startDisk() (_ *disk, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d := new(disk)
	if d.dir, err = os.MkdirTemp(scratch(), "allocstore-powercut-disk-*"); err != nil {
		return nil, err
	}
	err = errors.Join(os.Mkdir(mountPoint(d.dir), 0o700), os.Mkdir(backing(d.dir), 0o700))
	if err == nil {
		err = d.start(self)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// start starts the process, and waits until it has mounted.
func (d *disk) start(self string) error {
	d.cmd = exec.Command(self)
	d.cmd.Env = append(os.Environ(), serveVariable+"="+d.dir)
	d.cmd.Stderr = &d.stderr
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // interrupts are for this process, and the other ends with it
	in, err := d.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.cmd.Start(); err != nil {
		return err
	}
	d.client = rpc.NewClient(pipes{out, in})
	return d.begin(Fault{})
}

// pipes is the connection to the process.
type pipes struct {
	io.ReadCloser
	in io.WriteCloser
}

// Write implements io.Writer.
func (p pipes) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close implements io.Closer. The other side ends when it has nothing to read.
func (p pipes) Close() error { return errors.Join(p.in.Close(), p.ReadCloser.Close()) }

// close ends the process, which unmounts, and unmounts if the process has died.
func (d *disk) close() error {
	var err error
	if d.client != nil {
		_ = d.client.Close()
		err = d.cmd.Wait()
	}
	_ = syscall.Unmount(mountPoint(d.dir), syscall.MNT_DETACH) // mostly not mounted any more
	if err != nil {
		err = fmt.Errorf("file system: %w: %s", err, &d.stderr)
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

// newDir returns a new and empty directory on the disk.
func (d *disk) newDir() (string, error) {
	d.dirs++
	dir := filepath.Join(mountPoint(d.dir), strconv.Itoa(d.dirs))
	return dir, os.Mkdir(dir, 0o700)
}

func (d *disk) call(method string, args, reply any) error {
	if err := d.client.Call("Disk."+method, args, reply); err != nil {
		return fmt.Errorf("file system: %s: %w: %s", method, err, &d.stderr)
	}
	return nil
}

// begin starts a new record, with a fault.
func (d *disk) begin(f Fault) error { return d.call("Begin", f, new(struct{})) }

// fail sets the fault from now on.
func (d *disk) fail(f Fault) error { return d.call("Fail", f, new(struct{})) }

// repair ends the fault.
func (d *disk) repair() error { return d.fail(Fault{}) }

// note records that index was acknowledged.
func (d *disk) note(index uint64) error { return d.call("Note", index, new(struct{})) }

// shown records that a reader has seen index.
func (d *disk) shown(index uint64) error { return d.call("Shown", index, new(struct{})) }

// recorded returns the record so far.
func (d *disk) recorded() (r Record, err error) {
	err = d.call("Recorded", struct{}{}, &r)
	return r, err
}
