package schema

import (
	"fmt"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
)

// maxEncoded bounds the bytes of one allocation in DecodeMsgpack. The library by itself follows
// any length and any depth that the stream claims.
const maxEncoded = 64 << 20

var (
	_ msgpack.CustomEncoder = (*Allocation)(nil)
	_ msgpack.CustomDecoder = (*Allocation)(nil)
)

// EncodeMsgpack writes a in the form of [Codec.AppendAllocation]. With it, msgpack.Marshal
// takes an *Allocation.
func (a *Allocation) EncodeMsgpack(enc *msgpack.Encoder) error {
	_, err := enc.Writer().Write(appendAllocation(nil, a))
	return err
}

// DecodeMsgpack sets a to the next allocation that dec reads, of at most 64 MiB.
func (a *Allocation) DecodeMsgpack(dec *msgpack.Decoder) error {
	raw, err := readRaw(dec)
	if err != nil {
		return fmt.Errorf("allocation: %w", err)
	}
	decoded, err := decodeAllocation(string(raw))
	if err != nil {
		return err
	}
	*a = *decoded
	return nil
}

// readRaw reads the bytes of one value. It does not recurse, as skip does not, and allocates
// memory only for bytes that have arrived.
func readRaw(dec *msgpack.Decoder) (raw []byte, err error) {
	for pending := uint64(1); pending > 0; pending-- {
		at := len(raw)
		if raw, err = readBytes(dec, raw, 1); err != nil {
			return nil, err
		}
		if raw, err = readBytes(dec, raw, int(heads[raw[at]].lenBytes)); err != nil {
			return nil, err
		}
		head := reader{src: string(raw[at:])}
		size, values, ok := head.head()
		if !ok {
			return nil, fmt.Errorf("%w: offset %d: want a value, found code %#02x", ErrMalformed, at, raw[at])
		}
		pending += values
		if size+pending > uint64(maxEncoded-len(raw)) {
			return nil, fmt.Errorf("%w: offset %d: more than %d bytes", ErrMalformed, len(raw), maxEncoded)
		}
		if raw, err = readBytes(dec, raw, int(size)); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// readBytes appends the next size bytes to raw.
func readBytes(dec *msgpack.Decoder, raw []byte, size int) ([]byte, error) {
	for size > 0 {
		at, chunk := len(raw), min(size, 64<<10)
		raw = slices.Grow(raw, chunk)[:at+chunk]
		if err := dec.ReadFull(raw[at:]); err != nil {
			return nil, err
		}
		size -= chunk
	}
	return raw, nil
}
