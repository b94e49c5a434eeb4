// Package passthrough is a small device type without a command table: commands go to another device as they are, and its answers come back as they are.
//
// What is the target's own it does itself, with device/nexus and device/reserve: unit
// attentions, reservations, the list of logical units, and the names of the unit and its ports.
package passthrough

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A Device runs commands: in a real device type it is the kernel's, and this is where SG_IO
// would be.
type Device interface {
	// Command runs one command, with its data-out. It may take its time.
	Command(c, out []byte) Result
}

// A Result is how a Device has ended a command.
type Result struct {
	Status scsi.Status
	Sense  []byte // raw, with CHECK CONDITION
	In     []byte // data-in
}

// Config says what New makes.
type Config struct {
	Identity scsi.Identity
	Device   Device
	// Reservations keeps the reservations; nil keeps them in this process alone.
	Reservations reserve.Keeper
}

// A Unit passes commands on. It is a [target.LogicalUnit].
type Unit struct {
	cfg          Config
	workers      *target.Workers
	nexuses      nexus.Table
	reservations *nexus.Reservations
	reserving    device.Reserving
}

// New returns a unit.
func New(cfg Config) (*Unit, error) {
	u := &Unit{cfg: cfg}
	var err error
	if u.reservations, err = nexus.NewReservations(&u.nexuses, cfg.Reservations); err != nil {
		return nil, err
	}
	u.reserving = device.Reserving{Reservations: u.reservations, FailWith: fail, Reply: reply}
	u.workers = target.NewWorkers(4)
	return u, nil
}

// Identity is what the unit calls itself.
func (u *Unit) Identity() scsi.Identity { return u.cfg.Identity }

// Attach makes an I_T_L nexus known.
func (u *Unit) Attach(x *target.ITL) { u.reservations.Attach(x) }

// Detach ends an I_T_L nexus.
func (u *Unit) Detach(x *target.ITL) { u.reservations.Detach(x) }

// Event establishes unit attentions, and ends reservations that end with a reset.
func (u *Unit) Event(e target.Event, x *target.ITL) {
	u.reservations.Event(e, x)
	u.nexuses.Event(e, x)
}

// Close returns when nothing of the unit runs any more. No task is left.
func (u *Unit) Close() error {
	u.reservations.Close()
	u.workers.Close()
	return nil
}

// looks reports the commands that a pending unit attention does not stop (SAM-5 5.14), and that
// nothing holds up.
func looks(c []byte) bool {
	switch cdb.Opcode(c) {
	case scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpRequestSense:
		return true
	}
	return false
}

// Order says how the command c stands to others: what it does not know may write anywhere.
func (u *Unit) Order(c []byte) target.Order {
	switch class := access(c); {
	case looks(c) || class == reserve.Unfenced || class == reserve.Probing || class == reserve.Parameters:
		return target.Order{Class: target.Free}
	case class == reserve.Reading:
		return device.WholeUnit(target.Reads)
	}
	return device.WholeUnit(target.Writes)
}

// access is how reservations fence the command c (SPC-5 table 66): what it does not know as
// one that writes.
func access(c []byte) reserve.Class {
	switch cdb.Opcode(c) {
	case scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpRequestSense, scsi.OpReserve6, scsi.OpReserve10, scsi.OpRelease6,
		scsi.OpRelease10, scsi.OpPersistentReserveIn:
		return reserve.Unfenced
	case scsi.OpTestUnitReady, scsi.OpLogSense, scsi.OpPersistentReserveOut, scsi.OpReadCapacity10:
		return reserve.Probing
	case scsi.OpModeSense6, scsi.OpModeSense10, scsi.OpMaintenanceIn:
		return reserve.Parameters
	case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16:
		return reserve.Reading
	}
	return reserve.Writing
}

