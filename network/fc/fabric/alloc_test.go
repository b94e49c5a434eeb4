package fabric

import (
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
)

// A mirror is an Outside that gives everything back at once, and allocates nothing.
type mirror struct {
	f     *Fabric
	queue []*fc.Sequence
}

func (m *mirror) Post(s *fc.Sequence) bool { m.queue = append(m.queue, s); return true }
func (m *mirror) Cancel(*fc.Sequence)      {}
func (m *mirror) Flush() {
	all := m.queue
	m.queue = m.queue[:0]
	for _, s := range all {
		m.f.Sent(s, nil)
	}
}

// A deaf user answers every frame with a sequence.
type deaf struct {
	fc.Link
	up    chan fc.ID
	reply fc.Sequence
	sent  int
}

func (d *deaf) Up(a fc.Attachment)       { d.up <- a.ID }
func (d *deaf) Down(error)               {}
func (d *deaf) Found(fc.Neighbour)       {}
func (d *deaf) Gone(fc.ID, error)        {}
func (d *deaf) Sent(*fc.Sequence, error) { d.sent++ }
func (d *deaf) Received(*fc.Frame)       { d.Post(&d.reply) }

// Frames that are carried between a host and a port inside cost no allocation.
func TestCarryAllocates(t *testing.T) {
	m := &mirror{queue: make([]*fc.Sequence, 0, 16)}
	m.f = New(Config{Name: 1}, m)
	d := &deaf{up: make(chan fc.ID, 1)}
	l, err := m.f.Attach(fc.PortConfig{Port: target, Types: []fc.Type{fc.TypeFCP}}, d)
	if err != nil {
		t.Fatal(err)
	}
	d.Link = l
	id := <-d.up
	g, err := m.f.Login(flogi(host), 1)
	if err != nil {
		t.Fatal(err)
	}
	d.reply = fc.Sequence{
		Header: fc.Header{RCtl: fc.RCtlStatus, Type: fc.TypeFCP, D: g.ID, S: id, FCtl: fc.FCtlReply}, Data: buffer.Of(make([]byte, 4096)), Len: 4096, MaxPayload: 2112,
	}
	fr := &fc.Frame{Header: fc.Header{RCtl: fc.RCtlCommand, Type: fc.TypeFCP, D: id, S: g.ID}, First: true, Last: true, Payload: make([]byte, 32)}
	var sent int
	n := testing.AllocsPerRun(1000, func() {
		sent = d.sent
		m.f.Received(fr)
		m.f.Batch()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	if d.sent != sent+1 {
		t.Error("nothing was carried")
	}
	if s := l.Stats(); s.FramesIn != 1001 || s.FramesOut != 2*1001 || s.BytesOut != 4096*1001 {
		t.Errorf("%+v", s)
	}
	l.Close()
	if err := m.f.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkCarry(b *testing.B) {
	m := &mirror{queue: make([]*fc.Sequence, 0, 16)}
	m.f = New(Config{Name: 1}, m)
	d := &deaf{up: make(chan fc.ID, 1)}
	l, _ := m.f.Attach(fc.PortConfig{Port: target, Types: []fc.Type{fc.TypeFCP}}, d)
	d.Link = l
	id := <-d.up
	g, _ := m.f.Login(flogi(host), 1)
	d.reply = fc.Sequence{Header: fc.Header{Type: fc.TypeFCP, D: g.ID, S: id}}
	fr := &fc.Frame{Header: fc.Header{Type: fc.TypeFCP, D: id, S: g.ID}, First: true, Last: true, Payload: make([]byte, 32)}
	for b.Loop() {
		m.f.Received(fr)
		m.f.Batch()
	}
}
