package bench

import (
	"fmt"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// A Unit is what a logical unit says of itself.
type Unit struct {
	Size  int64 // bytes
	Block int   // bytes
}

// look waits until a unit is ready, and asks for its size. do executes one command; a status that is not GOOD is an error.
func look(do func(cdb, in []byte) (int, error)) (u Unit, err error) {
	for range 10 { // each attention is told once
		if _, err = do(cdb.AppendTestUnitReady(nil), nil); scsi.SenseOf(err).Key != scsi.KeyUnitAttention {
			break
		}
	}
	if err != nil {
		return u, err
	}
	b := make([]byte, page.Capacity16Len)
	n, err := do(cdb.ReadCapacity{Opcode: scsi.OpServiceActionIn16, Allocation: page.Capacity16Len}.Append(nil), b)
	if err != nil {
		return u, fmt.Errorf("READ CAPACITY(16): %w", err)
	}
	x, err := page.ParseCapacity16(b[:n])
	if err != nil {
		return u, err
	}
	u = Unit{Size: int64(x.Last+1) * int64(x.BlockSize), Block: int(x.BlockSize)}
	if x.BlockSize < 512 || x.BlockSize > 1<<16 || x.BlockSize&(x.BlockSize-1) != 0 || x.Last >= 1<<63/uint64(x.BlockSize)-1 {
		return u, fmt.Errorf("a unit of %d blocks of %d bytes is not one that can be measured", x.Last+1, x.BlockSize)
	}
	return u, nil
}

// cdb appends the command that j is, on a unit with blocks of so many bytes.
func (j *Job) cdb(dst []byte, block int) []byte {
	x := cdb.ReadWrite{Opcode: scsi.OpRead10, LBA: uint64(j.Off / int64(block)), Blocks: uint32(len(j.Buf) / block)}
	long := x.LBA > 1<<32-1 || x.Blocks > 1<<16-1
	switch {
	case j.Write && long:
		x.Opcode = scsi.OpWrite16
	case j.Write:
		x.Opcode = scsi.OpWrite10
	case long:
		x.Opcode = scsi.OpRead16
	}
	return x.Append(dst)
}
