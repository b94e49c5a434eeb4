package iwarp

import (
	"encoding/binary"
	"slices"

	"github.com/lunette-io/lunette/network/rdma"
)

// handle handles the FPDU at the begin of the batch buffer: all of it, or, if it is a large tagged
// segment, as much of it as is here. again says that there may be another.
func (v *receiver) handle() (again bool, bad *TerminateError) {
	have := v.mem[v.r:v.w]
	if len(have) < minLen {
		v.fit(minLen)
		return false, nil
	}
	length := int(binary.BigEndian.Uint16(have))
	if length < minLen-lengthLen {
		return false, failure(causeLength, "an FPDU of %d bytes", length)
	}
	size := fpduLen(length)
	if have[2]&bitTagged == 0 && len(have) < untaggedLen {
		v.fit(size) // which is at least as long as the header
		return false, nil
	}
	h := parseHeader(have)
	n := h.payload()
	if n < 0 {
		return false, failure(causeLength, "an FPDU of %d bytes", length)
	}
	whole := len(have) >= size
	if whole && v.c.crc && !crc(0).add(have[:size-crcLen]).matches(have[size-crcLen:]) {
		return false, failure(causeCRC, "in an FPDU of %d bytes", length)
	}
	if !whole && v.c.crc && !h.tagged && n <= max(v.c.opts.MaxMessage, maxOther) {
		v.fit(size)
		return false, nil
	}
	if bad = v.check(&h, n); bad != nil {
		return false, bad.of(have[:h.len()])
	}
	if h.tagged && n > early {
		v.large = true
	}
	if !whole && !(h.tagged && v.early(&h, n)) {
		v.fit(size)
		return false, nil
	}
	v.fpdus++
	v.hear()
	if h.tagged {
		if bad = v.begin(&h, n); bad != nil {
			return false, bad.of(have[:h.len()])
		}
		return v.arrive(&h, have[:min(len(have), h.len()+n)], whole, size)
	}
	v.r += size
	v.need = minLen
	p := have[untaggedLen : untaggedLen+n]
	switch h.op {
	case opReadRequest:
		bad = v.request(&h, p)
		if bad != nil {
			bad.request = slices.Clone(p)
		}
	case opTerminate:
		v.terminated(p)
	default:
		bad = v.message(&h, p)
	}
	if bad != nil {
		return false, bad.of(have[:h.len()])
	}
	return true, nil
}

// maxOther is how long an untagged segment may be that is no Send, in bytes: a Terminate has as much as
// this in no version of the protocol. The connection waits for no longer ones.
const maxOther = 512

// of notes the header of the segment that is the reason of e. It copies the header.
func (e *TerminateError) of(head []byte) *TerminateError {
	e.head = slices.Clone(head)
	if len(e.request) != readRequestLen {
		e.request = nil
	}
	return e
}

// hear notes that an FPDU has come: from the first one on a responder may send.
func (v *receiver) hear() {
	if !v.heard {
		v.heard = true
		v.c.tx.speak()
	}
}

// check checks what the header alone says of a segment with n bytes of payload.
func (v *receiver) check(h *header, n int) *TerminateError {
	switch {
	case h.ddp != version:
		return failure(either(h.tagged, causeTaggedVersion, causeDDPVersion), "version %d", h.ddp)
	case h.rdmap != version:
		return failure(causeVersion, "version %d", h.rdmap)
	case h.op > opTerminate || h.op.tagged() != h.tagged:
		return failure(causeOpcode, "opcode %d", byte(h.op))
	case h.tagged:
		return nil
	case h.qn != h.op.queue():
		return failure(causeQueue, "%v in queue %d", h.op, h.qn)
	case h.msn != v.msn[h.qn]:
		return failure(causeMSN, "MSN %d in queue %d, expected %d", h.msn, h.qn, v.msn[h.qn])
	case h.qn == queueSend && h.mo != v.mo, h.qn != queueSend && h.mo != 0:
		return failure(causeMO, "MO %d", h.mo)
	case h.qn == queueSend && (uint64(h.mo)+uint64(n) > uint64(v.c.opts.MaxMessage)):
		return failure(causeTooLong, "a message of %d bytes at least, %d are taken", uint64(h.mo)+uint64(n), v.c.opts.MaxMessage)
	case h.op == opTerminate && n > maxOther:
		return failure(causeTooLong, "a Terminate of %d bytes", n)
	case h.op == opReadRequest && n > readRequestLen:
		return failure(causeTooLong, "a Read Request of %d bytes", n)
	case h.op == opReadRequest && (n < readRequestLen || !h.last):
		return failure(causeUnspecified, "a Read Request of %d bytes", n)
	}
	return nil
}

// message takes a segment of a Send, and delivers the message if that was the last one.
func (v *receiver) message(h *header, p []byte) *TerminateError {
	c := v.c
	if v.swallow && v.msn[queueSend] == 1 && v.mo == 0 && h.last && len(p) == 0 && h.op == opSend {
		v.swallow = false
		v.msn[queueSend]++
		return nil
	}
	if !h.last {
		if v.msg == nil {
			v.msg = c.buffers.messages.Get().(*[]byte)
		}
		c.count.copied.Add(int64(len(p)))
		*v.msg = append(*v.msg, p...)
		v.mo += uint32(len(p))
		return nil
	}
	m := rdma.Message{Data: p}
	if v.msg != nil {
		c.count.copied.Add(int64(len(p)))
		*v.msg = append(*v.msg, p...)
		m.Data = *v.msg
	}
	if h.op.invalidates() {
		m.Invalidates, m.Invalidated = true, rdma.Key(h.stag)
		if bad := c.invalidate(h.stag); bad != nil {
			return bad
		}
	}
	v.msn[queueSend]++
	v.mo = 0
	c.count.messagesIn.Add(1)
	c.h.Received(m)
	v.noMessage()
	return nil
}

// request takes a Read Request of the peer.
func (v *receiver) request(h *header, p []byte) *TerminateError {
	c := v.c
	r := parseReadRequest(p)
	a := answer{size: int64(r.size), sink: r.sink, sinkTO: r.sinkTO}
	if r.size > 0 { // else nothing is looked up (RFC 5040 7.2)
		c.mem.mu.Lock()
		w, off, bad := c.mem.reach(r.source, r.sourceTO, a.size, rdma.RemoteRead)
		if bad == nil {
			a.win, a.key, a.at = w, r.source, off
		}
		c.mem.mu.Unlock()
		if bad != nil {
			return bad
		}
	}
	if !c.tx.serve(a) {
		return failure(causeStream, "more than %d RDMA Reads at a time", c.tx.answers.max)
	}
	v.msn[h.qn]++
	return nil
}

// terminated takes the Terminate message of the peer, which is its last.
func (v *receiver) terminated(p []byte) {
	e := &TerminateError{Layer: causeUnspecified.layer, Type: causeUnspecified.kind, Code: causeUnspecified.code, Peer: true}
	if said, ok := parseTerminate(p); ok {
		e.Layer, e.Type, e.Code = said.layer, said.kind, said.code
	}
	v.c.finish(e, dropped)
}
