package record

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"allocstore/schema"
)

// randomVisible returns random content with small indexes, as stores have.
func randomVisible(r *rand.Rand) Visible {
	v := Visible{
		HasNext: true, Created: r.Uint64N(9), Scheduled: r.Uint64N(9), Modified: r.Uint64N(9),
		SchedSum: r.Uint32(), ClientSum: r.Uint32(),
	}
	for _, b := range [][]byte{v.ID[:], v.Next[:], v.Job[:]} {
		binary.LittleEndian.PutUint64(b, r.Uint64())
		binary.LittleEndian.PutUint64(b[8:], r.Uint64())
	}
	return v
}

// TestDigestNumberHasEveryField changes every bit of every field, one at a time.
func TestDigestNumberHasEveryField(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		was := randomVisible(r)
		numbers := map[uint64]string{was.DigestNumber(): "none"}
		is := was
		fields := reflect.ValueOf(&is).Elem()
		note := func(name string) {
			n := is.DigestNumber()
			require.Empty(t, numbers[n], "%s has the number of another change", name)
			numbers[n] = name
			is = was
		}
		for i := range fields.NumField() {
			name := fields.Type().Field(i).Name
			switch f := fields.Field(i); f.Kind() {
			case reflect.Bool:
				f.SetBool(!f.Bool())
				note(name)
			case reflect.Array:
				for bit := range 8 * f.Len() {
					b := f.Index(bit / 8)
					b.SetUint(b.Uint() ^ 1<<(bit%8))
					note(name)
				}
			default:
				for bit := range f.Type().Bits() {
					f.SetUint(f.Uint() ^ 1<<bit)
					note(name)
				}
			}
		}
	}
}

// TestDigestNumbersDoNotCancel exchanges content between two allocations, or between two fields of
// one. The sum must change.
func TestDigestNumbersDoNotCancel(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 6))
	for range 100 {
		a, b := randomVisible(r), randomVisible(r)
		b.Created = a.Created + 1 + r.Uint64N(9)
		sum := a.DigestNumber() + b.DigestNumber()
		exchanged := func(name string, exchange func(a, b *Visible)) {
			a, b := a, b
			exchange(&a, &b)
			require.NotEqual(t, sum, a.DigestNumber()+b.DigestNumber(), name)
		}
		exchanged("ID", func(a, b *Visible) { a.ID, b.ID = b.ID, a.ID })
		exchanged("CreateIndex", func(a, b *Visible) { a.Created, b.Created = b.Created, a.Created })
		exchanged("client's part", func(a, b *Visible) { a.ClientSum, b.ClientSum = b.ClientSum, a.ClientSum })
		exchanged("job", func(a, b *Visible) { a.Job, b.Job = b.Job, a.Job })
		exchanged("next", func(a, b *Visible) { a.Next, b.Next = b.Next, a.Next })
		exchanged("parts of one", func(a, _ *Visible) { a.SchedSum, a.ClientSum = a.ClientSum, a.SchedSum })
		exchanged("ID and next of one", func(a, _ *Visible) { a.ID, a.Next = a.Next, a.ID })
		exchanged("halves of an ID", func(a, _ *Visible) {
			copy(a.ID[:], append(append([]byte(nil), a.ID[8:]...), a.ID[:8]...))
		})
	}
	none, zero := Visible{}, Visible{HasNext: true, Next: schema.ID{}}
	require.NotEqual(t, none.DigestNumber(), zero.DigestNumber(), "the ID of zeros is one")
}

func BenchmarkDigestNumber(b *testing.B) {
	v, sum := randomVisible(rand.New(rand.NewPCG(7, 7))), uint64(0)
	for b.Loop() {
		v.Modified++
		sum += v.DigestNumber()
	}
	require.NotZero(b, sum)
}
