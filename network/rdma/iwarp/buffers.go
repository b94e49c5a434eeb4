package iwarp

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// Buffers are what connections receive to and send from. Each takes one of a kind while it is
// at work, and has none when it is idle: so there are as many as threads that are at work.
type buffers struct {
	in       sync.Pool // of *batch
	out      *tcp.Batches
	messages sync.Pool // of *[]byte
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
	side [maxGuess + 1][sideLen]byte // what lies between the payloads of FPDUs that are guessed
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
	perFPDU  = 128      // room for the headers of any FPDU, and what follows the one before
	maxBatch = 1 << 20  // bytes of payload
	stageLen = 256 << 10
)
