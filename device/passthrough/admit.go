package passthrough

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// A policy is what lunette keeps of the initiators of one device, and decides for them: which commands may pass, which it answers itself, who is told what.
// The device is behind the line. Methods may be called by many goroutines.
//
// Its locks are leaves: nothing is called while one is held.
type policy struct {
	cfg          Config
	line         line
	table        *table
	nexuses      nexus.Table
	reservations *nexus.Reservations
	reserving    device.Reserving
	prevention   prevention
	events       events
	place        place

	mu    sync.Mutex
	known atomic.Pointer[facts] // never nil; stored with mu
	tuned tuning

	answeredByUs, refusals atomic.Int64
}

// newPolicy returns the policy for a device of which f is known.
func newPolicy(cfg Config, l line, f *facts) (*policy, error) {
	p := &policy{cfg: cfg, line: l, table: tableOf(f.identity.Type)}
	p.known.Store(f)
	var err error
	p.reservations, err = nexus.NewReservations(&p.nexuses, cfg.Reservations)
	p.reserving = device.Reserving{Reservations: p.reservations, FailWith: p.failWith, Reply: p.reply}
	return p, err
}

// close ends what the policy keeps. No task is left.
func (p *policy) close() { p.reservations.Close() }

// facts are what is known of the device now.
func (p *policy) facts() *facts { return p.known.Load() }

// learned takes what the device has said anew: it is the same device.
func (p *policy) learned(f *facts) {
	p.mu.Lock()
	p.known.Store(f)
	p.mu.Unlock()
}

// sized notes the block size that the device has reported, 0: it is not known any more.
func (p *policy) sized(n uint32) {
	p.mu.Lock()
	if f := p.known.Load(); f.blockSize != n {
		other := *f
		other.blockSize = n
		p.known.Store(&other)
	}
	p.mu.Unlock()
}

// attach, detach and event are those of [target.LogicalUnit].
func (p *policy) attach(x *target.ITL) {
	p.reservations.Attach(x)
	p.events.attach(x)
}

func (p *policy) detach(x *target.ITL) {
	p.leave(nexus.Of(x))
	p.events.detach(x)
	p.reservations.Detach(x)
	p.allowAgain(x)
}

func (p *policy) event(e target.Event, x *target.ITL) {
	p.reservations.Event(e, x)
	p.nexuses.Event(e, x)
	switch e {
	case target.LogicalUnitReset, target.TargetReset:
		p.allowAgain(nil)
	case target.NexusReset:
		p.allowAgain(x)
	}
}

// order says how the command c stands to others (target.LogicalUnit.Order). That commands which move the medium go to the device one at a time is up to the line, and
// that COMPARE AND WRITE is atomic up to the device.
func (p *policy) order(c []byte) target.Order {
	r := p.table.find(c)
	switch {
	case len(c) < fullLength(c), r.whose == refused:
		return target.Order{}
	case r.changes && r.extent != nil:
		first, blocks := r.extent(c)
		return target.Order{Class: target.Writes, First: first, Blocks: blocks}
	case r.changes:
		return device.WholeUnit(target.Writes)
	case r.access == reserve.Reading:
		return device.WholeUnit(target.Reads)
	}
	return target.Order{}
}

// execute starts t: it is refused, answered here, or given to the line.
func (p *policy) execute(t *target.Task) {
	r := p.table.find(t.CDB)
	n := nexus.Of(t.ITL())
	if n.Pending() && !r.attention {
		if a, ok := n.Take(); ok {
			p.fail(t, scsi.UnitAttention(a))
			return
		}
	}
	if n.Denied().Has(r.class(t.CDB)) || p.cfg.Exclusive && !r.looks() && !p.place.enter(n) {
		t.Respond(target.Response{Status: scsi.ReservationConflict})
		return
	}
	if sense, may := p.may(t, r); !may {
		p.refusals.Add(1)
		p.fail(t, sense)
		return
	}
	switch {
	case t.ITL().ReadOnly() && (r.changes || r.changesOf != nil && r.changesOf(t.CDB)):
		p.fail(t, scsi.WriteProtected())
	case r.ejects != nil && r.ejects(t.CDB) && p.prevention.byOthers(t.ITL()):
		p.fail(t, scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented))
	case r.run == nil, p.cfg.Exclusive && !r.targets:
		p.line.pass(t, r)
	default:
		p.answeredByUs.Add(1)
		r.run(p, t, r)
	}
}

// class is how reservations fence the command c.
func (r *rule) class(c []byte) reserve.Class {
	if r.accessOf != nil && len(c) >= fullLength(c) {
		return r.accessOf(c)
	}
	return r.access
}

// looks reports the commands that every initiator may send to look who is there, an exclusive unit too: INQUIRY, REPORT LUNS and REQUEST SENSE.
func (r *rule) looks() bool {
	return r.op == scsi.OpInquiry || r.op == scsi.OpReportLUNs || r.op == scsi.OpRequestSense
}

// may reports that t may have what its command asks for, or why not.
func (p *policy) may(t *target.Task, r *rule) (scsi.Sense, bool) {
	c := t.CDB
	n := fullLength(c)
	switch {
	case len(c) == 0 || n > sg.MaxCDB || len(c) > sg.MaxCDB || !p.permitted(r):
		return p.unsupported(r), false
	case len(c) < n:
		return scsi.InvalidFieldInCDB(len(c), -1), false
	case cdb.Control(c)&cdb.ControlNACA != 0:
		return scsi.InvalidFieldInCDB(controlByte(c), 2), false
	case r.needsOf != nil && !p.allows(r.needsOf(c)):
		if r.op == scsi.OpSendDiagnostic && c[1]&offline == 0 {
			return scsi.InvalidFieldInCDB(3, -1), false
		} else if r.op == scsi.OpSendDiagnostic {
			return scsi.InvalidFieldInCDB(1, -1), false
		}
		return scsi.InvalidFieldInCDB(1, 4), false
	}
	return scsi.Sense{}, true
}

// controlByte is where CONTROL is in c.
func controlByte(c []byte) int {
	if scsi.Opcode(c[0]) == scsi.OpVariableLength {
		return 1
	}
	return fullLength(c) - 1
}

// permitted reports that the commands of r may be had, for some CDBs at least.
func (p *policy) permitted(r *rule) bool { return r.whose != refused && p.allows(r.needs) }

// allows reports that the configuration lists n, or need not.
func (p *policy) allows(n permission) bool {
	a := p.tuned.allowed(&p.cfg)
	switch n {
	case firmware:
		return a.Firmware || p.cfg.Exclusive
	case format:
		return a.Format || p.cfg.Exclusive
	case vendor:
		return a.Vendor || p.cfg.Exclusive
	case thirdParty:
		return a.ThirdParty || p.cfg.Exclusive
	case keys:
		return a.Keys || p.cfg.Exclusive
	}
	return true
}

// unsupported is what a device says that does not have the command of r: the service action is wrong if there are others.
func (p *policy) unsupported(r *rule) scsi.Sense {
	if hasActions(r.op) && r.name != "" {
		for _, o := range p.table.by[r.op] {
			if p.permitted(o) {
				return scsi.InvalidFieldInCDB(1, 4)
			}
		}
	}
	return scsi.InvalidOpcode()
}
