package fabric

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// Received takes a frame from outside. It borrows fr; whoever calls it has checked that the port with the address S_ID has sent it, and
// calls it from one goroutine at a time. ended: the port is not logged in, or not any more, since this frame has logged it out.
func (f *Fabric) Received(fr *fc.Frame) (ended bool) {
	f.table.RLock()
	m, p := f.members[fr.S], f.ports[fr.D]
	carried := m != nil && p != nil && m.sees(p.id)
	f.table.RUnlock()
	switch {
	case m == nil:
		f.dropped.Add(1)
		return true
	case carried:
		m.frames.Add(1)
		if leaves(fr) {
			f.leaves(m, p.id)
		}
		if !p.Direct(fr) {
			p.thrown.Add(1)
			return false
		}
		p.framesIn.Add(1)
		p.bytesIn.Add(int64(len(fr.Payload)))
		return false
	case fr.D.WellKnown():
		m.frames.Add(1)
		return f.ask(m, fr)
	}
	f.dropped.Add(1)
	return false
}

// ask lets a service answer a port outside.
func (f *Fabric) ask(m *member, fr *fc.Frame) (ended bool) {
	f.mu.Lock()
	if f.members[m.id] != m {
		f.mu.Unlock()
		return false
	}
	a, ok := f.serve(&m.entry, fr)
	if ended = ok && fr.D == fc.FabricPort && request(fr, els.LOGO); ended {
		f.leave(m)
	}
	f.mu.Unlock()
	if ok {
		f.reply(a)
	}
	return ended
}

// reply sends what a service has to say to a port outside. No lock is held.
func (f *Fabric) reply(a *fc.Sequence) bool {
	if f.out == nil {
		return false
	}
	if f.replies.Add(1) > maxReplies {
		f.replies.Add(-1)
		return false
	}
	a.Data, a.Len, a.Head = buffer.Of(a.Head), int64(len(a.Head)), nil
	if !f.out.Post(a) {
		f.replies.Add(-1)
		return false
	}
	return true
}

// Batch tells that all that had come has been delivered: what was put off is sent.
func (f *Fabric) Batch() {
	f.table.RLock()
	var some [16]*port
	all := some[:0]
	for _, p := range f.ports {
		all = append(all, p)
	}
	f.table.RUnlock()
	for _, p := range all {
		p.Station.Flush()
	}
	f.flush()
}

// flush sends what is for ports outside. No lock is held.
func (f *Fabric) flush() {
	if f.out != nil {
		f.out.Flush()
	}
}

// Sent gives back a sequence that Outside.Post has taken.
func (f *Fabric) Sent(s *fc.Sequence, err error) {
	if s.Header.S.WellKnown() {
		f.replies.Add(-1)
		return
	}
	f.table.RLock()
	p, limit := f.ports[s.Header.S], f.c.MaxPayload
	f.table.RUnlock()
	if p == nil { // it waits for all that it has posted before it goes
		return
	}
	size := s.Size()
	if err == nil {
		p.framesOut.Add(s.Frames(limit))
		p.bytesOut.Add(size)
	}
	p.queued.Add(-size)
	p.handler.Sent(s, err)
	p.returned()
}

// beginning is how a sequence begins: enough to tell an extended link service.
func beginning(s *fc.Sequence) (b [8]byte) {
	n := copy(b[:], s.Head)
	for at, end := s.At, s.At+s.Len; n < len(b) && at < end; {
		k := copy(b[n:], s.Data.At(at)[:min(int64(len(s.Data.At(at))), end-at)])
		n, at = n+k, at+int64(k)
	}
	return b
}

// accepts reports that a sequence accepts the login of a process: the LS_ACC of PRLI has the length of its pages where others have a zero, and
// says that an image pair is established.
func accepts(s *fc.Sequence) bool {
	if s.Header.Type != fc.TypeELS || s.Header.RCtl != fc.RCtlELSReply {
		return false
	}
	b := beginning(s)
	return b[0] == byte(els.LSAcc) && b[1] == els.PRLILen-4 && b[6]&byte(els.ImagePair>>8) != 0
}

// parts reports that a sequence ends a login.
func parts(s *fc.Sequence) bool {
	return s.Header.Type == fc.TypeELS && s.Header.RCtl == fc.RCtlELSRequest && ends(els.Command(beginning(s)[0]))
}

// leaves reports that a frame ends a login.
func leaves(fr *fc.Frame) bool {
	return fr.Type == fc.TypeELS && fr.RCtl == fc.RCtlELSRequest && ends(els.CommandOf(fr.Payload))
}

func ends(c els.Command) bool { return c == els.LOGO || c == els.PRLO }

// request reports that a frame is a request for an extended link service.
func request(fr *fc.Frame, c els.Command) bool {
	return fr.First && fr.Last && fr.Type == fc.TypeELS && fr.RCtl == fc.RCtlELSRequest && els.CommandOf(fr.Payload) == c
}
