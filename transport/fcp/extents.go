package fcp

// maxExtents is how many parts of a transfer may be there beyond the first hole: what would make more is thrown away, and asked for
// again.
const maxExtents = 32

// An extent is a part of a transfer, in bytes from its beginning.
type extent struct{ from, to int64 }

// extents are the parts of a transfer that are there. The zero value is nothing.
type extents struct {
	to   int64 // everything before it is there
	n    int
	more [maxExtents]extent // beyond it, in order; none touches another
}

// reset makes e the first bytes of a transfer.
func (e *extents) reset(to int64) { e.to, e.n = to, 0 }

// gap is the first part of from..to that is not there; it is empty if there is none.
func (e *extents) gap(from, to int64) extent {
	from = max(from, e.to)
	for i := range e.more[:e.n] {
		x := &e.more[i]
		if from < x.from {
			to = min(to, x.from)
			break
		}
		from = max(from, x.to)
	}
	return extent{from, max(from, to)}
}

// empty reports that there is nothing in it.
func (x extent) empty() bool { return x.from >= x.to }

// add notes g, all of which lay in a gap. false: there is no room for it.
func (e *extents) add(g extent) bool {
	if g.from == e.to {
		e.to = g.to
		if e.n > 0 && e.more[0].from == e.to {
			e.to = e.more[0].to
			e.remove(0)
		}
		return true
	}
	i := 0 // the first behind g
	for i < e.n && e.more[i].from < g.to {
		i++
	}
	before := i > 0 && e.more[i-1].to == g.from
	behind := i < e.n && e.more[i].from == g.to
	switch {
	case before && behind:
		e.more[i-1].to = e.more[i].to
		e.remove(i)
	case before:
		e.more[i-1].to = g.to
	case behind:
		e.more[i].from = g.from
	case e.n == maxExtents:
		return false
	default:
		copy(e.more[i+1:e.n+1], e.more[i:e.n])
		e.more[i] = g
		e.n++
	}
	return true
}

// remove takes out more[i].
func (e *extents) remove(i int) {
	copy(e.more[i:e.n-1], e.more[i+1:e.n])
	e.n--
}
