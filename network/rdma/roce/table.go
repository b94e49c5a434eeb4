package roce

import (
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A table has the queue pairs of a device by their numbers. Numbers are random, so that nobody can guess them, spread over the lanes, and are not given out
// again before many others have been.
type table struct {
	rows []row // one for each lane

	mu    sync.Mutex // what follows; it comes before those of rows
	count []int      // numbers of each lane in use
	past  [1024]ib.QPN
	next  int // in past
}

// A row has the numbers of one lane.
type row struct {
	mu sync.RWMutex
	at map[ib.QPN]*Conn // nil: the number is not free, and nobody has it (yet, or any more)
}

// maxQueues is how many queue pairs a device can have: a fraction of all numbers.
const maxQueues = 1 << 16

func (t *table) init(lanes int) {
	t.rows, t.count = make([]row, lanes), make([]int, lanes)
	for i := range t.rows {
		t.rows[i].at = make(map[ib.QPN]*Conn)
	}
}

func (t *table) row(n ib.QPN) *row { return &t.rows[int(n)%len(t.rows)] }

// reserve finds a number for a queue pair, in the lane that has fewest.
func (t *table) reserve() (ib.QPN, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lane, all := 0, 0
	for i, n := range t.count {
		all += n
		if n < t.count[lane] {
			lane = i
		}
	}
	if all >= maxQueues {
		return 0, rdma.ErrExhausted
	}
	lanes := len(t.rows)
	for {
		n := ib.QPN(random32() & 0xffffff)
		n -= n % ib.QPN(lanes)
		n += ib.QPN(lane)
		if n < 0x100 || n >= 0xffffff { // numbers that are well known, and that of multicast
			continue
		}
		r := t.row(n)
		r.mu.Lock()
		_, taken := r.at[n]
		if !taken {
			r.at[n] = nil
		}
		r.mu.Unlock()
		if !taken {
			t.count[lane]++
			return n, nil
		}
	}
}

// put makes c the queue pair of its number, which was reserved.
func (t *table) put(c *Conn) {
	r := t.row(c.number)
	r.mu.Lock()
	r.at[c.number] = c
	r.mu.Unlock()
}

// free gives a number back.
func (t *table) free(n ib.QPN) {
	r := t.row(n)
	r.mu.Lock()
	r.at[n] = nil
	r.mu.Unlock()

	t.mu.Lock()
	defer t.mu.Unlock()
	t.count[int(n)%len(t.rows)]--
	oldest := t.past[t.next]
	t.past[t.next] = n
	t.next = (t.next + 1) % len(t.past)
	if oldest != 0 {
		r := t.row(oldest)
		r.mu.Lock()
		delete(r.at, oldest)
		r.mu.Unlock()
	}
}

// find is the queue pair with a number; nil: there is none.
func (t *table) find(n ib.QPN) *Conn {
	r := t.row(n)
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.at[n]
}

// len is how many queue pairs there are.
func (t *table) len() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.count {
		n += k
	}
	return n
}

// random64 and random32 are numbers that nobody can guess.
func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.BigEndian.Uint64(b[:])
}

func random32() uint32 { return uint32(random64()) }

// randomPSN is where a queue pair begins to count.
func randomPSN() ib.PSN { return ib.PSN(random32() & 0xffffff) }
