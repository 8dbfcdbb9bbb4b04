package schema

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// idPattern is the oracle for ParseID.
var idPattern = regexp.MustCompile(`\A[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\z`)

func TestParseIDAgainstPattern(t *testing.T) {
	t.Parallel()
	const good = "203266e5-E0d6-9486-5e05-397ed2B184af"
	check := func(s string) {
		id, err := ParseID(s)
		if !idPattern.MatchString(s) {
			require.ErrorIs(t, err, ErrInvalidID, "%q is not an ID", s)
			return
		}
		require.NoError(t, err, "%q is an ID", s)
		require.Equal(t, strings.ToLower(s), id.String(), "an ID prints in lower case")
	}
	check(good)
	check("")
	check(good + "0")
	for at := range len(good) {
		check(good[:at])
		check(good[:at] + good[at+1:])
		for b := range 256 {
			check(good[:at] + string([]byte{byte(b)}) + good[at+1:])
		}
	}
}

func TestIDOrderIsTextOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	ids := make([]ID, 1000)
	for i := range ids {
		for b := range ids[i] {
			ids[i][b] = byte(r.UintN(4)) << r.UintN(7)
		}
	}
	slices.SortFunc(ids, ID.Compare)
	require.True(t, slices.IsSortedFunc(ids, func(a, b ID) int { return strings.Compare(a.String(), b.String()) }))
}

func TestIDRangeAgainstPrefix(t *testing.T) {
	t.Parallel()
	const text = "203266e5-e0d6-9486-5e05-397ed2b184af"
	ids := []string{text, "203266e5-e0d6-9486-5e05-397ed2b184b0", "203266e4-ffff-ffff-ffff-ffffffffffff", "303266e5-e0d6-9486-5e05-397ed2b184af"}
	for n := range len(text) + 1 {
		for _, prefix := range []string{text[:n], strings.ToUpper(text[:n])} {
			low, high, err := IDRange(prefix)
			require.NoError(t, err, "prefix %q", prefix)
			for _, s := range ids {
				id, err := ParseID(s)
				require.NoError(t, err)
				within := low.Compare(id) <= 0 && id.Compare(high) <= 0
				require.Equal(t, strings.HasPrefix(s, text[:n]), within, "%s under prefix %q", s, prefix)
			}
		}
	}
	for _, bad := range []string{"x", "203266e5e", "203266e5-e0d6-9486-5e05-397ed2b184af0", "-", "2032_"} {
		_, _, err := IDRange(bad)
		require.ErrorIs(t, err, ErrInvalidID, "prefix %q", bad)
	}
}

func BenchmarkParseID(b *testing.B) {
	for b.Loop() {
		if _, err := ParseID("203266e5-e0d6-9486-5e05-397ed2b184af"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNewID looks at many IDs: each is canonical, of version 4 and of the variant of RFC 9562, and every
// other bit takes both values.
func TestNewID(t *testing.T) {
	seen := make(map[string]bool)
	var ones, zeros ID
	for range 1000 {
		text := NewID()
		require.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", text)
		require.False(t, seen[text], "twice: %s", text)
		seen[text] = true
		id, err := ParseID(text)
		require.NoError(t, err)
		require.Equal(t, text, id.String())
		for i, b := range id {
			ones[i] |= b
			zeros[i] |= ^b
		}
	}
	for i := range ones {
		random := byte(0xff)
		switch i {
		case 6:
			random = 0x0f // beside the version
		case 8:
			random = 0x3f // beside the variant
		}
		require.Equal(t, random, ones[i]&zeros[i], "byte %d", i)
	}
}

// TestParseIDAgainstTable compares with a parser that goes digit by digit, on texts of which a byte or
// two are anything.
func TestParseIDAgainstTable(t *testing.T) {
	t.Parallel()
	digit := func(c byte) (byte, bool) {
		at := strings.IndexByte("0123456789abcdef", c|0x20)
		return byte(at), at >= 0 && (c >= '0' && c <= '9' || c >= 'A')
	}
	oracle := func(s string) (id ID, ok bool) {
		for i, at := range textAt {
			hi, isHi := digit(s[at])
			lo, isLo := digit(s[at+1])
			if !isHi || !isLo {
				return ID{}, false
			}
			id[i] = hi<<4 | lo
		}
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return ID{}, false
		}
		return id, true
	}
	r := seeded(t)
	for range 8 {
		valid := []byte(NewID())
		for at := range valid {
			for c := range 256 {
				text := slices.Clone(valid)
				text[at] = byte(c)
				if r.IntN(4) == 0 {
					text[r.IntN(len(text))] = byte(r.IntN(256))
				}
				want, ok := oracle(string(text))
				id, err := ParseID(string(text))
				require.Equal(t, ok, err == nil, "%q", text)
				require.Equal(t, want, id, "%q", text)
			}
		}
	}
}
