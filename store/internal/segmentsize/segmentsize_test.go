package segmentsize

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSet(t *testing.T) {
	require.Zero(t, Get(), "programs never set it")
	Set(4096)
	require.Equal(t, 4096, Get())
	Set(0)
	require.Zero(t, Get())
}
