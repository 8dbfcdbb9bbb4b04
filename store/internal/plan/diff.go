package plan

// same reports whether two parts are equal: by checksum first, then by bytes. An empty was
// stands for the stored part, and an empty now equals only an empty was.
func (d *draft) same(now, was Part, of side) (bool, error) {
	if now.Body == "" {
		return was.Body == "", nil
	}
	if was.Body != "" || d.created {
		return now.Body == was.Body, nil
	}
	if now.sum != [...]uint32{schedSide: d.base.SchedSum, clientSide: d.base.ClientSum}[of] {
		return false, nil
	}
	stored, err := d.stored(of)
	return stored == now.Body, err
}

// differs reports which parts are to be written: neither if the content is the same as before
// the batch.
//
// The part that is written decides which index moves. It is the scheduler's part if a
// scheduler's write changed anything, even if the batch changed it back. Otherwise it is
// the client's part, which also carries a NextAllocation that the placement of another
// allocation has set.
func (d *draft) differs() (sched, client bool, err error) {
	if d.created {
		return true, true, nil
	}
	var same [2]bool
	for of, now := range d.parts {
		if same[of], err = d.same(now, Part{}, side(of)); err != nil {
			return false, false, err
		}
	}
	if same[clientSide] && same[schedSide] && d.job == d.base.Job && d.next == d.baseNext {
		return false, false, nil
	}
	return d.wrote, !same[clientSide] || !d.wrote, nil
}
