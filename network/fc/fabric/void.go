package fabric

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/fc"
)

// A void has the sequences of a port that are for somebody outside who is not there, or whom the port must not see: the port's station has them,
// and throws their frames away, as class 3 does. So Cancel knows who has a sequence.
type void struct {
	n  atomic.Int32 // of at: most ports never have one
	mu sync.Mutex   // at and times; nothing is called with it held
	at map[*fc.Sequence]uint64
	// times tells one post of a sequence from the next.
	times uint64
}

// put notes that the station has s.
func (v *void) put(s *fc.Sequence) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at == nil {
		v.at = make(map[*fc.Sequence]uint64)
	}
	v.times++
	v.at[s] = v.times
	v.n.Store(int32(len(v.at)))
}

// find returns which post of s it is that the station has; 0: it has not.
func (v *void) find(s *fc.Sequence) uint64 {
	if v.n.Load() == 0 {
		return 0
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.at[s]
}

// drop forgets s, if it is still that post.
func (v *void) drop(s *fc.Sequence, which uint64) {
	if which == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at[s] == which {
		delete(v.at, s)
		v.n.Store(int32(len(v.at)))
	}
}

// An inner is the handler of a port's station.
type inner struct {
	fc.Handler
	p *port
}

// Sent gives s back. Until the handler has returned, or has posted s again, s is in the void: Cancel may be called as long.
func (i inner) Sent(s *fc.Sequence, err error) {
	which := i.p.void.find(s)
	i.Handler.Sent(s, err)
	i.p.void.drop(s, which)
}
