package nport

import (
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

const (
	// manyPieces is how many requests of several frames may be incomplete at a time; the oldest goes for a new one.
	manyPieces = 8
	// mostRequest is how long a request may be.
	mostRequest = 4 << 10
)

// pieces puts requests together that have come in several frames.
type pieces struct{ all []*piece }

// A piece is the beginning of a request.
type piece struct {
	first    fc.Header
	count    uint16 // SEQ_CNT of the next frame
	payload  []byte
	deadline time.Duration
}

// join takes a frame of a request, and gives the whole one when it is complete, as if it had come in one frame. It borrows f.
func (p *pieces) join(f *fc.Frame, deadline time.Duration) *fc.Frame {
	if f.First && f.Last {
		return f
	}
	at := -1
	for i, o := range p.all {
		if o.first.S == f.S && o.first.OX == f.OX && o.first.RCtl == f.RCtl && (f.First || o.first.SeqID == f.SeqID) {
			at = i
		}
	}
	var o *piece
	switch {
	case f.First:
		if at < 0 && len(p.all) >= manyPieces {
			at = 0
		}
		p.forget(at)
		o = &piece{first: f.Header, count: f.SeqCnt, deadline: deadline}
		p.all = append(p.all, o)
		at = len(p.all) - 1
	case at < 0:
		return nil
	default:
		o = p.all[at]
	}
	if f.SeqCnt != o.count || len(o.payload)+len(f.Payload) > mostRequest {
		p.forget(at)
		return nil
	}
	o.payload, o.count = append(o.payload, f.Payload...), o.count+1
	if !f.Last {
		return nil
	}
	p.forget(at)
	whole := &fc.Frame{Header: f.Header, First: true, Last: true, Payload: o.payload}
	whole.SeqCnt, whole.Parameter = o.first.SeqCnt, o.first.Parameter
	return whole
}

func (p *pieces) forget(i int) {
	if i >= 0 {
		p.all = append(p.all[:i], p.all[i+1:]...)
	}
}

// expire forgets what is incomplete for too long.
func (p *pieces) expire(now time.Duration) (next time.Duration) {
	for i := 0; i < len(p.all); {
		if d := p.all[i].deadline; d > now {
			next = sooner(next, d)
			i++
			continue
		}
		p.forget(i)
	}
	return next
}
