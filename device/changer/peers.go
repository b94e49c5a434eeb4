package changer

import (
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// A peer is what the changer knows of one I_T_L nexus. Changer.mu guards it.
type peer struct {
	prevents bool    // PREVENT ALLOW MEDIUM REMOVAL
	search   *search // what SEND VOLUME TAG has asked for; nil: nothing
}

// A search is a SEND VOLUME TAG that was accepted.
type search struct {
	cdb.SendVolumeTag
	template cdb.VolumeTagTemplate
}

// attached makes a nexus known.
func (c *Changer) attached(x *target.ITL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers[x] = &peer{}
	c.flags.Attach(x)
}

// detached forgets a nexus, which prevents nothing any more.
func (c *Changer) detached(x *target.ITL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.peers[x]; p != nil {
		c.setPrevent(p, false)
		delete(c.peers, x)
	}
	c.flags.Detach(x)
}

// reset ends what initiators have asked for.
func (c *Changer) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		c.setPrevent(p, false)
		p.search = nil
	}
}

// of is the peer of x, for which a command runs: a blank one if it is gone. c.mu is held.
func (c *Changer) of(x *target.ITL) *peer {
	if p := c.peers[x]; p != nil {
		return p
	}
	return &peer{}
}

// setPrevent lets p prevent removal, or allow it. Mail slots are locked while anybody prevents. c.mu is held.
func (c *Changer) setPrevent(p *peer, on bool) {
	if p.prevents == on {
		return
	}
	p.prevents = on
	if on {
		if c.preventing++; c.preventing == 1 {
			c.inventory.Prevent(true)
		}
	} else if c.preventing--; c.preventing == 0 {
		c.inventory.Prevent(false)
	}
}
