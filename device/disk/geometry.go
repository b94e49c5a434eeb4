package disk

import (
	"math/bits"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi/cdb"
)

// A geometry says how the bytes of a store are blocks of a medium. Only a [Resizing] changes their
// number; all else is set once.
type geometry struct {
	blockSize int64
	shift     uint          // log2 of blockSize
	size      atomic.Int64  // in bytes: what is shown of the store
	count     atomic.Uint64 // of logical blocks: those that are whole in size
}

func (g *geometry) init(blockSize int, bytes int64) {
	g.blockSize, g.shift = int64(blockSize), uint(bits.TrailingZeros(uint(blockSize)))
	g.show(bytes)
}

// show makes the medium so many bytes long. It reports whether the number of blocks is another.
func (g *geometry) show(bytes int64) bool {
	g.size.Store(bytes)
	blocks := g.whole(bytes)
	return g.count.Swap(blocks) != blocks
}

// whole is how many blocks there are in so many bytes: a rest does not count.
func (g *geometry) whole(bytes int64) uint64 { return uint64(bytes) >> g.shift }

// bytes is how long so many blocks are.
func (g *geometry) bytes(blocks uint64) int64 { return int64(blocks << g.shift) }

// lba is the block that byte off of the store lies in.
func (g *geometry) lba(off int64) uint64 { return uint64(off) >> g.shift }

// blocks is the number of logical blocks.
func (g *geometry) blocks() uint64 { return g.count.Load() }

// contains reports that the medium has all of a range.
func (g *geometry) contains(lba, blocks uint64) bool { return cdb.RangeOK(lba, blocks, g.blocks()) }

// up rounds a number of bytes up to whole blocks, and down to them.
func (g *geometry) up(n int64) int64   { return (n + g.blockSize - 1) &^ (g.blockSize - 1) }
func (g *geometry) down(n int64) int64 { return n &^ (g.blockSize - 1) }
