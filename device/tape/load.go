package tape

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// Errors of Unload and Load.
var (
	ErrPrevented = errors.New("an initiator prevents the removal of the medium")
	ErrFull      = errors.New("there is a cartridge in the drive")
)

// maxCleanings is how often a cleaning cartridge can be used.
const maxCleanings = 50

// Load takes t, and tells initiators that the medium may have changed. One that the drive cannot use is loaded too: the drive
// then says why it cannot be used, and Status does. After an error t is still the caller's.
func (d *Drive) Load(ctx context.Context, t medium.Tape) error {
	if err := d.haveTurn(ctx); err != nil {
		return err
	}
	defer d.passTurn()
	if d.cartridge.tape != nil {
		return ErrFull
	}
	d.doing.begin(loading)
	defer d.doing.end()
	d.insert(t)
	d.Announce(scsi.ASCMediumMayHaveChanged, nil)
	return nil
}

// insert makes t the cartridge of the drive, which is empty, and threads it.
func (d *Drive) insert(t medium.Tape) {
	d.cartridge, d.left = cartridge{tape: t, label: t.Label()}, cartridge{}
	c := &d.cartridge
	d.pages.flags.Changed()
	for _, r := range t.Recovered() {
		d.warn("the cartridge was not closed", fmt.Errorf("%s, partition %d: %d objects found again, %d bytes after them are no objects", c.label.Barcode, r.Partition, r.Objects, r.Cut))
	}
	switch c.problem = d.suits(c); {
	case c.label.Type == medium.Cleaning:
		d.counters.loads.Add(1)
		d.clean()
	case !c.problem.IsZero():
		d.counters.loads.Add(1)
		d.alert(alert.UnsupportedFormat)
	default:
		d.mount()
	}
	d.noteAll()
}

// mount threads the cartridge, which can be used, and counts that.
func (d *Drive) mount() {
	c := &d.cartridge
	d.counters.loads.Add(1)
	d.thread()
	c.tape.SetUsage(func(u *medium.Usage) {
		u.Loads++
		u.WrittenNow, u.ReadNow = 0, 0
		u.Drives = append([]string{d.name()}, u.Drives...)
		u.Drives = u.Drives[:min(len(u.Drives), 4)]
	})
	if !c.use.Write {
		d.alert(alert.ReadOnlyFormat)
	}
	d.mediumLoaded(c.tape)
	d.watchDisk()
}

// name is the drive in the memory of a cartridge: vendor, and serial number.
func (d *Drive) name() string {
	return fmt.Sprintf("%-8s%-32s", d.cfg.Identity.Vendor, d.cfg.Identity.Serial)
}

// suits finds what the drive can do with the cartridge, and says why nothing, if so.
func (d *Drive) suits(c *cartridge) scsi.Sense {
	if c.label.Type == medium.Cleaning {
		return scsi.Sense{}
	}
	i := slices.IndexFunc(d.cfg.Model.Formats, func(f personality.DriveFormat) bool { return f.Format == c.label.Format })
	k := slices.IndexFunc(d.cfg.Formats, func(f personality.Format) bool { return f.Name == c.label.Format })
	if i < 0 || k < 0 {
		return scsi.NewSense(scsi.KeyMediumError, scsi.ASCIncompatibleFormat)
	}
	c.use, c.format = d.cfg.Model.Formats[i], &d.cfg.Formats[k]
	if c.label.Type == medium.WORM && !d.cfg.Model.WORM {
		return scsi.NewSense(scsi.KeyMediumError, scsi.ASCIncompatibleMedium)
	}
	return scsi.Sense{}
}

// thread makes the beginning of the first partition the place of the head.
func (d *Drive) thread() {
	c := &d.cartridge
	c.threaded, c.allowed = true, allowed{}
	d.enter(0)
	c.partition, c.warned, c.synced = 0, false, false
	if err := d.rewind(d.life); err != nil {
		d.cartridge.problem = scsi.SenseOf(err)
	}
}

// clean lets a cleaning cartridge do its work, once. After it the cartridge is seated, but not threaded.
func (d *Drive) clean() {
	c := &d.cartridge
	c.threaded = false
	if c.tape.Usage().Cleanings >= maxCleanings {
		d.alert(alert.ExpiredCleaning)
		c.problem = scsi.NotReady(scsi.ASCCleaningFailure)
		return
	}
	d.alert(alert.CleaningMedia)
	d.counters.cleanings.Add(1)
	c.tape.SetUsage(func(u *medium.Usage) { u.Loads++; u.Cleanings++ })
	if err := d.durable(d.life); err != nil {
		d.warn("a cleaning was not counted", err)
	}
	c.problem = scsi.NotReady(scsi.ASCCleaningCartridge)
}

