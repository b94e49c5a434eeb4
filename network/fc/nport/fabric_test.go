package nport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fabric"
	"github.com/lunette-io/lunette/network/fc/sim"
)

// A switchboard answers what a port asks a fabric, and what it asks its ports.
type switchboard struct {
	k     *fake
	ports map[fc.ID]fc.Name // other than the port itself
	asked []string
	lose  int // so many requests are not answered
	// refuse are the requests that are refused.
	refuse map[string]bool
}

// run answers until there is nothing more to answer.
func (s *switchboard) run(t *testing.T) {
	t.Helper()
	for range 1000 {
		synctest.Wait()
		out := s.k.sent()
		if len(out) == 0 {
			return
		}
		for i := range out {
			if f := &out[i]; f.FCtl&fc.FCtlResponder == 0 {
				s.answer(t, f)
			}
		}
	}
	t.Fatal("it does not come to an end")
}

func (s *switchboard) answer(t *testing.T, f *fc.Frame) {
	t.Helper()
	what := els.CommandOf(f.Payload).String()
	var h ct.Header
	var q ct.Request
	if f.Type == fc.TypeCT {
		var err error
		if h, q, err = ct.ParseRequest(f.Payload); err != nil {
			t.Fatal(err)
		}
		what = q.Command.String()
	}
	s.asked = append(s.asked, fmt.Sprintf("%s %v", what, f.D))
	if s.lose > 0 {
		s.lose--
		return
	}
	a := fc.Frame{Header: fc.Header{RCtl: f.RCtl | 1, D: f.S, S: f.D, Type: f.Type, FCtl: fc.FCtlReply, OX: f.OX, RX: fc.NoID}, First: true, Last: true}
	switch {
	case f.Type == fc.TypeCT && s.refuse[what]:
		a.Payload = h.Reject(ct.ReasonUnable, ct.ExplanationNone).Append(nil)
	case f.Type == fc.TypeCT:
		a.Payload = h.Accept().Append(nil)
		switch q.Command {
		case ct.GetPortNames:
			var ids []fc.ID
			for id := range s.ports {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			for _, id := range ids {
				a.Payload = ct.AppendNamed(a.Payload, id, s.ports[id], false)
			}
			a.Payload = ct.AppendNamed(a.Payload, localID, localName, true)
		case ct.GetPortName:
			if name, ok := s.ports[q.ID]; ok {
				a.Payload = ct.AppendName(a.Payload, name)
			} else {
				a.Payload = h.Reject(ct.ReasonUnable, ct.ExplanationID).Append(nil)
			}
		}
	case what == "PLOGI":
		name := s.ports[f.D]
		if f.D == fc.NameServer {
			name = 99
		}
		l := els.PortLogin(els.LSAcc, name, name|1<<60, 2048, time.Second)
		a.Payload = l.Append(nil)
	case what == "PRLI":
		a.Payload = els.Process{Command: els.LSAcc, Pages: []els.Page{{Type: fc.TypeFCP, Flags: els.ImagePair.WithResponse(1), Params: 0x12}}}.Append(nil)
	default:
		a.RCtl = fc.RCtlELSReply
		a.Payload = els.AppendAccept(nil)
	}
	if f.Type == fc.TypeCT {
		a.RCtl = fc.RCtlSolicitedControl
	}
	// In frames of 20 bytes, where it is longer than a login.
	for len(a.Payload) > 120 {
		b := a
		b.Last, b.Payload, b.FCtl = false, a.Payload[:20], fc.FCtlResponder
		s.k.come(b)
		a.First, a.SeqCnt, a.Payload = false, a.SeqCnt+1, a.Payload[20:]
	}
	s.k.come(a)
}

func (s *switchboard) took() []string {
	l := s.asked
	s.asked = nil
	return l
}

func onFabric(t *testing.T, features fc.Features, f func(t *testing.T, s *switchboard, u *upper, p *Port)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := &upper{}
		k, p := openFake(t, u, func(c *Config) {
			c.Features, c.Params, c.Symbolic = features, 0x1a2, "lunette"
		})
		k.handler.Up(fc.Attachment{ID: localID, Fabric: true, FabricName: 5, MaxPayload: fc.MaxPayload, ErrorDetect: 2 * time.Second, ResourceAllocation: 10 * time.Second})
		s := &switchboard{k: k, ports: map[fc.ID]fc.Name{}, refuse: map[string]bool{}}
		f(t, s, u, p)
		closePort(t, p)
		u.leaks(t)
	})
}

var registering = []string{"PLOGI 0xfffffc", "RNN_ID 0xfffffc", "RSNN_NN 0xfffffc", "RSPN_ID 0xfffffc", "RFT_ID 0xfffffc", "RFF_ID 0xfffffc", "SCR 0xfffffd"}

