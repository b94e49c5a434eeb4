package storetest

import (
	"context"
	"sync"

	"github.com/lunette-io/lunette/store"
)

// Late makes a [store.Submitter] of any store. What is submitted is done by one goroutine
// later, the youngest first, and can be held back. What waits ends in runs. It passes on no
// other capability.
type Late struct {
	store.Store

	mu      sync.Mutex
	change  sync.Cond
	waiting []*store.Request
	held    bool
	started bool
	closed  bool
	run     store.Run // of the goroutine
	ended   sync.WaitGroup
}

// NewLate returns a Late of s, which it closes with itself.
func NewLate(s store.Store) *Late {
	l := &Late{Store: s, waiting: make([]*store.Request, 0, 1024)}
	l.change.L = &l.mu
	return l
}

// Info is that of the store, without what is not passed on.
func (l *Late) Info() store.Info {
	i := l.Store.Info()
	i.Granularity, i.Alignment = 0, 0
	return i
}

// Submit implements [store.Submitter].
func (l *Late) Submit(r *store.Request) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		r.Done(r, l.do(r)) // with what the store says to that
		return
	}
	if !l.started {
		l.started = true
		l.ended.Go(l.work)
	}
	l.waiting = append(l.waiting, r)
	l.change.Broadcast()
	l.mu.Unlock()
}

// Hold keeps everything waiting until Release.
func (l *Late) Hold() { l.hold(true) }

// Release lets what waits go on.
func (l *Late) Release() { l.hold(false) }

func (l *Late) hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = on
	l.change.Broadcast()
}

// Await returns when n requests wait.
func (l *Late) Await(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) < n {
		l.change.Wait()
	}
}

// Close implements [store.Store].
func (l *Late) Close() error {
	l.mu.Lock()
	l.closed = true
	l.change.Broadcast()
	l.mu.Unlock()
	l.ended.Wait()
	return l.Store.Close()
}

func (l *Late) work() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.waiting) == 0 || l.held {
			if l.endRun(); len(l.waiting) > 0 && !l.held {
				break
			}
			if l.closed {
				return
			}
			l.change.Wait()
		}
		last := len(l.waiting) - 1
		r := l.waiting[last]
		l.waiting = l.waiting[:last]
		l.mu.Unlock()
		err := l.do(r)
		r.Run = &l.run
		r.Done(r, err)
		l.mu.Lock()
	}
}

// endRun ends what has run so far. l.mu is held, but not all the time.
func (l *Late) endRun() {
	l.mu.Unlock()
	l.run.End()
	l.mu.Lock()
}

func (l *Late) do(r *store.Request) error {
	if r.Op == store.OpWrite {
		return l.WriteAt(context.Background(), r.Data, r.Off, r.Flags)
	}
	return l.ReadAt(context.Background(), r.Data, r.Off)
}
