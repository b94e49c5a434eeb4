package passthrough

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// A place is who has an exclusive unit: the first nexus that has sent a command which does more than look who is there, until that nexus is lost. All others get
// RESERVATION CONFLICT, which hosts report at once; for BUSY they would ask again for minutes.
type place struct {
	fast atomic.Pointer[nexus.Nexus] // one of those that have it, or nil; commands look at it alone

	mu    sync.Mutex
	taken bool
	key   reserve.Nexus
	has   map[*nexus.Nexus]bool // those with the key that have sent something: one initiator may have several LUNs
	// release undoes the RESERVE that the device has had, 0: none. It ends with the nexus (SPC-2 5.5.1), and the device does not see that one go.
	release scsi.Opcode
}

// enter reports that n has the place, or gets it.
func (p *place) enter(n *nexus.Nexus) bool {
	if p.fast.Load() == n {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken && p.key != n.Key() {
		return false
	}
	if !p.taken {
		p.taken, p.key, p.has = true, n.Key(), make(map[*nexus.Nexus]bool)
	}
	p.has[n] = true
	p.fast.Store(n)
	return true
}

// closed reports that another has the place.
func (p *place) closed(n *nexus.Nexus) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken && p.key != n.Key()
}

// leave gives the place of n away, if it is the last one that has it. It returns the operation code that releases what it has reserved, 0: nothing.
func (p *place) leave(n *nexus.Nexus) (release scsi.Opcode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.taken || !p.has[n] {
		return 0
	}
	delete(p.has, n)
	p.fast.Store(nil)
	if p.taken = len(p.has) > 0; !p.taken {
		release, p.release = p.release, 0
	}
	return release
}

// reserved notes that the device has had RESERVE or RELEASE.
func (p *place) reserved(release scsi.Opcode) {
	p.mu.Lock()
	p.release = release
	p.mu.Unlock()
}

// passedReserve is RESERVE, and passedRelease RELEASE, that an exclusive device has had.
func (p *policy) passedReserve(t *target.Task) {
	release := scsi.OpRelease6
	if scsi.Opcode(t.CDB[0]) == scsi.OpReserve10 {
		release = scsi.OpRelease10
	}
	p.place.reserved(release)
}

func (p *policy) passedRelease(*target.Task) { p.place.reserved(0) }

// leave is [place.leave], and lets the device release what n has reserved.
func (p *policy) leave(n *nexus.Nexus) {
	if op := p.place.leave(n); op != 0 {
		c := make([]byte, cdb.Length(op))
		c[0] = byte(op)
		p.line.own(c, 0, func(a *answer) { p.heard(nil, a) })
	}
}
