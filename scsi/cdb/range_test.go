package cdb_test

import (
	"math"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// The range is what the parser of the command says, for each of them.
func TestRange(t *testing.T) {
	for op := range 256 {
		op := scsi.Opcode(op)
		for _, n := range []uint32{0, 1, 7, 255} {
			x := cdb.ReadWrite{Opcode: op, LBA: 0x12345, Blocks: n}
			if cdb.UsageOf(op, 0) == "" {
				continue
			}
			c := x.Append(nil)
			r, err := cdb.ParseReadWrite(c)
			if err != nil {
				continue
			}
			if first, blocks := cdb.Range(c); first != r.LBA || blocks != uint64(r.Blocks) {
				t.Errorf("%x: %d blocks from %#x, want %d from %#x", c, blocks, first, r.Blocks, r.LBA)
			}
		}
	}
	for _, n := range []uint32{0, 5} {
		want := uint64(n)
		if n == 0 {
			want = math.MaxUint64 - 9
		}
		for _, op := range []scsi.Opcode{scsi.OpWriteSame10, scsi.OpWriteSame16, scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16} {
			c := cdb.ReadWrite{Opcode: op, LBA: 9, Blocks: n}.Append(nil)
			if first, blocks := cdb.RangeToEnd(c); first != 9 || blocks != want {
				t.Errorf("%x: %d blocks from %d", c, blocks, first)
			}
		}
	}
	c := cdb.CompareAndWrite{LBA: 1 << 40, Blocks: 3}.Append(nil)
	if first, blocks := cdb.CompareAndWriteRange(c); first != 1<<40 || blocks != 3 {
		t.Errorf("%x: %d blocks from %d", c, blocks, first)
	}
}
