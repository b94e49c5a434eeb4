package target

import "github.com/lunette-io/lunette/buffer"

// A loan is where the data is that came along with a command (Task.First). The transport lends
// it until Channel.Execute returns; what has not been used by then is retained in a copy, so
// that the transport can use its memory for what comes next. Task.loan says which it is.
const (
	none      uint32 = iota // nothing came along, or it is not needed any more
	lent                    // it lies in the transport's memory
	retaining               // it is being copied
	retained                // it lies in Task.retained
	lost                    // there was no memory to retain it
)

// takeFirst copies what of First lies at off to the beginning of into, and returns how much it
// was.
func (t *Task) takeFirst(off int64, into *buffer.Lease) (int64, error) {
	if t.firstLen <= off {
		return 0, nil
	}
	t.mu.Lock() // retain waits for the copy
	defer t.mu.Unlock()
	from := &t.First
	switch t.loan.Load() {
	case none:
		return 0, nil
	case lost:
		return 0, buffer.ErrExhausted
	case retained:
		from = t.retained
	}
	n := min(into.Len(), t.firstLen-off)
	copyLease(into, from, off, n)
	t.taken.Store(max(t.taken.Load(), off+n))
	t.channel.copied.Add(n)
	return n, nil
}

// copyLease copies n bytes at off of from to the beginning of into.
func copyLease(into, from *buffer.Lease, off, n int64) {
	for done := int64(0); done < n; {
		p := from.At(off + done)
		p = p[:min(int64(len(p)), n-done)]
		done += int64(into.Copy(done, p))
	}
}

// retain ends the transport's loan: what is still needed of First is copied, and First is that
// copy then. It reports false if there is no memory for it. Usually all of it has been used, and
// there is nothing to do.
func (t *Task) retain() bool {
	if t.firstLen == 0 {
		return true
	}
	if t.taken.Load() >= t.firstLen || t.fate.Load() == answered {
		t.loan.CompareAndSwap(lent, none)
		return t.loan.Load() != lost
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.loan.CompareAndSwap(lent, retaining) {
		return t.loan.Load() != lost
	}
	l, err := t.Memory(t.firstLen)
	if err != nil {
		t.loan.CompareAndSwap(retaining, lost)
		t.First = buffer.Lease{}
		return false
	}
	copyLease(l, &t.First, 0, t.firstLen)
	t.channel.copied.Add(t.firstLen)
	t.retained = l
	var segs [4]buffer.Segment
	all := segs[:0]
	for s := range l.All() {
		all = append(all, s)
	}
	t.First.Init(nil, all...)
	if !t.loan.CompareAndSwap(retaining, retained) { // the task has ended in the meantime
		t.retained = nil
		l.Release()
	}
	return true
}

// endLoan gives back what was retained: the task has ended.
func (t *Task) endLoan() {
	if t.firstLen == 0 || t.loan.Swap(none) != retained {
		return
	}
	l := t.retained
	t.retained = nil
	l.Release()
}
