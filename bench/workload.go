package bench

import (
	"errors"
	"fmt"
)

// MaxDepth is the most commands that a worker keeps outstanding.
const MaxDepth = 1024

// MaxSize is the size of the largest command, in bytes.
const MaxSize = 64 << 20

// maxBlocks bounds the table of a worker that checks: it is 8 bytes for each block.
const maxBlocks = 1 << 27

// A Workload is a mix of commands that a worker keeps outstanding.
type Workload struct {
	Size       int  // bytes of a command
	Reads      int  // percent; the others write
	Sequential bool // else at random places
	Depth      int  // commands at a time
}

// Checks says how much of the data a worker looks at. Everything it writes has marks.
type Checks uint8

// How much is looked at.
const (
	// NoChecks: what is read may be anything.
	NoChecks Checks = iota
	// SomeChecks looks at the marks of some reads, and reads the last writes again at
	// the end. Everything there must have been written by a worker.
	SomeChecks
	// AllChecks looks at every byte.
	AllChecks
)

// A Part is a range of a unit.
type Part struct {
	Unit      int   // as the client counts
	From, Len int64 // bytes
}

// check checks w for a part of blocks blocks.
func (w *Workload) check(blocks int64, checks Checks) error {
	switch {
	case w.Size <= 0 || w.Size%512 != 0 || w.Size > MaxSize:
		return fmt.Errorf("a command of %d bytes: a multiple of 512 up to %d is wanted", w.Size, MaxSize)
	case w.Reads < 0 || w.Reads > 100:
		return fmt.Errorf("%d percent of the commands cannot be reads: 0 to 100 are possible", w.Reads)
	case w.Depth < 1 || w.Depth > MaxDepth:
		return fmt.Errorf("a queue depth of %d: 1 to %d are possible", w.Depth, MaxDepth)
	case blocks < 1:
		return errors.New("the range has no room for a command of each connection")
	case blocks < int64(w.Depth) && w.Reads < 100:
		return fmt.Errorf("each connection has room for %d commands and is to have %d outstanding: no two may write the same place at a time", blocks, w.Depth)
	case blocks > maxBlocks && checks != NoChecks:
		return fmt.Errorf("%d blocks for each connection are more than the %d that can be checked: use a smaller range or larger blocks", blocks, maxBlocks)
	}
	return nil
}
