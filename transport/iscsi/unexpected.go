package iscsi

import (
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/internal/serial"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// unexpected counts the PDUs to the initiator for which it has no buffer by having asked for
// something: pings, Async Messages, and Rejects of what has no answer. On RDMA each takes one of a
// few buffers that the initiator has beside those, and says how many (RFC 7145 6.7, 8.1.2). One
// is outstanding until the initiator has acknowledged its StatSN; a ping, until it is answered.
type unexpected struct {
	most int // 0: a stream has room for all; set before full feature phase

	mu     sync.Mutex
	count  atomic.Int32 // outstanding, but for the ping; changed with mu
	queued int          // Rejects and Async Messages that have no StatSN yet
	last   uint32       // the StatSN of the latest that has
	ping   bool         // is outstanding
}

// usualUnexpected is for initiators that declare nothing, or no limit: those of Linux declare
// nothing, and have buffers for two pings and two Async Messages.
const usualUnexpected = 4

// limit is how many there may be, by what was negotiated.
func (u *unexpected) limit(p *login.Params) {
	n, err := login.ParseNumber(p.Extra[login.MaxOutstandingUnexpectedPDUs])
	if err != nil || n == 0 {
		n = usualUnexpected
	}
	u.most = int(min(n, 1<<31-1))
}

// mayPing reports that a ping may be sent, and counts it.
func (u *unexpected) mayPing() bool {
	if u.most == 0 {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ping || int(u.count.Load()) >= u.most {
		return false
	}
	u.ping = true
	return true
}

// pinged tells that the ping was answered.
func (u *unexpected) pinged() {
	if u.most > 0 {
		u.mu.Lock()
		u.ping = false
		u.mu.Unlock()
	}
}

// may reports that a Reject or an Async Message may be sent, and counts it. One place is left for a
// ping. answer: it comes in the place of an answer, for which the initiator has a buffer.
func (u *unexpected) may(answer bool) bool {
	if u.most == 0 {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !answer {
		if int(u.count.Load()) >= u.most-1 {
			return false
		}
		u.count.Add(1)
	}
	u.queued++
	return true
}

// numbered tells that a Reject or an Async Message has its StatSN.
func (u *unexpected) numbered(sn uint32) {
	if u.most > 0 {
		u.mu.Lock()
		u.queued--
		u.last = sn
		u.mu.Unlock()
	}
}

// acknowledged takes an ExpStatSN. It is enough to know of the latest: initiators acknowledge with
// whatever they send.
func (u *unexpected) acknowledged(exp uint32) {
	if u.count.Load() == 0 { // so it is with every command
		return
	}
	u.mu.Lock()
	if u.queued == 0 && serial.Less(u.last, exp) {
		u.count.Store(0)
	}
	u.mu.Unlock()
}

// answered reports that the initiator waits for an answer to the PDU with header h, so that a
// Reject takes the place of that.
func answered(h *pdu.BHS) bool {
	switch h.Opcode() {
	case pdu.OpSCSICommand, pdu.OpTMFRequest, pdu.OpTextRequest, pdu.OpLogoutRequest:
		return true
	case pdu.OpNOPOut:
		return h.ITT() != pdu.NoTag
	}
	return false
}
