package tape

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// RECOVER BUFFERED DATA(6) (SSC-5 7.8): objects that were buffered, and could not be written, are read back in the order in which they
// were written (RBO is 0), once an initiator has been told that they are lost. They are there until the next command that moves
// the medium. Blocks that would have been encrypted are not kept: they are for their initiator's key alone.

// A retained is what of a job is not on the medium: blocks of one length as they came, with their guards, or filemarks.
type retained struct {
	data   *buffer.Lease // nil: filemarks
	off    int64         // of the first block in data
	length int64         // of each
	count  uint64
}

// keep returns what of j is not written, and takes its data for that; false: nothing can be had of it.
func (j *job) keep(written uint64) (retained, bool) {
	k := retained{count: j.objects - written}
	if k.count == 0 || j.marks > 0 {
		return k, k.count > 0
	}
	first := &j.blocks[0]
	if first.Cipher != nil {
		return retained{}, false
	}
	k.length = j.data.Len() / int64(j.objects)
	k.off = int64(written) * k.length
	k.data, j.data = j.data, nil
	return k, true
}

// forget gives back what is kept for RECOVER BUFFERED DATA.
func (c *cartridge) forget() {
	for _, k := range c.kept {
		if k.data != nil {
			k.data.Release()
		}
	}
	c.kept = nil
}

// recovered takes the next object that is kept, and reads up to n bytes of it to off of l.
func (d *Drive) recovered(l *buffer.Lease, off, n int64) (got int64, o outcome) {
	c := &d.cartridge
	if len(c.kept) == 0 {
		s := endOfData()
		s.Key, s.EOM = scsi.KeyNoSense, true
		return 0, outcome{sense: s}
	}
	k := &c.kept[0]
	if k.data != nil {
		for got < min(n, k.length) {
			from := k.data.At(k.off + got)
			got += int64(l.Copy(off+got, from[:min(int64(len(from)), min(n, k.length)-got)]))
		}
		k.off += k.length
		o = outcome{length: k.length, moved: true}
	} else {
		o = outcome{sense: filemark()}
	}
	if k.count--; k.count == 0 {
		if k.data != nil {
			k.data.Release()
		}
		c.kept = c.kept[1:]
	}
	return got, o
}

// recoverBlock is recovered for a command for one block of any length.
func (d *Drive) recoverBlock(t *target.Task) (*buffer.Lease, outcome) {
	n := t.Work.Len
	if c := &d.cartridge; len(c.kept) > 0 {
		n = min(n, c.kept[0].length)
	}
	l, err := t.Memory(max(n, 1))
	if err != nil {
		return nil, outcome{err: err}
	}
	_, o := d.recovered(l, 0, n)
	if !o.moved {
		l.Release()
		l = nil
	}
	return l, o
}
