package optical

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// prevents are the nexuses that prevent that the disc is taken out (MMC-6 6.13). Those that prevent it persistently do so to people alone: an
// initiator that does it asks for events, and ejects by itself what people want out.
type prevents struct {
	mu  sync.Mutex
	all map[*target.ITL]prevention
}

type prevention struct{ plain, persistent bool }

// Values of the two bits of PREVENT ALLOW MEDIUM REMOVAL.
const (
	preventBit    = 1
	persistentBit = 2
)

// set does what the bits of the command say: the one to one kind of prevention, the other to the other.
func (p *prevents) set(x *target.ITL, bits uint8) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, on := p.all[x], bits&preventBit != 0
	if bits&persistentBit != 0 {
		v.persistent = on
	} else {
		v.plain = on
	}
	switch {
	case v == prevention{}:
		delete(p.all, x)
		return
	case p.all == nil:
		p.all = make(map[*target.ITL]prevention)
	}
	p.all[x] = v
}

// forget ends what x prevents, and clear what all do.
func (p *prevents) forget(x *target.ITL) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, x)
}

func (p *prevents) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.all)
}

// count is how many prevent it.
func (p *prevents) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}

// initiators reports that an eject by an initiator is prevented, and persistently that x does so to people.
func (p *prevents) initiators() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.all {
		if v.plain {
			return true
		}
	}
	return false
}

func (p *prevents) persistently(x *target.ITL) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[x].persistent
}

// who names the initiators that prevent it; "" if none does.
func (p *prevents) who() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for x := range p.all {
		names = append(names, x.Nexus.Initiator.Name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// prevent is PREVENT ALLOW MEDIUM REMOVAL.
func (r *Drive) prevent(t *target.Task) {
	c, err := cdb.ParsePrevent(t.CDB)
	if err != nil {
		r.FailWith(t, err)
		return
	}
	r.prevents.set(t.ITL(), c.Mode)
	r.Good(t)
}

// startStop is START STOP UNIT (MMC-6 6.46). The disc turns whenever it is asked for something: what is about power and turning
// has nothing to do but to make durable what was written.
func (r *Drive) startStop(t *target.Task) {
	c, err := cdb.ParseStartStop(t.CDB)
	switch {
	case err != nil:
		r.FailWith(t, err)
	case c.Condition == 4 || c.Condition > sleep:
		r.Fail(t, scsi.InvalidFieldInCDB(4, 7))
	case c.Condition == active || c.Condition == idle:
		r.Good(t)
	case c.Condition == 0 && !c.LoadEject && c.Start:
		if why, ok := r.ready(t.ITL()); !ok {
			r.Fail(t, why)
			return
		}
		r.Good(t)
	default:
		r.Workers().Run(t, r.opening)
	}
}

// Values of POWER CONDITION; 4 is reserved.
const (
	active = 1
	idle   = 2
	sleep  = 5
)

// startStopWaiting is its step on a worker.
func (r *Drive) startStopWaiting(t *target.Task) {
	c, _ := cdb.ParseStartStop(t.CDB) // parsed before
	switch {
	case t.Aborted():
		r.FailWith(t, target.ErrAborted)
	case c.Condition == 0 && c.LoadEject:
		if !r.tray.tryGrab() { // people change the disc, and wait for this command
			t.Respond(target.Response{Status: scsi.Busy})
			return
		}
		err := r.moveTray(t.Context(), !c.Start)
		r.tray.letGo()
		if err != nil {
			r.FailWith(t, err)
			return
		}
		r.Good(t)
	default: // stop, standby, sleep
		if l := r.tray.usable(); l != nil {
			if err := l.part.Flush(t.Context()); err != nil {
				r.FailWith(t, err)
				return
			}
		}
		r.Good(t)
	}
}

// moveTray opens or closes the tray, opens it for an initiator. The disc stays in it: nobody has taken it out. Who calls it has the hands.
func (r *Drive) moveTray(ctx context.Context, open bool) error {
	l, isOpen, _ := r.tray.look()
	switch {
	case open == isOpen:
		return nil
	case open && r.prevents.initiators():
		return scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented)
	case !open:
		r.tray.put(l, false)
		r.changed(nil, l)
		return nil
	}
	r.tray.put(l, true)
	if l != nil {
		// No command begins any more: what was written before becomes durable.
		if err := l.part.Flush(ctx); err != nil {
			r.tray.put(l, false)
			return err
		}
	}
	r.changed(l, nil)
	return nil
}
