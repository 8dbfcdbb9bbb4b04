package ctxio_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"allocstore/store/internal/ctxio"
)

func TestReaderReadsAll(t *testing.T) {
	t.Parallel()
	r := ctxio.NewReader(t.Context(), strings.NewReader("all"))
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "all", string(text))
	require.NoError(t, r.Close())
}

// TestContextEndsReader has a read block when the context ends, and the source return later.
func TestContextEndsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, to := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		r := ctxio.NewReader(ctx, source)
		failed := make(chan error)
		go func() {
			_, err := io.ReadAll(r)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-failed, context.Canceled)
		_, err := r.Read(make([]byte, 1))
		require.ErrorIs(t, err, context.Canceled, "also later reads")
		require.NoError(t, r.Close())
		require.NoError(t, to.Close()) // or else the goroutine that reads the source would stay
	})
}

// TestCloseEndsReader closes a Reader before its end: the goroutine ends with the next read.
func TestCloseEndsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, to := io.Pipe()
		r := ctxio.NewReader(t.Context(), source)
		require.NoError(t, r.Close())
		_, err := io.WriteString(to, "x")
		require.NoError(t, err)
		_, err = r.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
}