// Execute starts t.
func (u *Unit) Execute(t *target.Task) {
	n := nexus.Of(t.ITL())
	if n.Pending() && !looks(t.CDB) {
		if a, ok := n.Take(); ok {
			t.Fail(scsi.UnitAttention(a))
			return
		}
	}
	if n.Denied().Has(access(t.CDB)) {
		t.Respond(target.Response{Status: scsi.ReservationConflict})
		return
	}
	switch cdb.Opcode(t.CDB) {
	case scsi.OpReportLUNs:
		u.reportLUNs(t)
	case scsi.OpRequestSense:
		u.requestSense(t, n)
	case scsi.OpInquiry:
		u.inquiry(t)
	case scsi.OpReserve6, scsi.OpReserve10:
		u.reserving.Reserve(t)
	case scsi.OpRelease6, scsi.OpRelease10:
		u.reserving.Release(t)
	case scsi.OpPersistentReserveIn:
		u.reserving.PersistentIn(t)
	case scsi.OpPersistentReserveOut:
		u.reserving.PersistentOut(t)
	default:
		u.receive(t, t.HaveOut, func(t *target.Task, out []byte) {
			t.Work.Any = out
			u.workers.Run(t, u.pass)
		})
	}
}

// pass gives t to the device. It runs on a worker.
func (u *Unit) pass(t *target.Task) {
	out, _ := t.Work.Any.([]byte)
	t.Work.Any = nil
	r := u.cfg.Device.Command(t.CDB, out)
	response := target.Response{Status: r.Status, Moves: int64(len(out) + len(r.In))}
	if len(r.In) > 0 {
		response.DataIn = buffer.Of(r.In)
	}
	if r.Status == scsi.CheckCondition {
		response.SenseData = r.Sense
	}
	t.Respond(response)
}

// receive gets n bytes of data-out and goes on with a copy of them; after an error it ends t.
func (u *Unit) receive(t *target.Task, n int64, then func(*target.Task, []byte)) {
	if n == 0 {
		then(t, nil)
		return
	}
	t.ReceiveDataOut(0, n, func(t *target.Task, l *buffer.Lease, err error) {
		if err != nil {
			fail(t, err)
			return
		}
		out := make([]byte, n)
		l.Read(0, out)
		l.Release()
		then(t, out)
	})
}

// fail ends t with what err means.
func fail(t *target.Task, err error) { t.Respond(device.Failure(err)) }

// reply ends t with data of which the CDB has room for n bytes.
func reply(t *target.Task, data []byte, n uint32) {
	data = data[:min(len(data), int(n))]
	t.Respond(target.Response{Moves: int64(len(data)), DataIn: buffer.Of(data)})
}

func (u *Unit) reportLUNs(t *target.Task) {
	c, err := cdb.ParseReportLUNs(t.CDB)
	if err != nil {
		fail(t, err)
		return
	}
	nexus.ReportsLUNs(t.Nexus())
	reply(t, t.Nexus().AppendLUNs(nil, c.Select), c.Allocation)
}

// requestSense reports a unit attention; the device has its own only if it is asked while
// nothing is pending here.
func (u *Unit) requestSense(t *target.Task, n *nexus.Nexus) {
	c, err := cdb.ParseRequestSense(t.CDB)
	if err != nil {
		fail(t, err)
		return
	}
	a, ok := n.Take()
	switch {
	case !ok:
		u.workers.Run(t, u.pass)
	case c.Descriptor:
		reply(t, scsi.UnitAttention(a).AppendDescriptor(nil), uint32(c.Allocation))
	default:
		reply(t, scsi.UnitAttention(a).AppendFixed(nil), uint32(c.Allocation))
	}
}

// inquiry answers for what names the unit and its ports, and passes the rest on.
func (u *Unit) inquiry(t *target.Task) {
	c, err := cdb.ParseInquiry(t.CDB)
	p := page.PeripheralOf(u.cfg.Identity.Type)
	switch {
	case err != nil:
		fail(t, err)
	case c.VPD && c.Page == page.VPDUnitSerial:
		reply(t, page.AppendUnitSerial(nil, p, u.cfg.Identity.Serial), uint32(c.Allocation))
	case c.VPD && c.Page == page.VPDIdentification:
		reply(t, page.AppendIdentification(nil, p, device.Designators(u.cfg.Identity, t.Nexus().Port)...), uint32(c.Allocation))
	default:
		u.workers.Run(t, u.pass)
	}
}
