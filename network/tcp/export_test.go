package tcp

// InACrowd is an engine that takes its sockets for many.
func InACrowd() *Goroutines {
	e := NewGoroutines(Spin{})
	e.live.Store(1 << 20)
	return e
}

// InBatch reports that s has a batch.
func (s *Sender) InBatch() bool { return s.b != nil }
