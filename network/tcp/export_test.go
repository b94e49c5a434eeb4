package tcp

// InACrowd is an engine that takes its sockets for many.
func InACrowd() *Goroutines {
	e := &Goroutines{}
	e.live.Store(1 << 20)
	return e
}
