package ctxio

import (
	"context"
	"io"
)

// A Reader is an io.Reader that a context ends.
type Reader struct {
	*io.PipeReader
	forget func() bool
}

// NewReader returns a Reader of r. Once ctx has ended, its reads return ctx's error, even
// while a read of r blocks, such as one of a terminal. Close must be called; it does not
// close r, and a goroutine stays until the last read of r returns.
func NewReader(ctx context.Context, r io.Reader) *Reader {
	from, to := io.Pipe()
	go func() {
		_, err := io.Copy(to, r)
		_ = to.CloseWithError(err)
	}()
	return &Reader{from, context.AfterFunc(ctx, func() { _ = to.CloseWithError(ctx.Err()) })}
}

// Close ends the Reader.
func (r *Reader) Close() error {
	r.forget()
	return r.PipeReader.Close()
}
