package store

import (
	"allocstore/schema"
	"allocstore/store/internal/state"
)

// Get returns the allocation. The ID may be in either case.
//
// The allocation is shared with all its readers and must not be changed; see
// (*schema.Allocation).Clone. It never changes either: a later write makes a new one. Get
// blocks, and allocates memory, only when it has to read the file: if the allocation was
// not read since it was last written, or was dropped because of Options.ResidentBytes.
//
// Errors: ErrNotFound; ErrInvalidID; ErrClosed; ErrCorrupt if the allocation is
// quarantined, or the file is found to be damaged; ErrMutated.
func (s *Store) Get(id string) (*schema.Allocation, error) {
	parsed, err := schema.ParseID(id)
	if err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	v, a := s.state.Load().Table.Resident(&parsed)
	switch {
	case a == nil && (v == nil || v.Tombstone()):
		return nil, notFound(parsed)
	case a == nil:
		a, err = s.read(parsed)
	default:
		s.hit()
	}
	if s.mutations != nil {
		return s.handOut(a, err)
	}
	return a, err
}

// read returns the newest allocation of id from the file. It is a registered reader
// meanwhile, so compaction keeps the version that it finds. If the read fails because the
// store was restored, which closes the old file, it reads again.
func (s *Store) read(id schema.ID) (*schema.Allocation, error) {
	for {
		st, at := s.enter()
		a, err := s.newest(st, id)
		s.readers.Leave(at)
		if err == nil || s.state.Load() == st {
			return a, err
		}
	}
}

// newest returns the newest allocation of id in a state.
func (s *Store) newest(st *state.State, id schema.ID) (*schema.Allocation, error) {
	v := st.Table.Get(&id)
	if v == nil || v.Tombstone() {
		return nil, notFound(id)
	}
	return s.decode(st, id, v)
}
