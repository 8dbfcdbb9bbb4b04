package lists

import (
	"math/rand/v2"

	"allocstore/schema"
)

func randomIDs(r *rand.Rand, n int, sequential bool) []schema.ID {
	ids := make([]schema.ID, n)
	for i := range ids {
		if sequential {
			ids[i] = schema.ID{14: byte(i >> 8), 15: byte(i)}
			continue
		}
		for k := range ids[i] {
			ids[i][k] = byte(r.Uint32())
		}
	}
	return ids
}
