package main

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// serveVariable names the directory of the file system that this process serves; without
// it the process is the harness. They must be two processes: one that maps a file of its own
// file system blocks for ever, when a page is read while the garbage collector waits for its
// threads.
const serveVariable = "ALLOCSTORE_POWERCUT_SERVE"

// serveIfAsked serves the file system if the environment asks for it.
func serveIfAsked() (asked bool, err error) {
	dir := os.Getenv(serveVariable)
	if dir == "" {
		return false, nil
	}
	return true, serve(dir, stdio{os.Stdin, os.Stdout})
}

// stdio is the connection to the process that started this one.
type stdio struct {
	io.ReadCloser
	io.Writer
}

// The directories below a disk's.
func mountPoint(dir string) string { return filepath.Join(dir, "mount") }
func backing(dir string) string    { return filepath.Join(dir, "backing") }

// serve mounts the file system and answers calls over conn, until conn ends with the other
// process. Then it unmounts, and removes the directory.
func serve(dir string, conn io.ReadWriteCloser) error {
	r := newRecorder()
	root, err := newRoot(backing(dir), r)
	if err != nil {
		return err
	}
	server, err := fs.Mount(mountPoint(dir), root, &fs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, FsName: "powercut", Name: "powercut",
	}})
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	asked := rpc.NewServer()
	if err = asked.Register(&Disk{r}); err == nil {
		asked.ServeConn(conn)
	}
	return errors.Join(err, unmount(server, dir))
}

// retry tries for about a second to unmount a file system that may be busy.
func retry(unmount func() error) error {
	err := unmount()
	for tries := 0; err != nil && tries < 50; tries++ {
		time.Sleep(20 * time.Millisecond)
		err = unmount()
	}
	return err
}

// unmount unmounts the file system, at once if possible, else after its last use.
func unmount(server *fuse.Server, dir string) error {
	err := retry(server.Unmount)
	if err != nil {
		err = syscall.Unmount(mountPoint(dir), syscall.MNT_DETACH)
	}
	return errors.Join(err, os.RemoveAll(dir))
}
