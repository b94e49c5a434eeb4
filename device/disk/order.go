package disk

import (
	"math"

	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// How the commands of the medium stand to each other: a column of the table. What a CDB does not
// say is all of the medium; one that is wrong has no extent, since its command fails.

// everything is an extent that overlaps all others.
func everything(class target.Class) func([]byte) target.Order {
	return func([]byte) target.Order { return target.Order{Class: class, Blocks: math.MaxUint64} }
}

func transferOrder(class target.Class) func([]byte) target.Order {
	return func(b []byte) target.Order {
		c, _ := cdb.ParseReadWrite(b)
		return target.Order{Class: class, First: c.LBA, Blocks: uint64(c.Blocks)}
	}
}

func verifyOrder(class target.Class) func([]byte) target.Order {
	return func(b []byte) target.Order {
		c, _ := cdb.ParseVerify(b)
		return target.Order{Class: class, First: c.LBA, Blocks: uint64(c.Blocks)}
	}
}

func sameOrder(b []byte) target.Order {
	c, _ := cdb.ParseWriteSame(b)
	return target.Order{Class: target.Writes, First: c.LBA, Blocks: uint64(c.Blocks)}
}

func compareOrder(b []byte) target.Order {
	c, _ := cdb.ParseCompareAndWrite(b)
	return target.Order{Class: target.Atomic, First: c.LBA, Blocks: uint64(c.Blocks)}
}
