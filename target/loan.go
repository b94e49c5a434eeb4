package target

import "github.com/lunette-io/lunette/buffer"

// A loan is where the data is that came along with a command (Task.First). The transport lends
// it until Channel.Execute returns; what has not been used by then is retained in a copy, so
// that the transport can use its memory for what comes next.
type loan uint8

const (
	none     loan = iota // nothing came along, or it is not needed any more
	lent                 // it lies in the transport's memory
	retained             // it lies in Task.retained
	lost                 // there was no memory to retain it
)

// takeFirst copies what of First lies at off to the beginning of into, and returns how much it
// was.
func (t *Task) takeFirst(off int64, into *buffer.Lease) (int64, error) {
	if t.firstLen <= off {
		return 0, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	from := &t.First
	switch t.loan {
	case none:
		return 0, nil
	case lost:
		return 0, ErrExhausted
	case retained:
		from = t.retained
	}
	n := min(into.Len(), t.firstLen-off)
	copyLease(into, from, off, n)
	t.taken = max(t.taken, off+n)
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
// copy then. It reports false if there is no memory for it.
func (t *Task) retain() bool {
	if t.firstLen == 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.loan != lent:
		return t.loan != lost
	case t.taken >= t.firstLen || t.fate.Load() == answered:
		t.loan = none
		return true
	}
	l, err := t.channel.limits.Arena.Get(t.firstLen)
	if err != nil {
		t.loan = lost
		t.First = buffer.Lease{}
		return false
	}
	copyLease(l, &t.First, 0, t.firstLen)
	t.channel.copied.Add(t.firstLen)
	t.loan, t.retained = retained, l
	var segs [4]buffer.Segment
	all := segs[:0]
	for s := range l.All() {
		all = append(all, s)
	}
	t.First.Init(nil, all...)
	return true
}

// endLoan gives back what was retained: the task has ended.
func (t *Task) endLoan() {
	if t.firstLen == 0 {
		return
	}
	t.mu.Lock()
	l := t.retained
	t.loan, t.retained = none, nil
	t.mu.Unlock()
	if l != nil {
		l.Release()
	}
}
