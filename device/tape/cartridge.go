package tape

import (
	"context"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A cartridge is what is in the drive. Who has the turn owns it, but for what the writer and the reader borrow: the head.
type cartridge struct {
	tape     medium.Tape // nil: the drive is empty
	label    medium.Label
	format   *personality.Format
	use      personality.DriveFormat
	threaded bool
	problem  scsi.Sense // why it cannot be used

	partition int
	head      medium.Head
	at        medium.Position // behind what is written, also if that is in the buffer

	room        medium.Room // while the writer has the head: what the partition has
	writing     bool        // the last command was WRITE or WRITE FILEMARKS: the writer has the head
	wrote, read uint64      // bytes of blocks since the memory of the cartridge has counted them
	warned      bool        // programmable early warning was reported since the position came into its zone
	synced      bool        // what was in front of early warning is durable (SEW)
	allowed     allowed
	// deferred is the error of work that went on behind its command; the zero sense: there is none.
	deferred scsi.Sense
	kept     []retained // for RECOVER BUFFERED DATA

	unwatched uint64 // bytes that were written since the disk was looked at
	diskLow   bool   // as it was told
}

// allowed is what ALLOW OVERWRITE has allowed.
type allowed struct {
	what      uint8
	partition int
	object    uint64
}

// megabyte is what capacities are told in.
const megabyte = 1_000_000

// zones of a partition: where programmable early warning and early warning begin.
func (d *Drive) zones(r medium.Room) (programmable, warning int64) {
	if n := int64(d.settings.get().PEWS) * megabyte; n > 0 {
		return max(r.Warning-n, 0), r.Warning
	}
	return r.Warning, r.Warning
}

// settle ends what the writer and the reader do, so that the head is where the position says. Every command but WRITE, and READ
// that follows READ, begins with it. An error is that of data that is lost, or that ctx has ended: then the writer still has the head.
func (d *Drive) settle(ctx context.Context) error {
	c := &d.cartridge
	if c.tape == nil {
		return nil
	}
	err := d.reader.stop(c)
	if c.writing {
		lost, e := d.writer.drain(ctx)
		if e != nil {
			return target.ErrAborted
		}
		if lost.err != nil {
			err = errors.Join(err, d.lostSense(lost))
		}
		c.writing = false
		c.at = c.head.Position()
		d.noteRoom()
	}
	return err
}

// moved notes where the head is after it was moved by something else than writing.
func (d *Drive) moved() {
	c := &d.cartridge
	c.at = c.head.Position()
	if c.warned || c.synced {
		r := c.head.Room()
		programmable, warning := d.zones(r)
		c.warned = c.warned && r.Here >= programmable
		c.synced = c.synced && r.Here >= warning
	}
}

// enter makes a partition the one that commands are about.
func (d *Drive) enter(partition int) {
	c := &d.cartridge
	if partition != c.partition {
		c.partition, c.warned, c.synced = partition, false, false
	}
	c.head = c.tape.Head(partition)
}

// rewind goes to the beginning of the partition.
func (d *Drive) rewind(ctx context.Context) error {
	c := &d.cartridge
	if err := c.head.Locate(ctx, 0); err != nil && !errors.Is(err, medium.ErrEndOfData) {
		d.moved()
		return d.readError(err)
	}
	d.moved()
	return nil
}

// durable makes all durable that is on the medium, and what its memory counts.
func (d *Drive) durable(ctx context.Context) error {
	c := &d.cartridge
	if wrote, read := c.wrote, c.read; wrote|read != 0 {
		c.tape.SetUsage(func(u *medium.Usage) {
			u.Written, u.WrittenNow = u.Written+wrote, u.WrittenNow+wrote
			u.Read, u.ReadNow = u.Read+read, u.ReadNow+read
		})
		c.wrote, c.read = 0, 0
	}
	return c.tape.Sync(ctx)
}

// note shows where the drive is.
func (d *Drive) note() {
	c := &d.cartridge
	d.shown.mu.Lock()
	v := &d.shown.view
	v.partition, v.position = c.partition, c.at
	d.shown.mu.Unlock()
}

// noteRoom shows how full the partition is. Neither the writer nor the reader has the head.
func (d *Drive) noteRoom() {
	c := &d.cartridge
	r := c.head.Room()
	d.shown.mu.Lock()
	if c.partition < len(d.shown.view.rooms) {
		rooms := append([]medium.Room(nil), d.shown.view.rooms...) // who has looked has the old ones
		rooms[c.partition] = r
		d.shown.view.rooms = rooms
	}
	d.shown.mu.Unlock()
}

// noteAll shows all of the cartridge, and says what commands for the medium are answered. Neither the writer nor the reader has
// a head.
func (d *Drive) noteAll() {
	c := &d.cartridge
	v := view{loaded: c.tape != nil, threaded: c.threaded, label: c.label, problem: c.problem, format: c.format,
		partition: c.partition, position: c.at}
	switch {
	case c.tape == nil:
		v.label = medium.Label{}
		d.tell(scsi.NotReady(scsi.ASCMediumNotPresent))
	case !c.problem.IsZero():
		d.tell(c.problem)
	case !c.threaded:
		d.tell(scsi.NotReady(scsi.ASCInitializingCommandRequired))
	default:
		d.notReady.Store(nil)
	}
	if c.tape != nil {
		v.usage = c.tape.Usage()
		v.readOnly = c.format != nil && !c.use.Write
		if c.format != nil {
			if v.density = c.use.Density; v.density == 0 {
				v.density = c.format.Density
			}
		}
		if c.head != nil {
			for i := range c.tape.Partitions() {
				v.rooms = append(v.rooms, c.tape.Head(i).Room())
			}
		}
	}
	d.shown.mu.Lock()
	d.shown.view = v
	d.shown.mu.Unlock()
}

// tell lets commands for the medium fail with s.
func (d *Drive) tell(s scsi.Sense) { d.notReady.Store(&s) }

// rooms are those of all partitions, at any time: what is in the buffer counts as far as it is on the medium.
func (d *Drive) rooms() []medium.Room {
	v := d.look()
	rooms := append([]medium.Room(nil), v.rooms...)
	if here, ok := d.writer.reached(); ok && v.partition < len(rooms) {
		r := &rooms[v.partition]
		r.Here, r.Data = here, here
	}
	return rooms
}

// lostSense says how much was lost of what was buffered, and takes what of it is kept.
func (d *Drive) lostSense(l lost) error {
	d.cartridge.kept = append(d.cartridge.kept, l.kept...)
	err := d.writeError(l.err)
	if d.cfg.Log != nil {
		d.warn(fmt.Sprintf("%d bytes of %d objects that were buffered are lost", l.bytes, l.objects), l.err)
	}
	return informed(err, l.count())
}
