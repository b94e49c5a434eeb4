package virtio

import (
	"sync"
	"time"

	"github.com/lunette-io/lunette/network/vhost/frontend"
)

// A Queue is a request queue. Its methods may be called by many goroutines, but Wait by one at a time.
type Queue struct {
	conn *Conn
	ring *frontend.Queue
	life sync.RWMutex // somebody waits; for writing: nobody does, nor will
	over bool         // guarded by life

	mu    sync.Mutex
	room  sync.Cond // a slot is free, the ring is there again, or ended is set
	mem   []byte
	slots []slot
	free  []int
	next  uint64 // the ID of the next command that has none
	held  bool   // the ring is made anew
	ended error  // why there are no more commands

	unseen int // commands that were posted since the device was shown any
	ending int // commands that were taken from the ring, and nobody was told of yet; of a connection that is not Manual

	done []*Command // of the last Wait
}

// newQueue makes a queue with its slots.
func newQueue(c *Conn, index int) (*Queue, error) {
	q := &Queue{conn: c, next: uint64(index) << 48}
	q.room.L = &q.mu
	var err error
	if q.ring, err = c.dev.Queue(index, frontend.QueueConfig{Size: c.cfg.ring(), Entries: c.cfg.entries()}); err != nil {
		return nil, err
	}
	if q.mem, err = c.dev.Memory.Alloc(c.cfg.Depth * slotSize); err != nil {
		return nil, err
	}
	addr, _ := c.dev.Memory.Address(q.mem)
	q.slots = make([]slot, c.cfg.Depth)
	for i := range q.slots {
		at := i * slotSize
		q.slots[i].mem, q.slots[i].addr = q.mem[at:][:slotSize:slotSize], addr+uint64(at)
		q.free = append(q.free, len(q.slots)-1-i)
	}
	return q, nil
}

// Submit posts a command, which the device need not see before Flush. If there is no room it waits for some; in a Manual connection, whose caller makes room, it fails with ErrFull instead.
func (q *Queue) Submit(k *Command) error {
	k.begin()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.ended == nil && (q.held || len(q.free) == 0) {
		if q.conn.cfg.Manual && !q.held {
			return ErrFull
		}
		if !q.held {
			q.flush() // who waits behind what nobody sees waits for ever
		}
		q.room.Wait()
	}
	if q.ended != nil {
		return q.ended
	}
	if k.ID == 0 {
		q.next++
		k.ID = q.next
	}
	n := q.free[len(q.free)-1]
	s := &q.slots[n]
	if err := s.fill(q, k); err != nil {
		return err
	}
	if err := q.ring.Add(s.out, s.in, uint64(n)); err != nil {
		s.empty(q)
		return err
	}
	s.k = k
	q.free = q.free[:len(q.free)-1]
	if q.unseen++; q.unseen == together {
		q.flush()
	}
	return nil
}

// together is how many commands the device sees at a time at the most: it goes on with them while the next ones are made.
const together = 4

// flush is Flush. q.mu is held.
func (q *Queue) flush() {
	q.unseen = 0
	q.ring.Flush()
}

// Flush lets the device see what was submitted, and kicks it if it wants that.
func (q *Queue) Flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended == nil && !q.held {
		q.flush()
	}
}

// Stats are what waking each other has cost.
func (q *Queue) Stats() frontend.QueueStats { return q.ring.Stats() }

// take appends the commands that have come back. With none, it asks the device to call for the next, if that is wanted; late: there is one after all. q.mu is held.
func (q *Queue) take(dst []*Command, want bool) (all []*Command, late bool, err error) {
	if q.ended != nil {
		return dst, false, q.ended
	}
	if q.held {
		return dst, false, nil
	}
	for {
		token, written, ok, err := q.ring.Get()
		if err != nil {
			return dst, false, err
		}
		if !ok {
			break
		}
		s := &q.slots[token]
		k := s.k
		s.k = nil
		k.take(s.mem[responseAt:], written)
		if s.inCopy != nil {
			copy(k.In, s.inCopy)
		}
		s.empty(q)
		q.free = append(q.free, int(token))
		dst = append(dst, k)
		if !q.conn.cfg.Manual {
			q.ending++
		}
	}
	if len(dst) > 0 {
		q.room.Broadcast()
	} else if want {
		late = q.ring.Want(true)
	}
	return dst, late, nil
}

