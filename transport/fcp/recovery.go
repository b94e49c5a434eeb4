package fcp

import (
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// Data-in of a command that is longer than heldLeast is held until the initiator has confirmed that it has it, if both ends have FCP_CONF, and SRR to ask
// for what was lost: what is shorter is rarely lost, and is asked for by another command. A channel holds heldMost
// bytes at the most, and none while others are refused memory.
const (
	heldLeast = 32 << 10
	heldMost  = 128 << 20
)

// mostAgain is how many times an initiator is sent something of an exchange again: it asks by one frame for many.
const mostAgain = 64

// wantsConfirm reports whether the response r, which is about to be posted, asks for FCP_CONF: one that is not GOOD, so that unit attentions and
// errors are not lost; one of a unit at which a command that is done twice does something else than once; and one with data-in that is held.
// k.mu is held.
func (k *task) wantsConfirm(r *target.Response) bool {
	c := k.c
	if !c.confirms {
		return false
	}
	if n := k.last.Len; c.retries && k.last.Data != nil && n > heldLeast && !c.nexus.Memory().Wanted() {
		if c.held.Add(n) <= heldMost {
			k.held = n
			return true
		}
		c.held.Add(-n)
	}
	return r.Status != scsi.Good || askedOnce(k.ITL())
}

// askedOnce reports that commands to the unit of x cannot be repeated: it is a tape drive, or a robot.
func askedOnce(x *target.ITL) bool {
	u := x.Unit()
	if u == nil {
		return false
	}
	i, ok := u.LogicalUnit().(interface{ Identity() scsi.Identity })
	if !ok {
		return false
	}
	switch i.Identity().Type {
	case scsi.TypeTape, scsi.TypeChanger:
		return true
	}
	return false
}

// holds reports that the last data-in stays with the task although it was sent: it may be asked for again. k.mu is held.
func (k *task) holds() bool { return k.confirming && k.held > 0 && k.state == kept }

// confirmed takes an FCP_CONF: the initiator has the response and all data, and nothing is to be kept.
func (k *task) confirmed() {
	k.mu.Lock()
	was := k.confirming && k.state == kept
	if was {
		k.confirming, k.state = false, let
	}
	end := k.ends()
	k.mu.Unlock()
	if !was {
		k.c.ignored.Add(1)
	}
	if end {
		k.close()
	}
}

// forgotten takes the end of the time for which an exchange is kept.
func (k *task) forgotten() {
	k.mu.Lock()
	if k.confirming && k.state == kept {
		k.c.unconfirmed.Add(1)
	}
	k.mu.Unlock()
	k.let()
}

// status is how far the exchange is, for REC.
func (k *task) status() (s nport.Status) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.Complete = k.answer && !k.confirming
	s.Initiative = !k.answer && !k.get.asked()
	s.Unconfirmed = k.confirming && k.sent == 0 && k.HaveOut == 0
	n := k.sent
	if k.HaveOut > 0 {
		n = k.taken
		if k.get.into != nil {
			n = k.get.off + k.get.have.to
		}
	}
	s.Transferred = uint32(n)
	return s
}

// retransmit posts again what the initiator has lost (SRR): from offset on of its data. false: it is not to be had.
func (k *task) retransmit(rctl fc.RCtl, offset uint32) bool {
	if !k.c.retries {
		return false
	}
	k.mu.Lock()
	did := false
	var share int64
	switch off := int64(offset); {
	case k.resent >= mostAgain:
	case k.state == kept && rctl == fc.RCtlData && off < k.sent:
		did = k.dataAgain(off)
	case k.state == kept: // for an initiator that waits for FCP_XFER_RDY the command has ended in the meantime
		did = k.responseAgain()
	case k.state == open && rctl == fc.RCtlDataDescriptor:
		did, share = k.readyAgain(off)
	}
	if did {
		k.resent++
	}
	k.mu.Unlock()
	k.c.asks.give(k.c, share)
	if did {
		k.c.askedAgain.Add(1)
		k.c.flush()
	}
	return did
}

// responseAgain posts the response again; one that has not left yet comes by itself. k.mu is held.
func (k *task) responseAgain() bool { return k.rsp.posted || k.post(&k.rsp) }

// dataAgain posts the last data-in again, from offset off of the command's data on, and the response. k.mu is held.
func (k *task) dataAgain(off int64) bool {
	s := &k.last
	if s.posted || k.rsp.posted {
		return true // it is on its way for the first time, or again
	}
	at := off - k.lastAt
	if !k.holds() || at < 0 || at >= k.held {
		return false
	}
	s.Header.Parameter = uint32(off)
	s.At, s.Len = at, k.held-at
	return k.post(s) && k.post(&k.rsp)
}
