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

// serveVariable names the directory in which this program is to serve the file
// system instead of what it does otherwise. It has to be another process: one that
// maps a file which it serves itself stops for good, when a page is to be read while
// the collector waits for its threads.
const serveVariable = "ALLOCSTORE_POWERCUT_SERVE"

// serveIfAsked serves the file system if that is what this process is for.
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

// The directories below the one that a disk is in.
func mountPoint(dir string) string { return filepath.Join(dir, "mount") }
func behind(dir string) string     { return filepath.Join(dir, "behind") }

// serve mounts the file system and answers what is asked over conn, until that ends
// because the other process does. Then it unmounts, and removes all of it.
func serve(dir string, conn io.ReadWriteCloser) error {
	r := newRecorder()
	root, err := newRoot(behind(dir), r)
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

// insist tries to unmount what may be busy for a moment, for about a second.
func insist(unmount func() error) error {
	err := unmount()
	for tries := 0; err != nil && tries < 50; tries++ {
		time.Sleep(20 * time.Millisecond)
		err = unmount()
	}
	return err
}

// unmount takes the file system away, at once if that can be, or else once nobody
// uses it any more.
func unmount(server *fuse.Server, dir string) error {
	err := insist(server.Unmount)
	if err != nil {
		err = syscall.Unmount(mountPoint(dir), syscall.MNT_DETACH)
	}
	return errors.Join(err, os.RemoveAll(dir))
}
