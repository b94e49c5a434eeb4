package sgtest

import (
	"encoding/binary"
	"slices"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// A model is what tells device types apart. Its methods are called with the lock of the device.
type model interface {
	// commands are those of the type's own.
	commands() []command
	// pages are the mode pages as after power on.
	pages() []modePage
	// vpd is what follows the header of a page of the type's own, or nil.
	vpd(code byte) []byte
	vpds() []byte
	// ready reports whether TEST UNIT READY succeeds, or what it says.
	ready() (scsi.Sense, bool)
	// mode is the header of mode pages and the block descriptor; block takes one with another block length.
	mode() (page.ModeHeader, page.BlockDescriptor)
	block(b page.BlockDescriptor) bool
	inquiry(i *page.Inquiry)
	// reset is what a logical unit reset does.
	reset()
}

// A command is one that a device has.
type command struct {
	page.Command
	run func(r *request)
}

// has makes a command with its time-out in seconds.
func has(op scsi.Opcode, length uint16, seconds uint32, run func(*request)) command {
	return command{page.Command{Opcode: op, Length: length, Timeouts: page.Timeouts{Recommended: seconds}}, run}
}

// does is has for one with a service action.
func does(op scsi.Opcode, a scsi.ServiceAction, length uint16, seconds uint32, run func(*request)) command {
	c := has(op, length, seconds, run)
	c.Action = a
	return c
}

// A modePage is one with the bits that may be changed; all with their headers.
type modePage struct{ current, mask []byte }

// primary is the state that all devices have.
type primary struct {
	State
	attentions []scsi.ASC
	modes      []modePage
	table      []command
	r          request // the one that is served
}

func (p *primary) reset() {
	p.Reserved, p.Prevented, p.modes = false, false, nil
}

// A request is a command that is served.
type request struct {
	cdb    []byte
	data   []byte
	out    bool
	moved  int
	status scsi.Status
	sense  scsi.Sense
}

// reply moves data-in, of which the CDB has room for n bytes.
func (r *request) reply(b []byte, n int) {
	if r.out {
		return
	}
	r.moved = copy(r.data, b[:min(len(b), n)])
}

// take is n bytes of data-out, or nil if there are fewer, and then the command has failed.
func (r *request) take(n int) []byte {
	if !r.out && n > 0 || len(r.data) < n {
		r.fail(scsi.AbortedCommand(scsi.ASCDataPhaseError))
		return nil
	}
	r.moved = n
	return r.data[:n:n]
}

func (r *request) fail(s scsi.Sense) { r.status, r.sense = scsi.CheckCondition, s }

// failed ends r with err, if there is one.
func (r *request) failed(err error) bool {
	if err != nil {
		r.fail(scsi.SenseOf(err))
	}
	return err != nil
}

// execute does c, and makes its result what f says. d.mu is held.
func (d *Device) execute(c *sg.Command, f *Fault) {
	var moved int64
	if f == nil || f.Err == nil && (f.Executed || !f.answers()) {
		moved = d.serve(c)
	}
	c.Result.Residual = int64(len(c.Data.Mem)) - moved
	if f != nil {
		f.apply(c, moved)
	}
}

// serve does c and returns how many bytes were moved. d.mu is held.
func (d *Device) serve(c *sg.Command) int64 {
	p := &d.state
	p.r = request{cdb: c.CDB, data: c.Data.Mem, out: c.Direction == sg.Out}
	if c.Direction == sg.None {
		p.r.data = nil
	}
	d.run(&p.r)
	c.Result.Status = p.r.status
	if p.r.status == scsi.CheckCondition {
		if d.descriptors() {
			c.Result.Sense = len(p.r.sense.AppendDescriptor(c.Sense[:0]))
		} else {
			c.Result.Sense = len(p.r.sense.AppendFixed(c.Sense[:0]))
		}
		c.Result.Driver = 8 // DRIVER_SENSE
	}
	return int64(p.r.moved)
}

// run finds r's command. d.mu is held.
func (d *Device) run(r *request) {
	p := &d.state
	if p.table == nil {
		p.table = append(d.primaryCommands(), d.model.commands()...)
	}
	op := cdb.Opcode(r.cdb)
	looks := op == scsi.OpInquiry || op == scsi.OpReportLUNs || op == scsi.OpRequestSense ||
		d.cfg.Identity.Type == scsi.TypeOptical && (op == opGetConfiguration || op == opGetEventStatus) // MMC-6 4.1.8
	if len(p.attentions) > 0 && !looks {
		r.fail(scsi.UnitAttention(p.attentions[0]))
		p.attentions = p.attentions[1:]
		return
	}
	a, _ := cdb.Action(r.cdb)
	known := false
	for i := range p.table {
		x := &p.table[i]
		if x.Opcode != op {
			continue
		}
		if known = true; op.HasServiceActions() && x.Action != a {
			continue
		}
		if len(r.cdb) < int(x.Length) {
			r.fail(scsi.InvalidFieldInCDB(len(r.cdb), -1))
			return
		}
		x.run(r)
		return
	}
	if known {
		r.fail(scsi.InvalidFieldInCDB(1, 4))
		return
	}
	r.fail(scsi.InvalidOpcode())
}

// descriptors reports D_SENSE of the control mode page. d.mu is held.
func (d *Device) descriptors() bool {
	for _, m := range d.state.modes {
		if m.current[0]&0x3f == 0x0a {
			return m.current[2]&0x04 != 0
		}
	}
	return false
}

// primaryCommands are those of SPC. d.mu is held.
func (d *Device) primaryCommands() []command {
	all := []command{
		has(scsi.OpTestUnitReady, 6, 10, func(r *request) {
			if s, ok := d.model.ready(); !ok {
				r.fail(s)
			}
		}),
		has(scsi.OpRequestSense, 6, 10, d.requestSense),
		has(scsi.OpInquiry, 6, 10, d.inquiry),
		has(scsi.OpModeSense6, 6, 20, d.modeSense), has(scsi.OpModeSense10, 10, 20, d.modeSense),
		has(scsi.OpModeSelect6, 6, 30, d.modeSelect), has(scsi.OpModeSelect10, 10, 30, d.modeSelect),
		has(scsi.OpReserve6, 6, 10, func(*request) { d.state.Reserved = true }),
		has(scsi.OpRelease6, 6, 10, func(*request) { d.state.Reserved = false }),
		has(scsi.OpReportLUNs, 12, 10, func(r *request) {
			if c, err := cdb.ParseReportLUNs(r.cdb); !r.failed(err) {
				r.reply(page.AppendLUNs(nil, scsi.LUN(0)), int(c.Allocation))
			}
		}),
		does(scsi.OpMaintenanceIn, scsi.ActionReportSupportedOperationCodes, 12, 10, d.reportOpcodes),
	}
	for _, a := range []scsi.ServiceAction{scsi.ActionReadKeys, scsi.ActionReadReservation} {
		all = append(all, does(scsi.OpPersistentReserveIn, a, 10, 10, d.persistentIn))
	}
	for _, a := range []scsi.ServiceAction{scsi.ActionRegister, scsi.ActionReserve, scsi.ActionRelease, scsi.ActionClear, scsi.ActionRegisterAndIgnoreExistingKey} {
		all = append(all, does(scsi.OpPersistentReserveOut, a, 10, 10, d.persistentOut))
	}
	if d.cfg.Identity.Removable || d.cfg.Identity.Type == scsi.TypeChanger {
		all = append(all, has(scsi.OpPreventAllowRemoval, 6, 10, func(r *request) {
			d.state.Prevented = r.cdb[4]&1 != 0
			d.state.Prevents++
		}))
	}
	return all
}

func (d *Device) requestSense(r *request) {
	c, err := cdb.ParseRequestSense(r.cdb)
	if r.failed(err) {
		return
	}
	var s scsi.Sense
	if p := &d.state; len(p.attentions) > 0 {
		s, p.attentions = scsi.UnitAttention(p.attentions[0]), p.attentions[1:]
	}
	if c.Descriptor {
		r.reply(s.AppendDescriptor(nil), int(c.Allocation))
	} else {
		r.reply(s.AppendFixed(nil), int(c.Allocation))
	}
}

func (d *Device) inquiry(r *request) {
	c, err := cdb.ParseInquiry(r.cdb)
	if r.failed(err) {
		return
	}
	id, p := &d.cfg.Identity, page.PeripheralOf(d.cfg.Identity.Type)
	room := int(c.Allocation)
	switch {
	case !c.VPD && c.Page != 0:
		r.fail(scsi.InvalidFieldInCDB(2, -1))
	case !c.VPD:
		i := page.Inquiry{
			Peripheral: p, Removable: id.Removable, Version: scsi.VersionSPC4, CommandQueue: true, NormalACA: true, PortGroups: 1, ThirdPartyCopy: true,
			Vendor: id.Vendor, Product: id.Product, Revision: id.Revision,
		}
		d.model.inquiry(&i)
		r.reply(i.Append(nil), room)
	case c.Page == page.VPDSupported:
		codes := append([]byte{page.VPDSupported, page.VPDExtendedInquiry}, d.model.vpds()...)
		if !d.cfg.NoName {
			codes = append(codes, page.VPDUnitSerial, page.VPDIdentification)
		}
		r.reply(page.AppendSupportedVPD(nil, p, codes...), room)
	case c.Page == page.VPDUnitSerial && !d.cfg.NoName:
		r.reply(page.AppendUnitSerial(nil, p, id.Serial), room)
	case c.Page == page.VPDIdentification && !d.cfg.NoName:
		r.reply(page.AppendIdentification(nil, p, page.NAADesignator(id.NAA), page.T10FieldsDesignator(id.Vendor, id.Product, id.Serial),
			page.RelativePortDesignator(scsi.ProtocolSAS, 2), page.PortGroupDesignator(scsi.ProtocolSAS, 1)), room)
	case c.Page == page.VPDExtendedInquiry:
		r.reply(page.ExtendedInquiry{UnitAttentionSenseKey: true, HeadOfQueue: true, Simple: true, MaxSenseLength: sg.MaxSense}.Append(nil, p), room)
	default:
		if b := d.model.vpd(c.Page); b != nil {
			r.reply(append([]byte{p.Byte(), c.Page, byte(len(b) >> 8), byte(len(b))}, b...), room)
			return
		}
		r.fail(scsi.InvalidFieldInCDB(2, -1))
	}
}

func (d *Device) reportOpcodes(r *request) {
	c, err := cdb.ParseReportOpcodes(r.cdb)
	if r.failed(err) {
		return
	}
	if c.Options == 0 {
		all := make([]page.Command, len(d.state.table))
		for i, x := range d.state.table {
			all[i] = x.Command
		}
		r.reply(page.AppendCommands(nil, c.Timeouts, all...), int(c.Allocation))
		return
	}
	i := slices.IndexFunc(d.state.table, func(x command) bool {
		return x.Opcode == c.Opcode && (!c.Opcode.HasServiceActions() || x.Action == c.Action)
	})
	if i < 0 {
		r.reply(page.AppendNoCommand(nil, page.SupportNone), int(c.Allocation))
		return
	}
	x := d.state.table[i]
	var timeouts *page.Timeouts
	if c.Timeouts {
		timeouts = &x.Timeouts
	}
	usage := make([]byte, x.Length)
	usage[0] = byte(x.Opcode)
	for i := range usage[1:] {
		usage[1+i] = 0xff
	}
	r.reply(page.AppendCommand(nil, page.SupportStandard, string(usage), timeouts), int(c.Allocation))
}

func (d *Device) persistentIn(r *request) {
	c, err := cdb.ParsePersistentIn(r.cdb)
	switch {
	case r.failed(err):
	case c.Action == scsi.ActionReadKeys:
		r.reply(page.AppendReservationKeys(nil, 1, d.state.Keys...), int(c.Allocation))
	case d.state.Holder == 0:
		r.reply(binary.BigEndian.AppendUint64(nil, 1<<32), int(c.Allocation))
	default:
		r.reply(page.AppendReservation(nil, 1, scsi.WriteExclusive, d.state.Holder), int(c.Allocation))
	}
}

// persistentOut is as much of PERSISTENT RESERVE OUT as a device needs that has one nexus.
func (d *Device) persistentOut(r *request) {
	c, err := cdb.ParsePersistentOut(r.cdb)
	if r.failed(err) {
		return
	}
	list := r.take(int(c.Length))
	if list == nil {
		return
	}
	l, err := cdb.ParsePersistentList(list)
	if r.failed(err) {
		return
	}
	s := &d.state
	switch c.Action {
	case scsi.ActionRegister, scsi.ActionRegisterAndIgnoreExistingKey:
		if s.Keys = nil; l.ActionKey != 0 {
			s.Keys = []uint64{l.ActionKey}
		} else {
			s.Holder = 0
		}
	case scsi.ActionReserve:
		if !slices.Contains(s.Keys, l.Key) {
			r.status, r.moved = scsi.ReservationConflict, 0
			return
		}
		s.Holder = l.Key
	case scsi.ActionRelease:
		s.Holder = 0
	case scsi.ActionClear:
		s.Holder, s.Keys = 0, nil
	}
}
