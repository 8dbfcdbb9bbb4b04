package lists

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// TestSearch compares with a binary search, in IDs that are spread evenly and in ones that are not.
// Each search looks at no more than 18 of at most 256 IDs, and on average at less than 5 if they
// are spread evenly.
func TestSearch(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	spread := map[string]func() schema.ID{
		"evenly": func() schema.ID { return randomIDs(r, 1, false)[0] },
		"at the end": func() schema.ID {
			id := schema.ID{0: 0xff, 1: 0xff, 7: byte(r.Uint32()), 15: byte(r.Uint32())}
			if r.IntN(100) == 0 {
				id[0] = 0
			}
			return id
		},
		"in the last bytes": func() schema.ID { return schema.ID{14: byte(r.Uint32()), 15: byte(r.Uint32())} },
		"by halves": func() (id schema.ID) {
			id[r.IntN(16)] = 1 << r.IntN(8)
			return id
		},
	}
	for name, next := range spread {
		total, searches := 0, 0
		for range 2000 {
			ids := make([]schema.ID, 2+r.IntN(255))
			for i := range ids {
				ids[i] = next()
			}
			slices.SortFunc(ids, schema.ID.Compare)
			ids = slices.Compact(ids)
			last := len(ids) - 1
			id := next()
			if id.Compare(ids[0]) <= 0 || id.Compare(ids[last]) > 0 {
				continue
			}
			looks := 0
			of := func(i int) *schema.ID { looks++; return &ids[i] }
			want, _ := slices.BinarySearchFunc(ids, id, schema.ID.Compare)
			require.Equal(t, want, search(last, of, &ids[0], &ids[last], &id), fmt.Sprintf("%s: %v in %v", name, id, ids))
			require.LessOrEqual(t, looks, 18, "%s: %d IDs", name, len(ids))
			total, searches = total+looks, searches+1
		}
		if name == "evenly" {
			require.Less(t, total, 5*searches, "looks for each search; a binary search makes 7")
		}
	}
}
