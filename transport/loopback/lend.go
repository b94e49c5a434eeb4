package loopback

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/guard"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// lending is a session with Options.Lend: its initiator's buffers are lent. They may be memory that goes away, a file's that is mapped and cut short: then who touches them
// here does so with care, and data that cannot be moved ends the session.
type lending struct{ *Session }

// A loan is one direction of an exchange's lent memory.
type loan struct {
	buffer.Lease
	e    *exchange
	segs []buffer.Segment
	off  int64
	out  bool // it is not back
}

// lend makes b the lease, in pieces.
func (l *loan) lend(e *exchange, b []byte, off int64) *buffer.Lease {
	s := e.s
	piece := s.opt.LendPiece
	if piece <= 0 {
		piece = max(len(b), 1)
	}
	l.segs = l.segs[:0]
	for len(b) > 0 {
		n := min(piece, len(b))
		l.segs = append(l.segs, buffer.Segment{Mem: b[:n:n]})
		b = b[n:]
	}
	e.mu.Lock()
	again := l.out
	l.e, l.off, l.out = e, off, true
	e.mu.Unlock()
	if again {
		s.broken("a second lease of lent memory, at %d, before the first is back", off)
	}
	l.InitForeign(l, l.segs)
	return &l.Lease
}

// Reclaim takes the memory back.
func (l *loan) Reclaim(*buffer.Lease) {
	e := l.e
	e.mu.Lock()
	defer e.mu.Unlock()
	l.out = false
}

// LendDataIn lends of the command's In.
func (s lending) LendDataIn(t *target.Task, off, n int64) *buffer.Lease {
	e := of(t)
	if off < 0 || n <= 0 || off > int64(len(e.cmd.In))-n {
		return nil // room that the initiator told of, and does not have
	}
	s.lent.Add(n)
	return e.lentIn.lend(e, e.cmd.In[off:off+n], off)
}

// LendDataOut lends of the command's Out, unless the options say that it comes later, or never.
func (s lending) LendDataOut(t *target.Task, off, n int64) *buffer.Lease {
	e := of(t)
	if s.opt.Later || s.opt.Never || s.opt.FailDataOut != nil || off < 0 || n <= 0 || off > int64(len(e.cmd.Out))-n {
		return nil
	}
	s.lent.Add(n)
	return e.lentOut.lend(e, e.cmd.Out[off:off+n], off)
}

// Lent is how many bytes the session has lent, and Moved how many it has copied between its initiator's memory and a device server's.
func (s *Session) Lent() int64 { return s.lent.Load() }

// Moved is how many bytes the session has copied.
func (s *Session) Moved() int64 { return s.moved.Load() }

// filled takes back what the device server has filled, with nothing to move; it reports whether data is that. e.mu is not held.
func (s *Session) filled(e *exchange, off int64, data *buffer.Lease) bool {
	if data != &e.lentIn.Lease {
		return false
	}
	if off != e.lentIn.off {
		s.broken("memory that was lent for %d is sent for %d", e.lentIn.off, off)
	}
	e.mu.Lock()
	e.in = max(e.in, off+data.Len())
	e.mu.Unlock()
	data.Release()
	return true
}

// returned says that the task must have given back what it was lent, since it ends.
func (e *exchange) returned() {
	e.mu.Lock()
	in, out := e.lentIn.out, e.lentOut.out
	e.mu.Unlock()
	if in || out {
		e.s.broken("a task ends whose memory is lent: data-in %v, data-out %v", in, out)
	}
}

// gone ends the connection of an initiator whose memory is gone: it would not learn of its data.
func (s *Session) gone() {
	s.take()
	s.late.Go(func() { s.channel.Lost(func() {}) })
}

// errGone is what data-out from memory that is gone ends with.
var errGone = &target.DataError{Sense: scsi.NewSense(scsi.KeyAbortedCommand, scsi.ASCDataOutBufferError)}

// guardedIn copies data to in; it reports false if in is gone.
func (s *Session) guardedIn(in []byte, data *buffer.Lease) bool {
	for p := range data.All() {
		n, err := guard.Copy(in, p.Mem)
		s.moved.Add(int64(n))
		if err != nil {
			return false
		}
		in = in[n:]
	}
	return true
}

// guardedOut copies out into a lease at an offset.
func (s *Session) guardedOut(into *buffer.Lease, at int64, out []byte) error {
	for len(out) > 0 {
		dst := into.At(at)
		if dst == nil {
			return nil
		}
		n, err := guard.Copy(dst, out)
		if err != nil {
			s.gone()
			return errGone
		}
		s.moved.Add(int64(n))
		at += int64(n)
		out = out[n:]
	}
	return nil
}

// Aborting reports that the command under way has been aborted: it ends, without an answer, when nothing uses its memory.
func (s *Session) Aborting(p Pending) bool { return p.e.Aborted() }
