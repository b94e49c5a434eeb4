package tcp

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Buffers are what movers receive to and send from. Each takes one of a kind while it is at
// work, and has none when it is idle: so there are as many as threads that are at work.
type Buffers struct {
	in  sync.Pool // of *batch
	out sync.Pool // of *outgoing
}

// NewBuffers makes the buffers that the movers of a portal share.
func NewBuffers() *Buffers {
	b := &Buffers{}
	b.in.New = func() any { return &batch{mem: make([]byte, batchSize)} }
	b.out.New = func() any { return new(outgoing) }
	return b
}

// A batch is a receive buffer.
type batch struct {
	mem []byte
	iov [maxVectors]unix.Iovec
}

// batchSize holds more than thirty commands with 4 KiB of immediate data each.
const batchSize = 256 << 10

const maxVectors = 8

// An outgoing is what one call sends, apart from the data itself.
type outgoing struct {
	iov   [maxSend]unix.Iovec
	used  int           // of iov, at most, since it was taken
	slab  [slabLen]byte // headers, padding and digests
	stage []byte        // data with digests is copied here: see payload. Made when it is needed
}

const (
	maxSend  = 256       // vectors in one call
	slabLen  = 128 * 64  // room for the headers of 128 PDUs
	perPDU   = 64        // header, two digests, padding
	stageLen = 512 << 10 // two segments of 256 KiB: with one in each call 1 MiB reads took twice the processor time
)
