// Package archive carries tapes out of files and into files: a tape is read block by block from wherever it is, and written
// block by block to wherever it shall be, so that it comes back as it was. Cartridges, directories, tar files, SIMH's files and
// drives are places where tapes are.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lunette-io/lunette/device/tape/medium"
)

// Limits.
const (
	MaxBlock      = medium.MaxBlock // bytes of a block
	MaxPartitions = medium.MaxPartitions
)

// An Object is a block or a filemark.
type Object struct {
	Filemark bool
	Data     []byte // of a block; valid until the next call
	Len      int64  // of a block of which Data is not read: see [Cartridge.Lengths]
	Sealed   bool   // as well: the block is encrypted
}

// Length is that of a block.
func (o Object) Length() int64 { return max(o.Len, int64(len(o.Data))) }

// A Reader reads a partition from its beginning.
type Reader interface {
	// Next returns what comes next; io.EOF: it was all. With a *LostError something is missing here, and the next call goes on
	// behind it.
	Next(ctx context.Context) (Object, error)
}

// A Writer writes a partition from its beginning.
type Writer interface {
	Block(ctx context.Context, data []byte) error // which is the caller's again when it returns
	Filemark(ctx context.Context) error
}

// A Source is a tape that can be read.
type Source interface {
	About() About
	// Reader is that of a partition. Partitions are read in their order, each once.
	Reader(ctx context.Context, partition int) (Reader, error)
	Close() error
}

// A Sink is where a tape can be written.
type Sink interface {
	// Begin says what comes. It is called first, and once.
	Begin(ctx context.Context, about About) error
	// Writer is that of a partition. Partitions are written in their order, each once: this ends the one before.
	Writer(ctx context.Context, partition int) (Writer, error)
	// End makes all of it durable. Without it what was written does not count.
	End(ctx context.Context) error
	// Close gives back what it has, after End or without it.
	Close() error
}

// About is what a tape is, as far as it is known.
type About struct {
	Barcode      string      `json:"barcode,omitempty"`
	Serial       string      `json:"serial,omitempty"`
	Format       string      `json:"format,omitempty"` // such as "L8"
	Maker        string      `json:"maker,omitempty"`
	Type         medium.Type `json:"type,omitempty"`
	Capacity     int64       `json:"capacity,omitempty"` // of all partitions; 0: not known
	WriteProtect bool        `json:"writeProtect,omitempty"`
	Partitions   []Partition `json:"partitions"` // at least one
}

// A Partition is what is said of one.
type Partition struct {
	Capacity   int64       `json:"capacity,omitempty"` // 0: not known
	Attributes []Attribute `json:"attributes,omitempty"`
}

// An Attribute is one of the cartridge's memory that a host has written.
type Attribute struct {
	ID     uint16 `json:"id"`
	Format byte   `json:"format"`
	Value  []byte `json:"value"`
}

// check holds that a has what a tape can have; it may be from a file.
func (a About) check() error {
	if n := len(a.Partitions); n < 1 || n > MaxPartitions {
		return fmt.Errorf("a tape with %d partitions: there are 1 to %d", n, MaxPartitions)
	}
	if a.Capacity < 0 {
		return errors.New("a tape with a capacity below 0")
	}
	for _, p := range a.Partitions {
		if p.Capacity < 0 {
			return errors.New("a partition with a capacity below 0")
		}
	}
	return nil
}

// A LostError says what could not be read.
type LostError struct {
	Partition int
	Object    uint64 // the first that is lost
	Count     uint64 // how many objects; 0: nobody knows, all that comes behind it
	Err       error
}

func (e *LostError) Error() string {
	switch e.Count {
	case 0:
		return fmt.Sprintf("partition %d, from object %d on: %v", e.Partition, e.Object, e.Err)
	case 1:
		return fmt.Sprintf("partition %d, object %d: %v", e.Partition, e.Object, e.Err)
	}
	return fmt.Sprintf("partition %d, objects %d to %d: %v", e.Partition, e.Object, e.Object+e.Count-1, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// MaxLost is how many losses a Report lists; more are counted.
const MaxLost = 1000

// A Report is what was copied.
type Report struct {
	Partitions int
	Blocks     uint64
	Filemarks  uint64
	Bytes      uint64
	Losses     uint64
	Lost       []*LostError // the first of them
}

// Copy copies a tape. With salvage what cannot be read is left out, and reported; without it ends the copy.
func Copy(ctx context.Context, to Sink, from Source, salvage bool) (Report, error) {
	var r Report
	about := from.About()
	if err := to.Begin(ctx, about); err != nil {
		return r, err
	}
	for p := range about.Partitions {
		in, err := from.Reader(ctx, p)
		if err != nil {
			return r, err
		}
		out, err := to.Writer(ctx, p)
		if err != nil {
			return r, err
		}
		if err := r.partition(ctx, out, in, salvage); err != nil {
			return r, err
		}
		r.Partitions++
	}
	return r, to.End(ctx)
}

// partition copies one.
func (r *Report) partition(ctx context.Context, out Writer, in Reader, salvage bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		x, err := in.Next(ctx)
		var lost *LostError
		switch {
		case errors.As(err, &lost): // first of all, since it may wrap the end of some file
			if !salvage {
				return err
			}
			if r.Losses++; len(r.Lost) < MaxLost {
				r.Lost = append(r.Lost, lost)
			}
			if lost.Count == 0 {
				return nil
			}
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case x.Filemark:
			r.Filemarks++
			err = out.Filemark(ctx)
		default:
			r.Blocks++
			r.Bytes += uint64(len(x.Data))
			err = out.Block(ctx, x.Data)
		}
		if err != nil {
			return fmt.Errorf("behind %d blocks and %d filemarks: %w", r.Blocks, r.Filemarks, err)
		}
	}
}
