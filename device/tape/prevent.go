package tape

import (
	"sync"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// prevents are the nexuses that prevent the removal of the medium (SPC-5 6.14).
type prevents struct {
	mu  sync.Mutex
	all map[*target.ITL]bool
}

// put notes whether x prevents the removal.
func (p *prevents) put(x *target.ITL, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !on {
		delete(p.all, x)
		return
	}
	if p.all == nil {
		p.all = make(map[*target.ITL]bool)
	}
	p.all[x] = true
}

// clear lets everybody allow it.
func (p *prevents) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.all)
}

// any reports that somebody prevents it.
func (p *prevents) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all) > 0
}

// prevent is PREVENT ALLOW MEDIUM REMOVAL. The robot obeys it too: see Unload.
func (d *Drive) prevent(t *target.Task) {
	c, err := cdb.ParsePrevent(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Mode > 1:
		d.Fail(t, scsi.InvalidFieldInCDB(4, 1))
	default:
		d.prevents.put(t.ITL(), c.Mode == 1)
		d.Good(t)
	}
}

// Event tells the server, and ends what a nexus has prevented.
func (d *Drive) Event(e target.Event, x *target.ITL) {
	if e == target.NexusReset && x != nil {
		d.prevents.put(x, false)
	}
	d.Server.Event(e, x)
}

// detached is told of the end of a nexus.
func (d *Drive) detached(x *target.ITL) {
	d.prevents.put(x, false)
	d.astray.put(x, looked)
	d.nexusLost(x)
}

// reset returns the drive to what it is after power on. The medium stays where it is, and what is buffered is written.
func (d *Drive) reset() {
	d.prevents.clear()
	d.pagesReset()
}
