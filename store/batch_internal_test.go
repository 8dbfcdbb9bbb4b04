package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestEventsShareTheBatchMemory appends events to a batch whose memory is full. Their sizes are
// determined without copying the batch for each.
func TestEventsShareTheBatchMemory(t *testing.T) {
	b := new(Batch)
	b.bytes = make([]byte, 1<<20)
	event := schema.TaskEvent{Type: schema.TaskStarted, Time: 1}
	b.AppendTaskEvent(testAlloc(1).ID, "web", "running", event)
	grown := cap(b.bytes)
	for range 100 {
		b.AppendTaskEvent(testAlloc(1).ID, "web", "running", event)
	}
	require.Greater(t, grown, 1<<20, "the first event grows it")
	require.Equal(t, grown, cap(b.bytes), "and the next ones fit")
	require.Len(t, b.bytes, 1<<20)
}
