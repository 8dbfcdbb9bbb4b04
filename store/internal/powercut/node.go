package main

import (
	"context"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A node is a file or a directory. It passes on all operations to the one behind it, and
// records those that change it.
type node struct {
	fs.LoopbackNode
	r *recorder
}

// newRoot returns the root of a file system that shows the directory at path.
func newRoot(path string, r *recorder) (fs.InodeEmbedder, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return nil, err
	}
	data := &fs.LoopbackRoot{Path: path, Dev: uint64(st.Dev)}
	root := &node{fs.LoopbackNode{RootData: data}, r}
	data.RootNode = root
	return root, nil
}

// WrapChild implements fs.NodeWrapChilder: all below n is recorded too.
func (n *node) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{fs.LoopbackNode{RootData: n.RootData}, n.r}
}

// file returns the number of the file. The caller holds the recorder's lock.
func (n *node) file() int { return n.r.number(n.StableAttr()) }

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (in *fs.Inode, fh fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	op := Op{Kind: OpCreate, Name: name}
	errno = n.r.do(&op, func() (errno syscall.Errno) {
		op.Dir = n.file()
		if in, fh, fuseFlags, errno = n.LoopbackNode.Create(ctx, name, flags, mode, out); errno == 0 {
			op.File = n.r.number(in.StableAttr())
		}
		return errno
	})
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return in, n.wrap(in, fh), fuseFlags, 0
}

// Open implements fs.NodeOpener.
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fh, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return n.wrap(n.EmbeddedInode(), fh), fuseFlags, 0
}

// wrap has the writes to the open file recorded.
func (n *node) wrap(of *fs.Inode, fh fs.FileHandle) fs.FileHandle {
	f, ok := fh.(*fs.LoopbackFile)
	if !ok {
		return fh
	}
	return &handle{f, of, n.r}
}

// Rename implements fs.NodeRenamer. Names stay in their directory.
func (n *node) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	if parent.EmbeddedInode() != n.EmbeddedInode() {
		return syscall.EXDEV
	}
	op := Op{Kind: OpRename, Name: name, To: to}
	return n.r.do(&op, func() syscall.Errno {
		op.Dir = n.file()
		return n.LoopbackNode.Rename(ctx, name, parent, to, flags)
	})
}

// Link implements fs.NodeLinker.
func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, to string, out *fuse.EntryOut) (in *fs.Inode, errno syscall.Errno) {
	op := Op{Kind: OpLink, To: to}
	errno = n.r.do(&op, func() (errno syscall.Errno) {
		op.Dir = n.file()
		op.File = n.r.number(target.EmbeddedInode().StableAttr())
		in, errno = n.LoopbackNode.Link(ctx, target, to, out)
		return errno
	})
	return in, errno
}

// Unlink implements fs.NodeUnlinker.
func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	op := Op{Kind: OpUnlink, Name: name}
	return n.r.do(&op, func() syscall.Errno {
		op.Dir = n.file()
		return n.LoopbackNode.Unlink(ctx, name)
	})
}

// Mkdir implements fs.NodeMkdirer.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (in *fs.Inode, errno syscall.Errno) {
	op := Op{Kind: OpMkdir, Name: name}
	errno = n.r.do(&op, func() (errno syscall.Errno) {
		op.Dir = n.file()
		if in, errno = n.LoopbackNode.Mkdir(ctx, name, mode, out); errno == 0 {
			op.File = n.r.number(in.StableAttr())
		}
		return errno
	})
	if errno != 0 {
		return nil, errno
	}
	return in, 0
}

// Rmdir implements fs.NodeRmdirer.
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	op := Op{Kind: OpRmdir, Name: name}
	return n.r.do(&op, func() syscall.Errno {
		op.Dir = n.file()
		return n.LoopbackNode.Rmdir(ctx, name)
	})
}

// Setattr implements fs.NodeSetattrer.
func (n *node) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if h, ok := fh.(*handle); ok {
		fh = h.f
	}
	set := func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, fh, in, out) }
	size, ok := in.GetSize()
	if !ok {
		return set()
	}
	op := Op{Kind: OpTruncate, At: int64(size), File: n.r.numberOf(n.StableAttr())}
	return n.r.do(&op, set)
}

// OpendirHandle implements fs.NodeOpendirHandler.
func (n *node) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fh, fuseFlags, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if d, ok := fh.(dirHandle); ok && errno == 0 {
		fh = &openDir{d, n}
	}
	return fh, fuseFlags, errno
}

// dirHandle is the used part of an open directory.
type dirHandle interface {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
}

// openDir is an open directory whose syncs are recorded.
type openDir struct {
	dirHandle
	n *node
}

// Fsyncdir implements fs.FileFsyncdirer.
func (d *openDir) Fsyncdir(context.Context, uint32) syscall.Errno {
	return d.n.r.sync(&Op{Kind: OpSyncDir}, d.n.StableAttr())
}

// sync only logs a sync: the device works out its effect.
func (r *recorder) sync(op *Op, attr fs.StableAttr) syscall.Errno {
	op.File = r.numberOf(attr)
	return r.do(op, func() syscall.Errno { return 0 })
}

// A handle is an open file. It does not embed the file behind it: the kernel would be given
// that one, and bypass the handle.
type handle struct {
	f  *fs.LoopbackFile
	of *fs.Inode
	r  *recorder
}

// Read implements fs.FileReader.
func (h *handle) Read(ctx context.Context, to []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	return h.f.Read(ctx, to, at)
}

// Write implements fs.FileWriter.
func (h *handle) Write(ctx context.Context, data []byte, at int64) (n uint32, errno syscall.Errno) {
	op := Op{Kind: OpWrite, At: at, Data: slices.Clone(data), File: h.r.numberOf(h.of.StableAttr())}
	errno = h.r.do(&op, func() (errno syscall.Errno) {
		n, errno = h.f.Write(ctx, data, at)
		op.Data = op.Data[:n]
		return errno
	})
	return n, errno
}

// Fsync implements fs.FileFsyncer.
func (h *handle) Fsync(_ context.Context, flags uint32) syscall.Errno {
	return h.r.sync(&Op{Kind: OpSync, DataOnly: flags&1 != 0}, h.of.StableAttr())
}

// Getattr implements fs.FileGetattrer.
func (h *handle) Getattr(ctx context.Context, out *fuse.AttrOut) syscall.Errno {
	return h.f.Getattr(ctx, out)
}

// Flush implements fs.FileFlusher.
func (h *handle) Flush(ctx context.Context) syscall.Errno { return h.f.Flush(ctx) }

// Release implements fs.FileReleaser.
func (h *handle) Release(ctx context.Context) syscall.Errno { return h.f.Release(ctx) }
