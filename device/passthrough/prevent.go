package passthrough

import (
	"sync"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// prevention is who prevents that the medium is taken out. The device sees one initiator, and is told of the first that prevents and of the last that does not any more.
// What it is told goes one command at a time; who comes meanwhile waits.
type prevention struct {
	mu sync.Mutex
	// by are the nexuses that prevent, and those that prevent persistently, as MMC has it beside the other.
	by    [2]map[*target.ITL]bool
	queue []prevents
	busy  bool // somebody works on the queue
}

// prevents is a change of who prevents.
type prevents struct {
	x    *target.ITL  // nil: all allow
	task *target.Task // who waits for it; nil: nobody
	mode byte         // the PREVENT field
}

// byOthers reports that somebody else than x prevents that the medium is taken out.
func (v *prevention) byOthers(x *target.ITL) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, by := range v.by {
		if n := len(by); n > 1 || n == 1 && !by[x] {
			return true
		}
	}
	return false
}

// forget: the device has, by itself (SPC-5 6.14).
func (v *prevention) forget() {
	v.mu.Lock()
	v.by = [2]map[*target.ITL]bool{}
	v.mu.Unlock()
}

// prevents reports that x, nil: anyone, prevents.
func (v *prevention) prevents(x *target.ITL) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, by := range v.by {
		if x == nil && len(by) > 0 || by[x] {
			return true
		}
	}
	return len(v.queue) > 0 || v.busy
}

// preventAllow is PREVENT ALLOW MEDIUM REMOVAL (SPC-5 6.14, MMC-6 6.14).
func (p *policy) preventAllow(t *target.Task, _ *rule) {
	p.change(prevents{x: t.ITL(), task: t, mode: t.CDB[4] & 3})
}

// allowAgain ends what the nexus x prevents, which is lost or reset; nil: what all do.
func (p *policy) allowAgain(x *target.ITL) {
	if !p.prevention.prevents(x) {
		return
	}
	p.change(prevents{x: x, mode: 0})
	p.change(prevents{x: x, mode: 2})
}

// change makes a change, when its turn comes.
func (p *policy) change(c prevents) {
	v := &p.prevention
	v.mu.Lock()
	v.queue = append(v.queue, c)
	start := !v.busy
	v.busy = true
	v.mu.Unlock()
	if start {
		p.prevent()
	}
}

// prevent works on the queue until it is empty, or the device has to answer first.
func (p *policy) prevent() {
	v := &p.prevention
	for {
		v.mu.Lock()
		if len(v.queue) == 0 {
			v.queue, v.busy = nil, false
			v.mu.Unlock()
			return
		}
		c := v.queue[0]
		v.queue = v.queue[1:]
		asks := v.apply(c, p.facts().identity.Type == scsi.TypeOptical)
		v.mu.Unlock()
		if !asks {
			if c.task != nil {
				c.task.Respond(target.Response{})
			}
			continue
		}
		p.line.own([]byte{byte(scsi.OpPreventAllowRemoval), 0, 0, 0, c.mode, 0}, 0, func(a *answer) {
			p.prevented(c, a)
			p.prevent()
		})
		return
	}
}

// kind is which of the two counts c is about, and on whether it prevents.
func (c *prevents) kind(optical bool) (kind int, on bool) {
	if optical {
		return int(c.mode >> 1), c.mode&1 != 0
	}
	return 0, c.mode != 0
}

// apply takes note of c. It reports that the device has to be told; that somebody prevents is noted when the device has agreed. v.mu is held.
func (v *prevention) apply(c prevents, optical bool) (asks bool) {
	kind, on := c.kind(optical)
	by := v.by[kind]
	switch {
	case !optical && c.mode == 2 && c.task == nil: // allowAgain, for a device that has one state
		return false
	case on && len(by) == 0:
		return true
	case on:
		by[c.x] = true
		return false
	case c.x == nil:
		asks = len(by) > 0
		v.by[kind] = nil
		return asks
	case by[c.x]:
		delete(by, c.x)
		return len(by) == 0
	}
	// Nobody prevents: the device may remember what was before us. A nexus that is lost has nothing to say.
	return len(by) == 0 && c.task != nil
}

// prevented is the device's answer to c.
func (p *policy) prevented(c prevents, a *answer) {
	v := &p.prevention
	var x *target.ITL
	if c.task != nil {
		x = c.task.ITL()
	}
	p.heard(x, a)
	if kind, on := c.kind(p.facts().identity.Type == scsi.TypeOptical); on && a.good() {
		v.mu.Lock()
		if v.by[kind] == nil {
			v.by[kind] = make(map[*target.ITL]bool)
		}
		v.by[kind][c.x] = true
		v.mu.Unlock()
	}
	if c.task != nil {
		p.repeat(c.task, a)
	}
}