func TestRegistration(t *testing.T) {
	onFabric(t, fc.FeatureTarget, func(t *testing.T, s *switchboard, u *upper, p *Port) {
		s.run(t)
		if got := s.took(); !slices.Equal(got, registering) {
			t.Fatalf("it asked %q", got)
		}
		// An initiator logs in; it goes; the fabric says so.
		s.k.come(elsFrame(1, plogi(remoteName)))
		s.k.come(elsFrame(2, prli()))
		s.k.sent()
		s.ports[remoteID] = remoteName
		changed := elsFrame(3, els.StateChange{Pages: []els.Affected{{ID: remoteID}}}.Append(nil))
		changed.S = fc.FabricController
		s.k.come(changed)
		s.run(t)
		if got := s.took(); !slices.Equal(got, []string{"GPN_ID 0xfffffc"}) || len(p.Remotes()) != 1 {
			t.Errorf("it asked %q", got)
		}
		delete(s.ports, remoteID)
		changed.OX = 4
		s.k.come(changed)
		s.lose = 1 // the question is asked again
		s.run(t)
		if len(p.Remotes()) != 1 {
			t.Error("who may be there is not logged in")
		}
		sleep(10 * time.Second)
		s.run(t)
		if len(p.Remotes()) != 0 {
			t.Error("who is gone is logged in")
		}
		// What is refused of names does not matter, the rest is tried again.
		for what, want := range map[string]int{"RSPN_ID": 7, "RFT_ID": 12} {
			s.refuse[what] = true
			s.took()
			s.k.handler.Down(fc.ErrDown)
			s.k.handler.Up(fc.Attachment{ID: localID, Fabric: true, MaxPayload: 256})
			s.run(t)
			delete(s.refuse, what)
			sleep(5 * time.Second)
			s.run(t)
			if got := s.took(); len(got) != want {
				t.Errorf("with %s refused it asked %q", what, got)
			}
		}
	})
}

func TestTargets(t *testing.T) {
	onFabric(t, fc.FeatureInitiator, func(t *testing.T, s *switchboard, u *upper, p *Port) {
		for i := range 6 {
			s.ports[remoteID+10+fc.ID(i)] = remoteName + 100 + fc.Name(i)
		}
		s.lose = 2
		s.run(t)
		for range 6 {
			sleep(5 * time.Second)
			s.run(t)
		}
		if got := s.took(); !slices.Equal(got[2:8], registering[:6]) {
			t.Fatalf("it asked %q", got)
		}
		if n := len(p.Remotes()); n != 6 {
			t.Fatalf("it is logged in with %d", n)
		}
		r, err := p.Connect(t.Context(), remoteName+103)
		if err != nil || r.ID() != remoteID+13 {
			t.Fatal(r, err)
		}
		// One goes, and another comes; one that logs us out is logged in with again.
		delete(s.ports, remoteID+10)
		s.ports[remoteID+20] = remoteName + 120
		changed := elsFrame(3, els.StateChange{Pages: []els.Affected{{Format: els.AffectedFabric}}}.Append(nil))
		changed.S = fc.FabricController
		s.k.come(changed)
		f := elsFrame(4, els.Logout{ID: remoteID + 11}.Append(nil))
		f.S = remoteID + 11
		s.k.come(f)
		s.run(t)
		if n := len(p.Remotes()); n != 5 {
			t.Errorf("it is logged in with %d", n)
		}
		sleep(5 * time.Second)
		s.run(t)
		var ids []fc.ID
		for _, r := range p.Remotes() {
			ids = append(ids, r.ID())
		}
		slices.Sort(ids)
		if !slices.Equal(ids, []fc.ID{12, 13, 14, 15, 16, 21}) {
			t.Errorf("it is logged in with %v", ids)
		}
	})
}

// With a real fabric, on a network that loses frames.
func TestFabric(t *testing.T) {
	for _, lost := range []int{0, 10, 100} {
		for seed := range uint64(4) {
			synctest.Test(t, func(t *testing.T) {
				n := sim.NewFabric(fabric.Config{}, sim.Config{})
				n.Outside.Break(sim.Seeded(seed, sim.Rates{Drop: lost, Double: lost, Hold: lost, Delay: lost}))
				tu, iu, ou := &upper{}, &upper{}, &upper{}
				target, other, initiator := openOn(t, n.Inside, tu, localName, fc.FeatureTarget), openOn(t, n.Inside, ou, localName+1, fc.FeatureTarget), openOn(t, n.Outside, iu, remoteName, fc.FeatureInitiator)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				for _, name := range []fc.Name{localName, localName + 1} {
					if _, err := initiator.Connect(ctx, name); err != nil {
						t.Fatal(err)
					}
				}
				n.Outside.Break(nil)
				sleep(time.Minute)
				// A target goes: it is not logged in any more. An initiator goes without a word: the targets learn of it.
				closePort(t, other)
				sleep(time.Second)
				if got := initiator.Remotes(); len(got) != 1 || got[0].Port != localName {
					t.Errorf("it is logged in with %v", got)
				}
				if len(target.Remotes()) != 1 {
					t.Errorf("the target has %d logins", len(target.Remotes()))
				}
				n.Outside.Cut(remoteName)
				sleep(time.Minute)
				if len(target.Remotes()) != 0 {
					t.Error("the target has a login of who is gone")
				}
				n.Outside.Mend(remoteName)
				if _, err := initiator.Connect(ctx, localName); err != nil {
					t.Error(err)
				}
				closePort(t, target)
				closePort(t, initiator)
				if err := errors.Join(n.Outside.Close(), n.Inside.Close()); err != nil {
					t.Error(err)
				}
				tu.leaks(t)
				iu.leaks(t)
				ou.leaks(t)
			})
		}
	}
}
