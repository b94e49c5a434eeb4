package verbs

import (
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A pool is buffers for messages of up to a length, of one connection or of all. As many are posted as connections were promised.
type pool struct {
	card *card
	size int
	most int
	to   receiver // set before anything is posted

	mu       sync.Mutex // guards what follows
	slabs    []*buffer.Lease
	buffers  []slot
	free     []uint32 // buffers that are not posted, and hold no message
	posted   int
	promised int
	batch    []receive // for one call
}

// A slot is a buffer.
type slot struct {
	mem []byte
	key uint32
}

// slabSize is how much memory a pool takes at a time at the most.
const slabSize = buffer.MaxBlock

func newPool(c *card, size, most int) *pool {
	return &pool{card: c, size: max((size+63)&^63, 64), most: most}
}

// fits reports that there can be n buffers more.
func (p *pool) fits(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.promised+n <= p.most
}

// spare is how many of n buffers more need not be made, if there can be so many.
func (p *pool) spare(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.promised+n > p.most {
		return 0
	}
	return min(n, len(p.buffers)-p.promised)
}

// promise has n buffers more. made says how many of them are new; the others were made for connections that have ended, and may be posted since then.
func (p *pool) promise(n int) (made int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.promised+n > p.most {
		return 0, fmt.Errorf("%w: verbs: adapter %s takes %d buffers for messages in a queue, and %d are wanted", rdma.ErrExhausted, p.card.name, p.most, p.promised+n)
	}
	were := len(p.buffers)
	for len(p.buffers) < p.promised+n {
		if err := p.grow(p.promised + n - len(p.buffers)); err != nil {
			return len(p.buffers) - were, err
		}
	}
	p.promised += n
	return len(p.buffers) - were, nil
}

// grow makes up to n buffers more, and at least one. p.mu is held.
func (p *pool) grow(n int) error {
	per := max(min(n, slabSize/p.size), 1)
	l, err := p.card.dev.inbox.Get(int64(per * p.size))
	if err != nil {
		return fmt.Errorf("%w: verbs: no memory for messages: %w", rdma.ErrExhausted, err)
	}
	s := l.Segment(0)
	key, ok := p.card.mem.key(s.Region)
	if !ok || l.Segments() != 1 {
		l.Release()
		return fmt.Errorf("%w: verbs: no memory for messages can be registered with adapter %s (is there a limit of locked memory, RLIMIT_MEMLOCK?)", rdma.ErrExhausted, p.card.name)
	}
	p.slabs = append(p.slabs, l)
	for at := 0; at+p.size <= len(s.Mem); at += p.size {
		p.free = append(p.free, uint32(len(p.buffers)))
		p.buffers = append(p.buffers, slot{s.Mem[at : at+p.size : at+p.size], key})
	}
	return nil
}

// release takes back a promise of n.
func (p *pool) release(n int) {
	p.mu.Lock()
	p.promised -= n
	p.mu.Unlock()
}

// message is n bytes of what has come in buffer i.
func (p *pool) message(i uint32, n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buffers[i].mem[:n:n]
}

// took says that buffer i is not posted any more.
func (p *pool) took() {
	p.mu.Lock()
	p.posted--
	p.mu.Unlock()
}

// back gives buffers back, and posts as many as were promised.
func (p *pool) back(some ...uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, some...)
	p.batch = p.batch[:0]
	for n := len(p.free); n > 0 && p.posted+len(p.batch) < p.promised; n-- {
		i := p.free[n-1]
		b := &p.buffers[i]
		p.batch = append(p.batch, receive{uint64(i) | isReceive, piece{uint64(addressOf(b.mem)), uint32(len(b.mem)), b.key}})
	}
	if len(p.batch) == 0 {
		return nil
	}
	n, err := p.to.receive(p.batch)
	p.free = p.free[:len(p.free)-n]
	p.posted += n
	return err
}

// close gives the memory back: the adapter has no buffer any more.
func (p *pool) close() {
	for _, l := range p.slabs {
		l.Release()
	}
	p.slabs, p.buffers, p.free = nil, nil, nil
}

// isReceive marks completions of receives; the rest of the number is the buffer's. In others it is the serial of the connection and the
// place of the work.
const isReceive = 1 << 63
