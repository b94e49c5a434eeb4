package tape

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape/medium"
)

const (
	aheadAfter = 2       // so many READs in sequence let the drive read ahead
	readAhead  = 4 << 20 // bytes that are read ahead at the most
	// readerIdle is after what time blocks are given back that nobody has taken: drives may be many, and most of them idle.
	readerIdle = time.Second
)

// A reader reads ahead of the commands, up to a bound, while they read block after block. It has the head from start until it has
// ended and its blocks are taken, or until stop. Blocks that are encrypted, filemarks and errors it leaves to the commands. A
// goroutine is there only while it reads.
type reader struct {
	most  int64 // bytes
	arena *buffer.Arena
	group *sync.WaitGroup
	ctx   context.Context
	main  func() // what the goroutine does: a value, so that none is allocated

	streak int // READs in sequence; of who has the turn

	mu       sync.Mutex
	changed  sync.Cond
	head     medium.Head
	active   bool // there are blocks, or there may be more
	running  bool
	stopping bool
	ended    bool // what comes next is none of its
	items    []*buffer.Lease
	bytes    int64
	gone     bool        // the blocks were given back, and the head is behind them
	taken    bool        // some was taken since the timer was set
	idle     *time.Timer // nil: never set
}

// start lets the reader go on from where the head is, if it does not.
func (r *reader) start(h medium.Head) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active {
		return
	}
	r.head, r.active, r.ended = h, true, false
	r.run()
}

// run starts the goroutine. r.mu is held.
func (r *reader) run() {
	r.running = true
	r.group.Add(1)
	go r.main()
}

// has reports that the reader has the head.
func (r *reader) has() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}

// take returns the next block, whole, which the caller has to release; nil: there is none, and the head is where the position of c is.
func (r *reader) take(c *cartridge) (*buffer.Lease, error) {
	r.mu.Lock()
	for r.active && len(r.items) == 0 && r.running {
		r.changed.Wait()
	}
	if r.gone {
		r.mu.Unlock()
		return nil, r.stop(c)
	}
	defer r.mu.Unlock()
	if len(r.items) == 0 {
		r.active = false
		return nil, nil
	}
	l := r.items[0]
	r.taken = true
	copy(r.items, r.items[1:])
	r.items = r.items[:len(r.items)-1]
	r.bytes -= l.Len()
	if !r.running && !r.ended && r.bytes <= r.most/2 {
		r.run()
	}
	return l, nil
}

// forget gives the blocks back if none was taken since it was to be called.
func (r *reader) forget() {
	r.mu.Lock()
	var left []*buffer.Lease
	switch {
	case r.running, len(r.items) == 0: // who ends the reading, or stops it, looks to that
	case r.taken:
		r.taken = false
		r.idle.Reset(readerIdle)
	default:
		left, r.items, r.bytes, r.gone = r.items, nil, 0, true
	}
	r.mu.Unlock()
	for _, l := range left {
		l.Release()
	}
}

// work reads blocks while there is room for them.
func (r *reader) work() {
	defer r.group.Done()
	for {
		l := r.read()
		r.mu.Lock()
		if l != nil {
			r.items = append(r.items, l)
			r.bytes += l.Len()
		} else {
			r.ended = true
		}
		if l == nil || r.stopping || r.bytes >= r.most {
			r.running = false
			r.watch()
			r.changed.Broadcast()
			r.mu.Unlock()
			return
		}
		r.changed.Broadcast()
		r.mu.Unlock()
	}
}

// watch lets the blocks be forgotten after some time. r.mu is held.
func (r *reader) watch() {
	r.taken = false
	if r.idle == nil {
		r.idle = time.AfterFunc(readerIdle, r.forget)
	} else {
		r.idle.Reset(readerIdle)
	}
}

// read reads one block; nil: none that is the reader's.
func (r *reader) read() *buffer.Lease {
	o, err := r.head.Next(r.ctx)
	if err != nil || o.Kind != medium.Block || o.Sealed || o.Len > r.most {
		return nil
	}
	l, err := r.arena.Get(o.Len)
	if err != nil {
		return nil
	}
	if _, err = r.head.Read(r.ctx, l, 0, o.Len, nil); err != nil {
		l.Release()
		return nil
	}
	return l
}

// stop ends the reading, and brings the head back to the position.
func (r *reader) stop(c *cartridge) error {
	r.streak = 0
	r.mu.Lock()
	if !r.active {
		r.mu.Unlock()
		return nil
	}
	r.stopping = true
	for r.running {
		r.changed.Wait()
	}
	left, gone := r.items, r.gone
	r.items, r.bytes, r.active, r.stopping, r.gone = nil, 0, false, false, false
	if r.idle != nil {
		r.idle.Stop()
	}
	r.mu.Unlock()
	for _, l := range left {
		l.Release()
	}
	if len(left) == 0 && !gone {
		return nil
	}
	if err := c.head.Locate(r.ctx, c.at.Object); err != nil && !errors.Is(err, medium.ErrEndOfData) {
		return err
	}
	return nil
}
