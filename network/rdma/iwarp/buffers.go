package iwarp

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// A buffers has what connections receive into and send from. A connection takes one of each kind
// while it receives or sends, and has none when it is idle: so there are as many as threads that are
// at work.
type buffers struct {
	in       sync.Pool // of *batch
	out      *tcp.Batches
	messages sync.Pool // of *[]byte: messages that come in several segments
}

func (b *buffers) init() {
	b.in.New = func() any { return &batch{mem: make([]byte, batchSize)} }
	b.out = tcp.NewBatches(tcp.BatchLimits{Vectors: maxSend, Bytes: slabLen, Stage: stageLen})
	b.messages.New = func() any { return new([]byte) }
}

// A batch is a receive buffer.
type batch struct {
	mem  []byte
	iov  [maxVectors]unix.Iovec
	side [maxGuess + 1][sideLen]byte // what lies between the payloads of guessed FPDUs
}

const (
	batchSize  = 256 << 10
	maxVectors = 256
	maxGuess   = 120
	sideLen    = 3 + crcLen + taggedLen // padding, CRC and the next header
)

// How much one call sends: vectors, and memory beside payload that needs no copy.
const (
	maxSend  = 512
	slabLen  = 16 << 10 // bytes of headers, padding and CRCs
	perFPDU  = 128      // bytes that the headers of an FPDU, and the trailer of the one before, take at most
	maxBatch = 1 << 20  // bytes of payload
	stageLen = 256 << 10
)
