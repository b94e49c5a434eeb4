package disk

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/target"
)

// locks keep commands that must be atomic (COMPARE AND WRITE, ORWRITE) apart from all
// other writes of their blocks. The medium is cut into stripes of 1 MiB that share the
// locks between them. A write of a stripe holds its lock, shared, while the store
// works; an atomic command holds it alone.
//
// A write whose data lands in the store's own memory, from the network, cannot hold a
// lock for as long as its peer likes. It is counted instead (placing), and only starts
// where no atomic command has been for a while (guarded): elsewhere data is staged. So
// an atomic command waits, without a goroutine, for those that had started before the
// first of its kind, and for no others.
type locks struct {
	stripes [stripeCount]stripe

	mu      sync.Mutex
	waiting []*target.Task // atomic commands that wait for placing to become 0
}

type stripe struct {
	sync.RWMutex
	placing atomic.Int32
	guarded atomic.Int64 // time of the last atomic command, in nanoseconds; 0: none
	_       [128 - 24 - 16]byte
}

const (
	stripeShift = 20
	stripeCount = 256
	// guardTime is how long data is staged after an atomic command.
	guardTime = time.Minute
)

// A span is the stripes of a range: from a to b and, if it goes around, from 0 to c,
// the ends not included. Locks are taken in order of their numbers.
type span struct{ a, b, c int }

func spanOf(off, n int64) span {
	first, last := off>>stripeShift, (off+n-1)>>stripeShift
	count := last - first + 1
	if count >= stripeCount {
		return span{0, stripeCount, 0}
	}
	a := int(first % stripeCount)
	b := a + int(count)
	if b > stripeCount {
		return span{a, stripeCount, b - stripeCount}
	}
	return span{a, b, 0}
}

// share locks the range for a write of the store.
func (l *locks) share(s span) {
	for i := range s.c {
		l.stripes[i].RLock()
	}
	for i := s.a; i < s.b; i++ {
		l.stripes[i].RLock()
	}
}

// tryShare is share if that does not wait.
func (l *locks) tryShare(s span) bool {
	for i := s.a; i < s.b; i++ {
		if !l.stripes[i].TryRLock() {
			l.unshare(span{s.a, i, 0})
			return false
		}
	}
	for i := range s.c {
		if !l.stripes[i].TryRLock() {
			l.unshare(span{s.a, s.b, i})
			return false
		}
	}
	return true
}

func (l *locks) unshare(s span) {
	for i := s.a; i < s.b; i++ {
		l.stripes[i].RUnlock()
	}
	for i := range s.c {
		l.stripes[i].RUnlock()
	}
}

// lock locks the range for an atomic command.
func (l *locks) lock(s span) {
	for i := range s.c {
		l.stripes[i].Lock()
	}
	for i := s.a; i < s.b; i++ {
		l.stripes[i].Lock()
	}
}

func (l *locks) unlock(s span) {
	for i := s.a; i < s.b; i++ {
		l.stripes[i].Unlock()
	}
	for i := range s.c {
		l.stripes[i].Unlock()
	}
}

// place notes a write that lands in place; it reports false, and notes nothing, where
// data has to be staged. Whoever it lets in calls left in the end.
func (l *locks) place(s span, wake func(*target.Task)) bool {
	free := true
	for i := s.a; i < s.b; i++ {
		free = l.stripes[i].place() && free
	}
	for i := range s.c {
		free = l.stripes[i].place() && free
	}
	if !free {
		l.left(s, wake)
	}
	return free
}

// place counts first and looks then; an atomic command guards first and counts then.
func (s *stripe) place() bool {
	s.placing.Add(1)
	at := s.guarded.Load()
	if at == 0 {
		return true
	}
	return time.Now().UnixNano()-at > int64(guardTime) && s.guarded.CompareAndSwap(at, 0)
}

// left ends a write in place, and wakes the atomic commands that may have waited for it.
func (l *locks) left(s span, wake func(*target.Task)) {
	last := false
	for i := s.a; i < s.b; i++ {
		last = l.stripes[i].left() || last
	}
	for i := range s.c {
		last = l.stripes[i].left() || last
	}
	if !last {
		return
	}
	l.mu.Lock()
	woken := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, t := range woken {
		wake(t)
	}
}

func (s *stripe) left() bool { return s.placing.Add(-1) == 0 && s.guarded.Load() != 0 }

// guard keeps writes in place away from the range. It reports whether none is under
// way; if one is, t waits, and is woken later to try again.
func (l *locks) guard(s span, t *target.Task) bool {
	now := time.Now().UnixNano()
	for i := s.a; i < s.b; i++ {
		l.stripes[i].guarded.Store(now)
	}
	for i := range s.c {
		l.stripes[i].guarded.Store(now)
	}
	if !l.placing(s) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.placing(s) {
		return true
	}
	l.waiting = append(l.waiting, t)
	return false
}

func (l *locks) placing(s span) bool {
	for i := s.a; i < s.b; i++ {
		if l.stripes[i].placing.Load() != 0 {
			return true
		}
	}
	for i := range s.c {
		if l.stripes[i].placing.Load() != 0 {
			return true
		}
	}
	return false
}
