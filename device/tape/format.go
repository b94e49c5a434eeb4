package tape

import (
	"slices"

	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// What FORMAT MEDIUM makes.
const (
	formatDefault   = 0 // one partition
	formatPartition = 1 // those of page 11h
	formatBoth      = 2
)

// formatMedium is FORMAT MEDIUM.
func (d *Drive) formatMedium(t *target.Task) {
	c, err := cdb.ParseFormatMedium(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Format > formatBoth:
		d.Fail(t, scsi.InvalidFieldInCDB(2, 3))
	case c.Length != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(3, -1))
	default:
		d.inTurn(t, d.ways.formatMedium)
	}
}

// formatInTurn is its step.
func (d *Drive) formatInTurn(t *target.Task) {
	if !d.begins(t, formatting) {
		return
	}
	defer d.doing.end()
	c, _ := cdb.ParseFormatMedium(t.CDB)
	s, k := d.settings.get(), &d.cartridge
	if !d.mayReshape(t, s) {
		return
	}
	capacity := k.tape.Capacity() // what SET CAPACITY has set stays
	sizes := []int64{capacity}
	if c.Format != formatDefault {
		var ok bool
		if sizes, ok = d.sizes(s.Plan, capacity); !ok {
			d.Fail(t, scsi.InvalidFieldInCDB(2, 3))
			return
		}
	}
	d.answer(t, c.Immed, func() error {
		return d.reshape(func() error { return k.tape.Format(d.life, sizes) })
	})
}

// mayReshape reports that the medium may be made anew, and that the position is where that begins; if not t is answered.
func (d *Drive) mayReshape(t *target.Task, s *setting) bool {
	k := &d.cartridge
	why := d.protected(s)
	switch {
	case !why.IsZero():
		d.alert(alert.WriteProtect)
	case k.label.Type == medium.WORM:
		d.alert(alert.WORMOverwrite)
		why = scsi.DataProtect(scsi.ASCWORMOverwriteAttempted)
	case k.partition != 0 || k.at.Object != 0:
		why = scsi.IllegalRequest(scsi.ASCPositionPastBeginning)
	case s.AppendOnly && k.allowed.what != cdb.OverwriteFormat:
		why = scsi.DataProtect(scsi.ASCWORMOverwriteAttempted)
	default:
		return d.settled(t)
	}
	d.Fail(t, why)
	return false
}

// reshape lets work make the partitions of the medium anew, and goes to the beginning.
func (d *Drive) reshape(work func() error) error {
	k := &d.cartridge
	err := work()
	if err == nil {
		k.tape.SetUsage(func(u *medium.Usage) { u.Initializations++ })
		d.changes()
		err = d.durable(d.life)
	}
	d.follow(k.tape)
	d.thread()
	d.noteAll()
	if err != nil {
		return d.writeError(err)
	}
	return nil
}

// sizes are those of the partitions that p asks for, of so much in all; false: there cannot be such.
func (d *Drive) sizes(p plan, capacity int64) ([]int64, bool) {
	n := p.Additional + 1
	if n > d.cfg.Model.Partitions || n > medium.MaxPartitions || n < 1 {
		return nil, false
	}
	all := make([]int64, n)
	switch {
	case n == 1:
		return []int64{capacity}, true
	case p.Sizes == nil:
		// The first is what is left, and the others are small: programs keep an index there.
		small := capacity / 20
		for i := 1; i < n; i++ {
			all[i] = small
		}
		all[0] = capacity - small*int64(n-1)
		return all, true
	case len(p.Sizes) < n:
		return nil, false
	}
	copy(all, p.Sizes)
	rest := slices.Index(all, -1)
	left := capacity
	for i, size := range all {
		if i == rest {
			continue
		}
		if size <= 0 || size > left {
			return nil, false
		}
		left -= size
	}
	if rest >= 0 {
		if left == 0 {
			return nil, false
		}
		all[rest] = left
	}
	return all, true
}

// least is the least proportion of its capacity that a cartridge can be made to have, as a real drive has it; less is raised.
const least = 0x1055

// setCapacity is SET CAPACITY.
func (d *Drive) setCapacity(t *target.Task) {
	if _, err := cdb.ParseSetCapacity(t.CDB); err != nil {
		d.FailWith(t, err)
		return
	}
	d.inTurn(t, d.ways.setCapacity)
}

// capacityInTurn is its step.
func (d *Drive) capacityInTurn(t *target.Task) {
	if !d.begins(t, formatting) {
		return
	}
	defer d.doing.end()
	c, _ := cdb.ParseSetCapacity(t.CDB)
	s, k := d.settings.get(), &d.cartridge
	if !d.mayReshape(t, s) {
		return
	}
	n := int64(float64(k.label.Capacity) / 0xffff * float64(max(c.Proportion, least)))
	if c.Proportion == 0xffff {
		n = k.label.Capacity
	}
	d.answer(t, c.Immed, func() error {
		return d.reshape(func() error { return k.tape.SetCapacity(d.life, n) })
	})
}
