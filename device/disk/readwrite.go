package disk

import (
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// read is READ(6), (10), (12) and (16) (SBC-4 5.10 to 5.14).
func (d *Disk) read(t *target.Task) {
	c, err := cdb.ParseReadWrite(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	if !d.transfer(t, c.LBA, uint64(c.Blocks), c.Protect) {
		return
	}
	n := d.roomFor(t)
	if n == 0 {
		t.Respond(target.Response{Moves: t.Work.Len})
		return
	}
	if c.FUA && d.volatile {
		t.Work.Flags |= durable
	}
	d.path.read(t, n)
}

// write is WRITE(6), (10), (12) and (16) (SBC-4 5.36 to 5.39).
func (d *Disk) write(t *target.Task) {
	if n := d.incoming(t); n > 0 {
		d.path.write(t, n)
	}
}

// incoming checks a command that writes what it brings, with the CDB of a WRITE, and returns how many
// bytes that are. It returns 0 for a command that has ended: it is wrong, or brings nothing.
func (d *Disk) incoming(t *target.Task) int64 {
	c, err := cdb.ParseReadWrite(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return 0
	}
	if !d.transfer(t, c.LBA, uint64(c.Blocks), c.Protect) || !d.writable(t) {
		return 0
	}
	n, ok := d.supply(t)
	switch {
	case !ok:
		return 0
	case n == 0:
		t.Respond(target.Response{Moves: t.Work.Len})
	case d.durably(t, c.FUA):
		t.Work.Flags |= durable
	}
	return n
}
