package buffer

import (
	"runtime"
	"sync"
)

// A perCPU holds values of which each processor, nearly always, has one to itself, so that what
// is used with every command is in no processor's cache but its own. No value is ever lost: there
// are at most twice as many as processors, and each visits all of them. The zero perCPU is ready
// to use.
//
// Go does not say on which processor a goroutine runs. A sync.Pool has a free list for each, so
// what a goroutine gets from it is what was put back last on its processor. The collector empties
// the pool from time to time; then take finds a value that nobody uses in the list of all.
type perCPU[T any] struct {
	last sync.Pool // of *local[T], a value perhaps twice

	mu  sync.Mutex // guards all. Whoever holds it may try the lock of a value, or wait for it
	all []*local[T]
}

// A local is one value of a perCPU.
type local[T any] struct {
	mu sync.Mutex // held by the user of v, from take to give
	v  T
	_  [128]byte // so that no other variable is in the same cache line
}

// take returns a value that is the caller's until give. The caller has no other one.
func (s *perCPU[T]) take() *local[T] {
	if c, _ := s.last.Get().(*local[T]); c != nil && c.mu.TryLock() {
		return c
	}
	s.mu.Lock()
	for _, c := range s.all {
		if c.mu.TryLock() {
			s.mu.Unlock()
			return c
		}
	}
	if len(s.all) < 2*runtime.GOMAXPROCS(0) {
		c := new(local[T])
		c.mu.Lock()
		s.all = append(s.all, c)
		s.mu.Unlock()
		return c
	}
	c := s.all[0]
	s.mu.Unlock()
	c.mu.Lock() // its user gives it back after some instructions
	return c
}

func (s *perCPU[T]) give(c *local[T]) {
	c.mu.Unlock()
	s.last.Put(c)
}

// each calls do with every value, one after the other.
func (s *perCPU[T]) each(do func(*T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		c.mu.Lock()
		do(&c.v)
		c.mu.Unlock()
	}
}
