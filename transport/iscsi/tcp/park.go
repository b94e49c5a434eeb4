package tcp

import "errors"

// What a connection keeps while it receives nothing: no batch buffer, and the begin of a PDU. What is
// more than that of a long one, which does not arrive, the initiator's account pays for.

// restLen is how much of a PDU a connection keeps without a batch buffer: all of those that
// are waited for, but for texts and pings with much data.
const restLen = early + 1<<10

// fetch takes a batch buffer, for what is kept without one.
func (v *receiver) fetch() {
	v.b = v.m.buffers.in.Get().(*batch)
	v.mem, v.r, v.w = v.b.mem, 0, copy(v.b.mem, v.rest)
	if v.rest = v.rest[:0]; cap(v.rest) > 2*restLen {
		v.rest = nil
	}
}

// Idle implements tcp.Handler: it gives the batch buffer back while there is nothing to
// receive, unless something is in it that has no other place.
func (m *Mover) Idle() {
	v := &m.recv
	switch {
	case v.b == nil:
	case m.ending.Load(): // a lingering connection holds nothing
		v.release()
	case !v.seg.anything || v.r == v.w: // else what is in it has no other place
		v.park()
	}
}

// park gives the batch buffer back unless much of a PDU is in it. In the login phase it
// always does, so that those who never finish theirs cost next to nothing.
func (v *receiver) park() {
	n := v.w - v.r
	if n > restLen && v.m.params.Memory != nil {
		kept := int64(cap(v.b.mem))
		if len(v.mem) > len(v.b.mem) {
			kept += int64(cap(v.mem))
		}
		if v.keep(kept) != nil {
			v.m.Terminate(errNoRoom)
		}
		return
	}
	v.rest = append(v.rest[:0], v.mem[v.r:v.w]...)
	v.release()
}

var errNoRoom = errors.New("no memory for a long PDU that does not arrive")

// keep pays for n bytes that are kept, instead of what was kept before.
func (v *receiver) keep(n int64) error {
	if n == v.charged {
		return nil
	}
	p := v.m.params.Memory
	if n > v.charged {
		if err := p.Charge(n - v.charged); err != nil {
			return err
		}
	} else {
		p.Uncharge(v.charged - n)
	}
	v.charged = n
	return nil
}

// release gives the batch buffer back; it holds nothing.
func (v *receiver) release() {
	if v.charged > 0 {
		_ = v.keep(0) // never refused
	}
	if v.b != nil {
		clear(v.b.iov[:])
		v.iov = nil
		v.m.buffers.in.Put(v.b)
		v.b, v.mem, v.r, v.w = nil, nil, 0, 0
	}
}
