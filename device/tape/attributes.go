package tape

import (
	"errors"
	"slices"

	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// readAttribute is READ ATTRIBUTE (SPC-5 6.20): the memory of the cartridge that is loaded.
func (d *Drive) readAttribute(t *target.Task) {
	c, err := cdb.ParseReadAttribute(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Volume != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(5, -1))
	default:
		d.inTurn(t, d.readAttributeInTurn)
	}
}

// remembers reports that there is a medium whose memory t may use, with such a partition; if not t is answered, with at being where
// its CDB names the partition. It is the turn of t.
func (d *Drive) remembers(t *target.Task, partition uint8, at int) bool {
	if why, ok := d.ready(t.ITL()); !ok { // it has left since
		d.Fail(t, why)
		return false
	}
	if int(partition) >= d.cartridge.tape.Partitions() {
		d.Fail(t, scsi.InvalidFieldInCDB(at, -1))
		return false
	}
	return true
}

func (d *Drive) readAttributeInTurn(t *target.Task) {
	c, _ := cdb.ParseReadAttribute(t.CDB)
	if !d.remembers(t, c.Partition, 7) {
		return
	}
	tape := d.cartridge.tape
	switch c.Action {
	case scsi.ActionVolumeList:
		d.Reply(t, []byte{0, 2, 0, 1}, c.Allocation)
		return
	case scsi.ActionPartitionList:
		d.Reply(t, []byte{0, 2, 0, byte(tape.Partitions())}, c.Allocation)
		return
	case scsi.ActionSupportedAttributes:
		d.Reply(t, identifiers(supportedAttributes(), c.First), c.Allocation)
		return
	}
	all := d.attributes(int(c.Partition))
	if c.Action == scsi.ActionAttributeList {
		ids := make([]uint16, len(all))
		for i, a := range all {
			ids[i] = a.ID
		}
		d.Reply(t, identifiers(ids, c.First), c.Allocation)
		return
	}
	first := slices.IndexFunc(all, func(a cdb.Attribute) bool { return a.ID == c.First })
	if first < 0 {
		d.Fail(t, scsi.InvalidFieldInCDB(8, -1))
		return
	}
	d.Reply(t, cdb.AppendAttributes(nil, all[first:]...), c.Allocation)
}

// identifiers are a list of those from first on.
func identifiers(ids []uint16, first uint16) []byte {
	list := []byte{0, 0, 0, 0}
	for _, id := range ids {
		if id >= first {
			list = append(list, byte(id>>8), byte(id))
		}
	}
	copy(list, number(4, uint64(len(list)-4)))
	return list
}

// writeAttribute is WRITE ATTRIBUTE (SPC-5 6.44): all attributes of a list, or none. The tab of a
// cartridge protects its memory too.
func (d *Drive) writeAttribute(t *target.Task) {
	c, err := cdb.ParseWriteAttribute(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Volume != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(5, -1))
	case c.Length == 0:
		d.Good(t)
	case c.Length > maxParameterList:
		d.Fail(t, scsi.InvalidFieldInCDB(10, -1))
	default:
		d.ReceiveList(t, int64(c.Length), func(t *target.Task, list []byte) {
			d.inTurn(t, func(t *target.Task) { d.writeAttributes(t, c.Partition, list) })
		})
	}
}

// writeAttributes is its step.
func (d *Drive) writeAttributes(t *target.Task, partition uint8, given []byte) {
	if !d.remembers(t, partition, 7) {
		return
	}
	list, err := cdb.ParseAttributeList(given)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	var set []medium.Attribute
	for a := range list.All() {
		if at, ok := writable(a); !ok {
			d.Fail(t, scsi.InvalidFieldInParameterList(a.Offset+at, -1))
			return
		}
		set = append(set, medium.Attribute{ID: a.ID, Format: a.Format, Value: slices.Clone(a.Value)})
	}
	tape := d.cartridge.tape
	if d.memoryUsed(int(partition), set) > d.memory() {
		d.Fail(t, scsi.IllegalRequest(scsi.ASCAuxiliaryMemoryOutOfSpace))
		return
	}
	switch err := tape.SetAttributes(int(partition), set); {
	case errors.Is(err, medium.ErrReadOnly):
		d.Fail(t, scsi.WriteProtected())
	case err != nil:
		d.FailWith(t, d.writeError(err))
	default:
		d.Used(t, len(given))
	}
}

// reservedMemory is how much of a memory is not for hosts: what the drive and the maker keep there.
const reservedMemory = 1024

// attributeOverhead is what an attribute takes of a memory beside its value.
const attributeOverhead = 5

// memorySize is how large the memory of the cartridge is. Its owner has the turn.
func (d *Drive) memorySize() int {
	if f := d.cartridge.format; f != nil && f.Memory > 0 {
		return f.Memory
	}
	return 4096
}

// memory is how much of it hosts have.
func (d *Drive) memory() int { return max(d.memorySize()-reservedMemory, 0) }

// memoryUsed is how much they use of it, when a partition also has what is set.
func (d *Drive) memoryUsed(partition int, set []medium.Attribute) (n int) {
	add := func(a medium.Attribute) {
		if len(a.Value) > 0 {
			n += attributeOverhead + len(a.Value)
		}
	}
	tape := d.cartridge.tape
	for p := range tape.Partitions() {
		for _, a := range tape.Attributes(p) {
			if p != partition || !slices.ContainsFunc(set, func(o medium.Attribute) bool { return o.ID == a.ID }) {
				add(a)
			}
		}
	}
	for _, a := range set {
		add(a)
	}
	return n
}
