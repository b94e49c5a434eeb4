package tcp

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// Buffers are what movers receive to and send from. Each takes one of a kind while it is at
// work, and has none when it is idle: so there are as many as threads that are at work.
type Buffers struct {
	in  sync.Pool // of *batch
	out *tcp.Batches
}

// NewBuffers makes the buffers that the movers of a portal share.
func NewBuffers() *Buffers {
	b := &Buffers{out: tcp.NewBatches(tcp.BatchLimits{Vectors: maxSend, Bytes: perPDU * 128, Stage: stageLen})}
	b.in.New = func() any { return &batch{mem: make([]byte, batchSize)} }
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

// How much one call sends: vectors, and memory beside the data itself.
const (
	maxSend    = 256       // vectors
	perPDU     = 64        // bytes: header, two digests, padding
	pduVectors = 4         // header, its digest, data, and what follows that
	stageLen   = 512 << 10 // two segments of 256 KiB: with one in each call 1 MiB reads took twice the processor time
)
