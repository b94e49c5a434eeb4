package tcp

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Batch is what one call of the system sends: vectors that lead to memory of others, which
// stays as it is until the batch has been sent, and to memory of the batch's own, for headers,
// padding and checksums (Extend) and for payload that has to be copied (Stage).
type Batch struct {
	iov    []unix.Iovec
	first  int  // iov[first:n] is what is not sent yet
	n      int  // vectors in use
	most   int  // vectors that were in use, at most, since the batch was taken out of its pool
	joined bool // the last vector ends at slab[used]

	slab   []byte
	used   int // of slab
	stage  []byte
	staged int // of stage

	limits *BatchLimits
}

// BatchLimits say how much a [Batch] holds.
type BatchLimits struct {
	Vectors int // pieces of memory
	Bytes   int // of memory for Extend
	Stage   int // bytes of memory for Stage, which is made when it is first asked for
}

// Batches are the batches of many connections. A connection takes one while it sends, and has
// none when it is idle: so there are as many as threads that send.
type Batches struct {
	limits BatchLimits
	pool   sync.Pool // of *Batch
}

// NewBatches makes the pool of batches that hold as much as l says.
func NewBatches(l BatchLimits) *Batches {
	p := &Batches{limits: l}
	p.pool.New = func() any {
		return &Batch{iov: make([]unix.Iovec, l.Vectors), slab: make([]byte, l.Bytes), limits: &p.limits}
	}
	return p
}

func (p *Batches) get() *Batch { return p.pool.Get().(*Batch) }

// put takes b back. Its vectors are cleared: they lead to memory of others.
func (p *Batches) put(b *Batch) {
	b.reset()
	clear(b.iov[:b.most])
	b.most = 0
	p.pool.Put(b)
}

func (b *Batch) reset() {
	b.first, b.n, b.used, b.staged, b.joined = 0, 0, 0, 0, false
}

// Empty reports that nothing is in the batch that is not sent.
func (b *Batch) Empty() bool { return b.first == b.n }

// Room reports whether the batch has room for so many more vectors, and for so many more bytes
// of its own memory.
func (b *Batch) Room(vectors, bytes int) bool {
	return b.n+vectors <= len(b.iov) && b.used+bytes <= len(b.slab)
}

// Append appends p, which is borrowed until the batch has been sent or given up. There is room.
func (b *Batch) Append(p []byte) {
	if len(p) > 0 {
		b.vector(p)
		b.joined = false
	}
}

func (b *Batch) vector(p []byte) {
	b.iov[b.n] = Vector(p)
	b.n++
	b.most = max(b.most, b.n)
}

// Extend appends n bytes of the batch's own memory, which the caller fills before the batch is
// sent. There is room.
func (b *Batch) Extend(n int) []byte {
	p := b.slab[b.used : b.used+n : b.used+n]
	b.used += n
	switch {
	case n == 0:
	case b.joined:
		v := &b.iov[b.n-1]
		v.SetLen(int(v.Len) + n)
	default:
		b.vector(p)
		b.joined = true
	}
	return p
}

// StageRoom reports whether the stage has room for n more bytes.
func (b *Batch) StageRoom(n int) bool { return b.staged+n <= b.limits.Stage }

// Stage appends n bytes of the batch's own memory, as Extend does: for payload that is copied
// before it is sent. There is room.
func (b *Batch) Stage(n int) []byte {
	if b.stage == nil {
		b.stage = make([]byte, b.limits.Stage)
	}
	p := b.stage[b.staged : b.staged+n]
	b.staged += n
	b.Append(p)
	return p
}

// Own makes the batch lead to no memory of others any more: what is not sent yet is copied, and
// Own returns how many bytes that were. [SenderConfig.Guard] is held.
func (b *Batch) Own() int {
	mem := b.bytes(nil)
	if len(mem) > 0 {
		b.first, b.n, b.joined = 0, 0, false
		b.Append(mem)
	}
	return len(mem)
}

// bytes appends what is not sent yet to mem.
func (b *Batch) bytes(mem []byte) []byte {
	for _, v := range b.iov[b.first:b.n] {
		mem = append(mem, unsafe.Slice(v.Base, int(v.Len))...)
	}
	return mem
}
