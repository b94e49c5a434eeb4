package buffer

import (
	"runtime"
	"sync"
)

// shards are Ts of which each processor, nearly always, has one to itself, so that what is used
// with every command is in no cache but its own. None is ever lost: there are at most twice
// as many as processors, and all can be looked at. The zero shards are ready to use.
type shards[T any] struct {
	last sync.Pool // of *shard[T]: those that the processors used last, perhaps some twice

	mu  sync.Mutex
	all []*shard[T]
}

type shard[T any] struct {
	mu sync.Mutex
	v  T
	_  [128]byte // what lies behind it is somebody else's
}

// take returns a shard that is the caller's until give. No lock of a shard may be held.
func (s *shards[T]) take() *shard[T] {
	if c, _ := s.last.Get().(*shard[T]); c != nil && c.mu.TryLock() {
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
		c := new(shard[T])
		c.mu.Lock()
		s.all = append(s.all, c)
		s.mu.Unlock()
		return c
	}
	c := s.all[0]
	s.mu.Unlock()
	c.mu.Lock() // for some instructions, unless its processor does something else in between
	return c
}

func (s *shards[T]) give(c *shard[T]) {
	c.mu.Unlock()
	s.last.Put(c)
}

// each calls do with every T.
func (s *shards[T]) each(do func(*T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		c.mu.Lock()
		do(&c.v)
		c.mu.Unlock()
	}
}
