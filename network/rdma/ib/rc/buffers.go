package rc

import "sync"

// Buffers are what messages of several packets are put together in. Queue pairs may share them: a queue pair has a buffer only while it has a part
// of a message. The zero value is ready.
type Buffers struct{ pool sync.Pool } // of *[]byte, whose length is 0

func (b *Buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	return new([]byte)
}

func (b *Buffers) put(p *[]byte) {
	*p = (*p)[:0]
	b.pool.Put(p)
}
