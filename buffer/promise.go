package buffer

// Fill gets the memory of a lease that was promised ([Purse.Promise]), or returns [ErrExhausted]; a
// lease that has its memory it leaves alone. It may be called by several goroutines: those who put
// data into one lease call it before the first byte.
func (l *Lease) Fill() error {
	if !l.empty.Load() {
		return nil
	}
	a := l.owner.(*Arena)
	a.mu.Lock()
	p, size := l.promised, blocks(l.n)
	a.mu.Unlock()
	if p == nil { // somebody else was faster
		return nil
	}
	if err := p.pay(size); err != nil {
		return err
	}
	a.mu.Lock()
	if l.promised == nil {
		a.mu.Unlock()
		p.repay(size)
		return nil
	}
	if !a.fill(l, l.n) {
		a.mu.Unlock()
		p.refuse(p.repay(size))
		return ErrExhausted
	}
	l.by, l.at, l.paid = p.by, p.at, size
	l.promised = nil
	l.empty.Store(false)
	a.mu.Unlock()
	return nil
}

// Empty reports a promise that has no memory yet.
func (l *Lease) Empty() bool { return l.empty.Load() }
