package fabric

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A yard is what is outside of a fabric in tests: it keeps the frames that have left.
type yard struct {
	f *Fabric

	mu     sync.Mutex
	queue  []*fc.Sequence
	frames []fc.Frame
	down   bool
	stuck  bool // nothing leaves
}

func (y *yard) Post(s *fc.Sequence) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.down {
		return false
	}
	y.queue = append(y.queue, s)
	return true
}

func (y *yard) Cancel(*fc.Sequence) {}

func (y *yard) Flush() {
	y.mu.Lock()
	var all []*fc.Sequence
	if !y.stuck {
		all, y.queue = y.queue, nil
	}
	for _, s := range all {
		for moved := int64(0); ; {
			p := s.Part(fc.MaxPayload, moved)
			f := fc.Frame{Header: p.Header, First: p.First, Last: p.Last, Payload: bytes.Clone(p.Head)}
			if p.Len > 0 {
				f.Payload = append(f.Payload, s.Data.At(p.At)[:p.Len]...)
			}
			y.frames = append(y.frames, f)
			if moved += p.Payload(); p.Last {
				break
			}
		}
	}
	y.mu.Unlock()
	for _, s := range all {
		y.f.Sent(s, nil)
	}
}

// take returns the frames that have left, and forgets them.
func (y *yard) take() []fc.Frame {
	synctest.Wait()
	return y.grab()
}

// grab is take, without waiting for anything to happen.
func (y *yard) grab() []fc.Frame {
	y.mu.Lock()
	defer y.mu.Unlock()
	all := y.frames
	y.frames = nil
	return all
}

// one returns the only frame that has left.
func (y *yard) one(t *testing.T) fc.Frame {
	t.Helper()
	all := y.take()
	if len(all) != 1 {
		t.Fatalf("%d frames have left", len(all))
	}
	return all[0]
}

// A local is the user of a port inside.
type local struct {
	fc.Link
	id fc.ID

	mu     sync.Mutex
	frames []fc.Frame
	ups    int
	sent   []error
}

func (l *local) Up(a fc.Attachment) { l.mu.Lock(); defer l.mu.Unlock(); l.id, l.ups = a.ID, l.ups+1 }
func (l *local) Down(error)         {}
func (l *local) Found(fc.Neighbour) {}
func (l *local) Gone(fc.ID, error)  {}
func (l *local) Sent(_ *fc.Sequence, e error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, e)
}
func (l *local) Received(f *fc.Frame) {
	g := *f
	g.Payload = bytes.Clone(f.Payload)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames = append(l.frames, g)
}

func (l *local) take() []fc.Frame {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.frames
	l.frames = nil
	return all
}

// A zoning lets those pairs see each other that are not in it.
type zoning map[[2]fc.Name]bool

func (z zoning) Sees(inside, outside fc.Name) bool { return !z[[2]fc.Name{inside, outside}] }

const (
	target fc.Name = 0x2100_0000_0000_0001
	host   fc.Name = 0x2000_0000_0000_00a0
)

// with runs a test with a fabric.
func with(t *testing.T, c Config, test func(t *testing.T, f *Fabric, y *yard)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		y := new(yard)
		c.Name = cmp.Or(c.Name, 0x2001_0000_00fa_b001)
		y.f = New(c, y)
		test(t, y.f, y)
		if err := y.f.Close(); err != nil {
			t.Error(err)
		}
	})
}

// attach makes a port inside.
func attach(t *testing.T, f *Fabric, name fc.Name) *local {
	t.Helper()
	l := new(local)
	var err error
	if l.Link, err = f.Attach(fc.PortConfig{Node: name + 0x1000, Port: name, Types: []fc.Type{fc.TypeFCP}, Features: fc.FeatureTarget}, l); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return l
}

// flogi is the FLOGI of a port.
func flogi(name fc.Name) *els.Login {
	l := els.FabricLogin(els.FLOGI, name, name+0x1000, fc.MaxPayload)
	return &l
}

// login logs a port in from outside, by a way of its own.
func login(t *testing.T, f *Fabric, name fc.Name) fc.ID {
	t.Helper()
	g, err := f.Login(flogi(name), uint64(name))
	if err != nil {
		t.Fatal(err)
	}
	return g.ID
}

// link sends an extended link service from outside, and returns the answer.
func link(t *testing.T, f *Fabric, y *yard, s, d fc.ID, payload []byte) []byte {
	t.Helper()
	f.Received(frame(s, d, payload))
	f.Batch()
	a := y.one(t)
	if a.S != d || a.D != s || a.OX != 0x77 || a.Type != fc.TypeELS || a.RCtl != fc.RCtlELSReply || !a.First || !a.Last {
		t.Errorf("the answer is %+v", a)
	}
	return a.Payload
}

func frame(s, d fc.ID, payload []byte) *fc.Frame {
	return &fc.Frame{
		Header: fc.Header{RCtl: fc.RCtlELSRequest, D: d, S: s, Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: 0x77, RX: fc.NoID},
		First:  true, Last: true, Payload: payload,
	}
}

// ask asks the name server from outside, and returns what is behind the header of the answer, or the refusal.
func ask(t *testing.T, f *Fabric, y *yard, s fc.ID, q ct.Request) ([]byte, error) {
	t.Helper()
	return unit(t, f, y, s, q.Append(nil))
}

func unit(t *testing.T, f *Fabric, y *yard, s fc.ID, b []byte) ([]byte, error) {
	t.Helper()
	r := frame(s, fc.NameServer, b)
	r.Type, r.RCtl = fc.TypeCT, fc.RCtlUnsolicitedControl
	f.Received(r)
	f.Batch()
	var all []byte
	frames := y.take()
	for i, a := range frames {
		if a.Type != fc.TypeCT || a.RCtl != fc.RCtlSolicitedControl || a.D != s || a.S != fc.NameServer || a.OX != 0x77 ||
			a.First != (i == 0) || a.Last != (i == len(frames)-1) || a.FCtl&fc.FCtlResponder == 0 {
			t.Errorf("the answer is %+v", a)
		}
		all = append(all, a.Payload...)
	}
	h, err := ct.ParseHeader(all)
	if err != nil {
		t.Fatal(err)
	}
	if h.Service != ct.ServiceDirectory || h.Subtype != ct.SubtypeNameServer {
		t.Errorf("%+v", h)
	}
	return all[ct.HeaderLen:], h.Check()
}

// refused checks an error of the name server.
func refused(err error, e ct.Explanation) error {
	var r ct.Reject
	if !errors.As(err, &r) || r.Explanation != e || r.Reason != ct.ReasonUnable {
		return fmt.Errorf("%v, want %v", err, e)
	}
	return nil
}

// changes registers for state changes.
func changes(t *testing.T, f *Fabric, y *yard, s fc.ID) {
	t.Helper()
	if err := els.CheckAccept(link(t, f, y, s, fc.FabricController, els.Register{Function: els.RegisterFull}.Append(nil))); err != nil {
		t.Error(err)
	}
}
