package mutation

import (
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// handOut is the caller that a receiver leaves out.
func handOut(m *Detector, a *schema.Allocation) error { return m.HandOut(a) }

func alloc() *schema.Allocation {
	return &schema.Allocation{ID: schema.ID{1}.String(), ModifyIndex: 7, Job: &schema.Job{ID: "job"}}
}

// TestHandOut changes an allocation between two readers. The second one gets the error, once.
func TestHandOut(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*schema.Allocation){
		"the allocation": func(a *schema.Allocation) { a.Name = "changed" },
		"its job":        func(a *schema.Allocation) { a.Job.Priority++ },
		"a content that cannot be encoded": func(a *schema.Allocation) {
			a.TaskStates = map[string]*schema.TaskState{"task": nil}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, a := New(), alloc()
			require.NoError(t, handOut(m, a))
			require.NoError(t, handOut(m, a), "no change")
			change(a)
			err := handOut(m, a)
			require.ErrorIs(t, err, ErrMutated)
			require.ErrorContains(t, err, a.ID+" at index 7")
			require.NoError(t, handOut(m, a), "a change is reported once")
			require.NoError(t, m.Found())
		})
	}
}

// TestReceiver hands out an allocation within the packages of the store. The receiver is the
// first function outside of them.
func TestReceiver(t *testing.T) {
	t.Parallel()
	m, a := New(), alloc()
	require.NoError(t, func() error { return handOut(m, a) }())
	a.Name = "changed"
	require.ErrorContains(t, m.Found(), "received first by testing.tRunner (")
	require.Regexp(t, `/store\.$`, storeFunctions)
	require.Regexp(t, `/store/internal/$`, partFunctions)
}

// TestFound changes the oldest allocation, which more than the kept number follow. The error is
// kept until Found returns it.
func TestFound(t *testing.T) {
	t.Parallel()
	m, oldest := New(), alloc()
	require.NoError(t, handOut(m, oldest))
	oldest.Name = "changed"
	for range keptHanded {
		require.NoError(t, handOut(m, alloc()))
	}
	require.Len(t, m.mu.handed, keptHanded)
	require.Len(t, m.mu.order, keptHanded)
	require.ErrorIs(t, m.Found(), ErrMutated)
	require.NoError(t, m.Found(), "a change is reported once")
	require.NoError(t, (*Detector)(nil).Found())
}