// Wait flushes, and returns commands that have ended, at least one if limit is 0; else it may return none after that time. Those with Ended have been told. The slice is valid until the next call. An error
// says that the connection has ended; commands that are open then end with it.
func (q *Queue) Wait(limit time.Duration) ([]*Command, error) {
	q.life.RLock()
	defer q.life.RUnlock()
	if q.over {
		return nil, ErrClosed
	}
	q.Flush()
	all, err := q.wait(limit)
	for _, k := range all {
		if k.Ended != nil {
			k.Ended(k)
		}
	}
	return all, err
}

// wait is Wait. q.life is held for reading.
func (q *Queue) wait(limit time.Duration) ([]*Command, error) {
	if q.conn.cfg.Poll > 0 {
		if all, err := q.poll(); err != nil || len(all) > 0 {
			return all, err
		}
	}
	for slept := false; ; {
		all, late, err := q.look(true)
		switch {
		case err != nil || len(all) > 0:
			return all, err
		case late:
			continue
		case slept && limit > 0:
			return nil, nil
		}
		if err := q.ring.Wait(limit); err != nil {
			return nil, err
		}
		slept = true
	}
}

// poll looks for a while.
func (q *Queue) poll() ([]*Command, error) {
	for until := time.Now().Add(q.conn.cfg.Poll); ; {
		all, _, err := q.look(false)
		if err != nil || len(all) > 0 || time.Now().After(until) {
			return all, err
		}
	}
}

// look looks once.
func (q *Queue) look(want bool) (all []*Command, late bool, err error) {
	q.mu.Lock()
	all, late, err = q.take(q.done[:0], want)
	q.mu.Unlock()
	if q.done = all; err != nil {
		q.conn.fail(err)
	}
	return all, late, err
}

// run takes commands until the end, for a connection that is not Manual.
func (q *Queue) run() {
	for {
		all, err := q.Wait(0)
		for _, k := range all {
			if k.Ended == nil {
				k.done <- struct{}{}
			}
		}
		q.told(len(all))
		if err != nil {
			return
		}
	}
}

// told notes that those who wait for n commands were told of their ends.
func (q *Queue) told(n int) {
	q.mu.Lock()
	q.ending -= n
	q.room.Broadcast()
	q.mu.Unlock()
}

// gather ends the commands that have come back, and returns when those have ended too that the queue's thread has taken, for a connection that is not Manual: its caller takes them otherwise.
func (q *Queue) gather() {
	if q.conn.cfg.Manual {
		return
	}
	q.mu.Lock()
	all, _, _ := q.take(nil, false) // what is wrong with the ring its thread finds too
	q.mu.Unlock()
	for _, k := range all {
		k.end()
	}
	q.told(len(all))
	q.mu.Lock()
	for q.ending > 0 && q.ended == nil {
		q.room.Wait()
	}
	q.mu.Unlock()
}

// finish ends what is open, and everything that comes, with err; the first time counts.
func (q *Queue) finish(err error) {
	q.mu.Lock()
	if q.ended == nil {
		q.ended = err
	}
	open := q.drop(err)
	q.mu.Unlock()
	q.ring.Wake()
	for _, k := range open {
		k.end()
	}
}

// hold keeps everybody from the ring, and ends what is open with ErrReset.
func (q *Queue) hold() {
	q.mu.Lock()
	q.held = true
	open := q.drop(ErrReset)
	q.mu.Unlock()
	for _, k := range open {
		k.end()
	}
}

// release lets everybody go on, with a ring that is new.
func (q *Queue) release() {
	q.mu.Lock()
	q.held = false
	q.room.Broadcast()
	q.mu.Unlock()
	q.ring.Wake()
}

// drop takes what is open out of its slots. q.mu is held.
func (q *Queue) drop(err error) (open []*Command) {
	for i := range q.slots {
		s := &q.slots[i]
		if s.k == nil {
			continue
		}
		s.k.Err = err
		open = append(open, s.k)
		s.k = nil
		s.empty(q)
		q.free = append(q.free, i)
	}
	q.room.Broadcast()
	return open
}

// close returns when nobody waits, or will.
func (q *Queue) close() {
	q.ring.Wake()
	q.life.Lock()
	q.over = true
	q.life.Unlock()
}
