package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/store"
)

// Late makes a [store.Submitter] of any store. What is submitted is done by one goroutine
// later, the youngest first, and can be held back. What waits ends in batches. Of the other
// capabilities of the store it passes on those that requests are for, trimming and zeroing, and that it takes
// foreign memory.
type Late struct {
	store.Store
	trimmer store.Trimmer // nil: the store has none
	zeroer  store.Zeroer  // nil: the store has none

	mu       sync.Mutex
	change   sync.Cond
	waiting  []*store.Request
	canceled []*store.Request // were waiting, and end without having been done
	deaf     bool
	held     bool
	started  bool
	closed   bool
	batch    store.Batch // of the goroutine
	ended    sync.WaitGroup
}

// NewLate returns a Late of s, which it closes with itself.
func NewLate(s store.Store) *Late {
	l := &Late{Store: s, waiting: make([]*store.Request, 0, 1024)}
	l.trimmer, _ = store.As[store.Trimmer](s)
	l.zeroer, _ = store.As[store.Zeroer](s)
	l.change.L = &l.mu
	return l
}

// Info is that of the store, without what is not passed on.
func (l *Late) Info() store.Info {
	i := l.Store.Info()
	if l.trimmer == nil {
		i.Granularity, i.Alignment = 0, 0
	}
	return i
}

// Can is true of what the store beneath can do, and of submitting.
func (l *Late) Can(c store.Capability) bool {
	switch c {
	case store.Trimming:
		return l.trimmer != nil
	case store.Zeroing:
		return l.zeroer != nil
	case store.TakingForeign:
		_, takes := store.As[store.Foreign](l.Store)
		return takes
	}
	return true
}

// TakesForeign implements [store.Foreign].
func (l *Late) TakesForeign() {}

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
	if r.Canceled() != nil && !l.deaf {
		l.canceled = append(l.canceled, r)
	} else {
		l.waiting = append(l.waiting, r)
	}
	l.change.Broadcast()
	l.mu.Unlock()
}

// Cancel implements [store.Submitter]: what waits, held back or not, ends without being done.
func (l *Late) Cancel(r *store.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, r); i >= 0 && !l.deaf && r.Canceled() != nil {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		l.canceled = append(l.canceled, r)
		l.change.Broadcast()
	}
}

// Deafen makes Cancel do nothing, as storage that cannot take back what it has begun.
func (l *Late) Deafen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf = true
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

// Trim implements [store.Trimmer].
func (l *Late) Trim(ctx context.Context, off, n int64) error { return l.trimmer.Trim(ctx, off, n) }

// Zero implements [store.Zeroer].
func (l *Late) Zero(ctx context.Context, off, n int64, f store.Flags) error {
	return l.zeroer.Zero(ctx, off, n, f)
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
	for {
		r, canceled := l.next()
		if r == nil {
			return
		}
		err := r.Canceled()
		if !canceled {
			err = l.do(r)
		}
		r.Batch = &l.batch
		r.Done(r, err)
	}
}

// next waits for a request that can be ended, and takes it; nil when the store is closed. The batch
// of those before it ends when there is none.
func (l *Late) next() (r *store.Request, canceled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ran := true; ; {
		switch {
		case len(l.canceled) > 0:
			return pop(&l.canceled), true
		case len(l.waiting) > 0 && !l.held:
			return pop(&l.waiting), false
		case ran: // what the batch has put off may submit something
			l.mu.Unlock()
			l.batch.End()
			l.mu.Lock()
			ran = false
		case l.closed:
			return nil, false
		default:
			l.change.Wait()
		}
	}
}

func pop(s *[]*store.Request) *store.Request {
	last := len(*s) - 1
	r := (*s)[last]
	*s = (*s)[:last]
	return r
}

func (l *Late) do(r *store.Request) error {
	ctx := r.Ctx()
	switch {
	case r.Op == store.OpRead:
		return l.ReadAt(ctx, r.Data, r.Off)
	case r.Op == store.OpWrite:
		return l.WriteAt(ctx, r.Data, r.Off, r.Flags)
	case r.Op == store.OpFlush:
		return l.Flush(ctx)
	case r.Op == store.OpTrim && l.trimmer != nil:
		return l.Trim(ctx, r.Off, r.Len)
	case r.Op == store.OpZero && l.zeroer != nil:
		return l.Zero(ctx, r.Off, r.Len, r.Flags)
	}
	return fmt.Errorf("submitted %v: %w", r.Op, store.ErrNotSupported)
}
