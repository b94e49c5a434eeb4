package tape

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/device/kept"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/device/tape/encryption"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/device/timestamp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// pages is what the pages of a drive need that is no state of another part of it.
type pages struct {
	flags   alert.Flags
	keys    *encryption.Keys // nil: the drive does not encrypt
	clock   *timestamp.Clock
	echo    echoes
	mounted atomic.Pointer[mounted] // never nil; what was counted before the medium that is loaded
	// planned says that MODE SELECT has changed page 11h since a medium was loaded or formatted: the page is as it was set.
	planned atomic.Bool
	errors  errorBase
	changed bool // something was written since the medium was loaded. Its owner has the turn
}

// mounted is what a medium and the drive had counted when the medium was loaded, or when the last one left.
type mounted struct {
	loaded                               bool
	usage                                medium.Usage
	fromHost, toHost, toTape, fromTape   uint64
	writeErrors, readErrors, cleanedSome uint64
}

// pageCommands are the commands that do not move the medium.
func (d *Drive) pageCommands() []device.Command {
	rows := []device.Command{
		{Op: scsi.OpReportDensitySupport, Access: reserve.Probing, Run: d.reportDensity},
		{Op: scsi.OpWriteAttribute, Access: reserve.Writing, Order: target.Reads, Medium: true, Run: d.writeAttribute},
		{Op: scsi.OpReceiveDiagnostic, Access: reserve.Parameters, Run: d.receiveDiagnostic},
		{Op: scsi.OpReadBuffer, Access: reserve.Probing, Run: d.readBuffer},
		{Op: scsi.OpWriteBuffer, Access: reserve.Writing, Order: target.Reads, Run: d.writeBuffer},
	}
	rows = append(rows, d.pages.clock.Commands(reserve.Unfenced)...)
	for _, a := range []scsi.ServiceAction{scsi.ActionAttributeValues, scsi.ActionAttributeList, scsi.ActionVolumeList,
		scsi.ActionPartitionList, scsi.ActionSupportedAttributes} {
		rows = append(rows, device.Command{Op: scsi.OpReadAttribute, Action: a, Access: reserve.Probing, Medium: true, Run: d.readAttribute})
	}
	if d.cfg.Model.Encryption != 0 {
		rows = append(rows,
			device.Command{Op: scsi.OpSecurityProtocolIn, Access: reserve.Probing, Run: d.securityIn},
			device.Command{Op: scsi.OpSecurityProtocolOut, Access: reserve.Writing, Order: target.Reads, Run: d.securityOut})
	}
	return rows
}

// pageConfig adds pages and what else the server is made of.
func (d *Drive) pageConfig(c *device.Config) {
	d.pages.mounted.Store(&mounted{})
	if m := &d.cfg.Model; m.Encryption != 0 {
		d.pages.keys = encryption.New(encryption.Config{
			Algorithm: m.Encryption, UKAD: m.UKAD, AKAD: m.AKAD,
			Announce: func(a scsi.ASC, x *target.ITL) { d.Announce(a, x) },
			Reserved: func(x *target.ITL) bool { return d.HoldsReservation(x) },
		})
		d.encryptor = d.pages.keys
	}
	c.Inquiry, c.Extended, c.Designator, c.VPD = d.shapeInquiry, d.shapeExtended, designator, d.vpd()
	c.Modes = d.modePages()
	c.ModeParameter, c.SetModeParameter, c.CheckModeParameter = d.modeParameter, d.setModeParameter, checkModeParameter
	c.MediumType = d.mediumType
	c.Block, c.SetBlock, c.ShortBlock, c.BareMode = d.blockDescriptor, d.setBlock, true, true
	c.Logs = d.logPages()
	c.Timeouts = timeouts
	if d.cfg.Modes != nil && c.ModeKeeper == nil {
		c.ModeKeeper = kept.Modes{Record: d.cfg.Modes}
	}
}

// mediumLoaded is called by who has the turn when a medium has been threaded, before anybody sees it.
func (d *Drive) mediumLoaded(t medium.Tape) {
	d.count(true, t.Usage())
	d.follow(t)
	d.pages.changed = false
}

// changes is called by who has the turn before it writes, or what it has written is made durable: with the first change after a
// load the VOLUME CHANGE REFERENCE VALUE of the medium is another.
func (d *Drive) changes() {
	if !d.pages.changed {
		d.pages.changed = true
		d.cartridge.tape.SetUsage(func(u *medium.Usage) { u.ChangeReference++ })
	}
}

// mediumUnloaded is called by who has the turn before a medium that can be used leaves.
func (d *Drive) mediumUnloaded(medium.Tape) {
	d.count(false, medium.Usage{})
	if d.pages.keys != nil {
		d.pages.keys.Demounted()
	}
	d.pages.planned.Store(false)
	d.settings.set(func(s *setting) { s.AssociatedWP = false; s.Plan = d.planOf(view{}) })
}

// follow makes page 11h say what partitions t has.
func (d *Drive) follow(t medium.Tape) {
	v := view{loaded: true}
	for i := range t.Partitions() {
		v.rooms = append(v.rooms, t.Head(i).Room())
	}
	d.pages.planned.Store(false)
	d.settings.set(func(s *setting) { s.Plan = d.planOf(v) })
}

// count begins to count for a medium that is loaded now, or for none.
func (d *Drive) count(loaded bool, u medium.Usage) {
	c := &d.counters
	d.pages.mounted.Store(&mounted{
		loaded: loaded, usage: u, fromHost: c.fromHost.Load(), toHost: c.toHost.Load(), toTape: c.toTape.Load(), fromTape: c.fromTape.Load(),
		writeErrors: c.writeErrors.Load(), readErrors: c.readErrors.Load(),
	})
}

// alert sets a TapeAlert flag.
func (d *Drive) alert(flag int) { d.pages.flags.Set(flag) }

// alerts are the flags that are set.
func (d *Drive) alerts() []int { return d.pages.flags.List() }

// pagesReset is what a reset of the unit undoes, beside mode pages.
func (d *Drive) pagesReset() {
	if d.pages.keys != nil {
		d.pages.keys.Reset()
	}
	on, v := powerOn(&d.cfg), d.look()
	d.pages.planned.Store(false)
	d.settings.set(func(s *setting) {
		s.BlockLength, s.Density, s.Buffered = on.BlockLength, on.Density, on.Buffered
		s.Plan = d.planOf(v)
	})
}

// nexusLost is told of the end of a nexus.
func (d *Drive) nexusLost(x *target.ITL) {
	d.pages.flags.Detach(x)
	d.pages.echo.forget(x)
	if d.pages.keys != nil {
		d.pages.keys.Detached(x)
	}
}

// maxParameterList is the longest parameter list that a command of a drive may have.
const maxParameterList = 64 << 10

// noKeys is a drive without encryption.
type noKeys struct{}

func (noKeys) Cipher(*target.ITL) (medium.Cipher, error) { return nil, nil }
func (noKeys) Opener(*target.ITL) medium.Opener          { return nil }
func (noKeys) Overhead(*target.ITL) int64                { return 0 }
func (noKeys) Refuses(_ *target.ITL, o medium.Object) scsi.Sense {
	if o.Sealed {
		return scsi.DataProtect(scsi.ASCUnableToDecryptData)
	}
	return scsi.Sense{}
}

// designator names the drive as READ ELEMENT STATUS of its library does.
func designator(id scsi.Identity) page.Designator {
	return page.T10FieldsDesignator(id.Vendor, id.Product, id.Serial)
}