// Unload gives the cartridge back, synchronized but not closed; nil: there is none. It waits for its turn. ErrPrevented: an
// initiator prevents it, and force is not set. After another error the cartridge stays, unless force is set: then it is returned
// with the error. The caller closes it, or brings it back with Release.
func (d *Drive) Unload(ctx context.Context, force bool) (medium.Tape, error) {
	if err := d.haveTurn(ctx); err != nil {
		return nil, err
	}
	defer d.passTurn()
	c := &d.cartridge
	switch {
	case c.tape == nil:
		return nil, nil
	case !force && d.prevents.any():
		d.counters.prevented.Add(1)
		d.alert(alert.NoRemoval)
		return nil, ErrPrevented
	}
	d.doing.begin(unloading)
	defer d.doing.end()
	err := d.park(ctx)
	if err != nil && (!force || c.writing) {
		d.noteAll()
		return nil, err
	}
	t := c.tape
	c.forget()
	d.left, d.cartridge = d.cartridge, cartridge{}
	d.noteAll()
	return t, err
}

// park makes the cartridge ready to leave. An error says that data is lost, or not durable.
func (d *Drive) park(ctx context.Context) error {
	c := &d.cartridge
	err := d.settle(ctx)
	if c.writing {
		return err // the writer has the head
	}
	if c.threaded && c.problem.IsZero() {
		d.mediumUnloaded(c.tape)
	}
	if e := d.durable(ctx); e != nil && err == nil {
		err = d.writeError(e)
	}
	if s := c.deferred; !s.IsZero() { // nothing is lost by it: a command that was answered before has not found its place
		d.warn("nobody has asked how a command ended that was answered before", s)
	}
	c.deferred = scsi.Sense{}
	return err
}

// Release undoes Unload: t, which that has returned, is in the drive again as it was, and nobody is told.
func (d *Drive) Release(t medium.Tape) {
	if d.haveTurn(d.life) != nil {
		return
	}
	defer d.passTurn()
	if d.cartridge.tape != nil || t == nil {
		return
	}
	if d.left.tape == t {
		d.cartridge, d.left = d.left, cartridge{}
		d.noteAll()
		return
	}
	d.insert(t)
}

// closeMedium gives the cartridge back at the end.
func (d *Drive) closeMedium() error {
	if err := d.haveTurn(d.life); err != nil {
		return err
	}
	defer d.passTurn()
	c := &d.cartridge
	if c.tape == nil {
		return nil
	}
	err := errors.Join(d.park(d.life), c.tape.Close())
	c.forget()
	d.cartridge = cartridge{}
	d.noteAll()
	return err
}

// Status says what the drive has and does, at any time, without waiting for its turn.
func (d *Drive) Status() Status {
	v := d.look()
	s := Status{
		Loaded: v.loaded, Threaded: v.threaded, Prevented: d.prevents.any(), Barcode: v.label.Barcode,
		Activity: d.doing.now().String(), Partition: v.partition, Position: v.position,
		Written: d.counters.fromHost.Load(), Read: d.counters.toHost.Load(), Stored: d.counters.toTape.Load(),
		Alerts: d.alerts(),
	}
	if !v.problem.IsZero() {
		s.Problem = v.problem.ASC.String()
	}
	return s
}

// loadUnload is LOAD UNLOAD. Without LOAD the medium is not threaded any more, but in the drive: the robot, or LOAD, may have it.
func (d *Drive) loadUnload(t *target.Task) {
	c, err := cdb.ParseLoadUnload(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.AtEnd && c.Load, c.AtEnd && c.Hold:
		d.Fail(t, scsi.InvalidFieldInCDB(4, 2))
	default:
		d.inTurn(t, d.ways.loadUnload)
	}
}

// loadUnloadInTurn is its step.
func (d *Drive) loadUnloadInTurn(t *target.Task) {
	c, _ := cdb.ParseLoadUnload(t.CDB)
	k := &d.cartridge
	defer d.doing.end()
	switch {
	case k.tape == nil:
		d.Fail(t, scsi.NotReady(scsi.ASCMediumNotPresent))
	case c.Load && (!k.problem.IsZero() || k.label.Type == medium.Cleaning):
		why, _ := d.ready(t.ITL())
		d.Fail(t, why)
	case !c.Load && d.prevents.any():
		d.counters.prevented.Add(1)
		d.alert(alert.NoRemoval)
		d.Fail(t, scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented))
	case c.Load:
		x := t.ITL()
		d.doing.begin(loading)
		if !d.settled(t) {
			return
		}
		d.answer(t, c.Immed, func() error {
			if k.threaded {
				d.enter(0)
				return d.rewind(d.life)
			}
			d.mount()
			d.noteAll()
			d.Announce(scsi.ASCMediumMayHaveChanged, x)
			return nil
		})
	default:
		d.doing.begin(unloading)
		if err := d.park(d.life); err != nil {
			d.FailWith(t, err)
			return
		}
		d.answer(t, c.Immed, func() error {
			k.threaded = false
			k.forget()
			d.noteAll()
			return nil
		})
	}
}
