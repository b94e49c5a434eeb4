package fcp

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
)

// A tap is a network of which the port sees every frame, and by which it sends what it wants.
type tap struct {
	fc.Network
	p *Port
}

// Attach implements fc.Network.
func (t *tap) Attach(c fc.PortConfig, h fc.Handler) (fc.Link, error) {
	l, err := t.Network.Attach(c, &tapped{h, t.p})
	if err == nil {
		t.p.link = l
	}
	return l, err
}

type tapped struct {
	fc.Handler
	p *Port
}

// Received implements fc.Handler.
func (t *tapped) Received(f *fc.Frame) {
	if see := t.p.cfg.Received; see == nil || see(f) {
		t.Handler.Received(f)
	}
}

// Sent implements fc.Handler.
func (t *tapped) Sent(s *fc.Sequence, err error) {
	if r, ok := s.Owner.(*raw); ok {
		r.done <- err
		return
	}
	t.Handler.Sent(s, err)
}

// A raw is a sequence of a test's own.
type raw struct {
	fc.Sequence
	done chan error
}

// Send sends any frame or sequence, with the identifiers that h has, and waits until it has left: whatever the port is doing. Networks have a say in what S_ID
// is.
func (p *Port) Send(h fc.Header, payload []byte) error {
	r := &raw{done: make(chan error, 1)}
	r.Sequence = fc.Sequence{Header: h, MaxPayload: fc.MaxPayload, Owner: r}
	if len(payload) > 0 {
		r.Data, r.Len = buffer.Of(payload), int64(len(payload))
	}
	if !p.link.Post(&r.Sequence) {
		return fc.ErrDown
	}
	p.link.Flush()
	return <-r.done
}
