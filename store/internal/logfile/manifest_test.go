package logfile

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/index"
)

// FuzzManifest reads a meta bucket of any values. One that is accepted has indexes in order,
// and its sum verifies only if it is the one stored.
func FuzzManifest(f *testing.F) {
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	m := Manifest{Sum: 5, Last: 9, Floor: 7, Restored: 3}
	f.Add([]byte{0, 0, 0, 2}, number(9), number(7), number(3), number(100), binary.BigEndian.AppendUint64(nil, m.TotalIn(77)), uint64(5), uint64(77))
	f.Add([]byte{0, 0, 0, 1}, number(1), []byte{}, []byte{}, []byte{}, []byte{}, uint64(0), uint64(1))
	f.Fuzz(func(t *testing.T, format, last, floor, restored, ids, sum []byte, content, txid uint64) {
		stored, err := parseManifest(map[string][]byte{string(formatKey): format, string(indexKey): last, string(floorKey): floor, string(restoredKey): restored, string(idsKey): ids, string(sumKey): sum})
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, stored.Last, max(stored.Floor, stored.Restored, index.Created))
		stored.Sum.Add(content)
		err = stored.Verify(txid)
		want := stored.Total()
		if stored.SumHasTxid {
			want = stored.TotalIn(txid)
		}
		if len(sum) > 0 || stored.SumHasTxid {
			require.Equal(t, string(number(want)) == string(sum), err == nil)
		}
	})
}
