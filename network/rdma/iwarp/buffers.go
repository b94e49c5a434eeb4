package iwarp

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Buffers are what connections receive to and send from. Each takes one of a kind while it is
// at work, and has none when it is idle: so there are as many as threads that are at work.
type buffers struct {
	in       sync.Pool // of *batch
	out      sync.Pool // of *outgoing
	messages sync.Pool // of *[]byte
}

func (b *buffers) init() {
	b.in.New = func() any { return &batch{mem: make([]byte, batchSize)} }
	b.out.New = func() any { return new(outgoing) }
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

// An outgoing is what one call sends, apart from payload.
type outgoing struct {
	iov   [maxSend]unix.Iovec
	used  int           // of iov, at most, since it was taken
	slab  [slabLen]byte // headers, padding and CRCs
	stage []byte        // payload with a CRC is copied here. Made when it is needed
}

const (
	maxSend  = 512
	slabLen  = 16 << 10
	perFPDU  = 128 // room for the headers of any FPDU, and what follows the one before
	maxBatch = 1 << 20
	stageLen = 256 << 10
)
