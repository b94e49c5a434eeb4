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
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/sim"
)

// openOn opens a port of a network.
func openOn(t testing.TB, n fc.Network, u *upper, name fc.Name, f fc.Features) *Port {
	t.Helper()
	p, err := Open(n, Config{Node: name | 1<<60, Port: name, Features: f, Upper: u, Params: 0x1a2, Symbolic: "a port for tests"})
	if err != nil {
		t.Fatal(err)
	}
	u.port, u.t = p, t
	return p
}

// Among neighbours the port with the higher name logs in, whichever is the target, and whatever is lost.
func TestNeighbours(t *testing.T) {
	for _, targetIsHigher := range []bool{false, true} {
		for _, lost := range []int{0, 10, 100, 300} {
			for seed := range uint64(4) {
				t.Run(fmt.Sprint(targetIsHigher, lost, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := sim.New()
						n.Break(sim.Seeded(seed, sim.Rates{Drop: lost, Double: lost, Hold: lost, Delay: lost}))
						tu, iu := &upper{}, &upper{}
						tn, in := remoteName, localName
						if targetIsHigher {
							tn, in = in, tn
						}
						target, initiator := openOn(t, n, tu, tn, fc.FeatureTarget), openOn(t, n, iu, in, fc.FeatureInitiator)
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
						defer cancel()
						r, err := initiator.Connect(ctx, tn)
						if err != nil {
							t.Fatal(err)
						}
						if r.Port != tn || r.Node != tn|1<<60 || r.MaxPayload() != fc.MaxPayload {
							t.Errorf("it is %+v", r)
						}
						if theirs, ours := r.Params(); theirs != 0x12 || ours != 0x1a2 {
							t.Errorf("the parameters are %x and %x", theirs, ours)
						}
						if lost == 0 {
							if got := target.Remotes(); len(got) != 1 || got[0].Port != in {
								t.Errorf("the target has %v", got)
							}
							if got := tu.said(); !slices.Equal(got, []string{"login"}) {
								t.Errorf("the target heard %q", got)
							}
						}
						n.Break(nil)
						closePort(t, initiator)
						synctest.Wait()
						if lost == 0 && len(target.Remotes()) != 0 {
							t.Error("the target still has a login")
						}
						closePort(t, target)
						tu.leaks(t)
						iu.leaks(t)
						if err := n.Close(); err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	}
}

// The link goes and comes, and the logins with it.
func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		tu, iu := &upper{}, &upper{}
		target, initiator := openOn(t, n, tu, localName, fc.FeatureTarget), openOn(t, n, iu, remoteName, fc.FeatureInitiator)
		for i := range 4 {
			r, err := initiator.Connect(t.Context(), localName)
			if err != nil {
				t.Fatal(err)
			}
			switch i {
			case 0:
				n.Cut()
			case 1:
				n.Cut(localName)
			case 2:
				n.Cut(remoteName)
			case 3:
				r.Logout(true, errors.New("for a test"))
			}
			synctest.Wait()
			if len(target.Remotes())+len(initiator.Remotes()) != 0 {
				t.Errorf("there are logins after case %d", i)
			}
			n.Mend()
		}
		if _, err := initiator.Connect(t.Context(), localName); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := initiator.Connect(ctx, 77); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Connect to nobody: %v", err)
		}
		closePort(t, target)
		closePort(t, initiator)
		if _, err := initiator.Connect(t.Context(), localName); !errors.Is(err, fc.ErrClosed) {
			t.Errorf("Connect of a closed port: %v", err)
		}
		tu.leaks(t)
		iu.leaks(t)
	})
}

// A new login ends the old one, with all that it had.
func TestPLOGIAgain(t *testing.T) {
	u := &upper{lazy: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		k.come(command(1))
		k.come(abts(2, fc.NoID))
		k.sent()
		sleep(2 * time.Second)
		k.come(elsFrame(0x100, plogi(remoteName)))
		if f := k.one(t); els.CommandOf(f.Payload) != els.LSAcc || f.OX != 0x100 || f.FCtl != 0x990000 || f.RX != fc.NoID || len(f.Payload) != els.LoginLen {
			t.Fatalf("PLOGI is answered with %v %x", &f.Header, f.Payload)
		}
		if got := u.said(); !slices.Equal(got, []string{"logged out"}) || u.open() != 0 {
			t.Fatalf("the upper layer heard %q", got)
		}
		// A copy of it does nothing.
		k.come(elsFrame(0x101, prli()))
		k.sent()
		k.come(elsFrame(0x101, prli()))
		if out := k.sent(); len(out) != 0 || len(u.said()) != 1 {
			t.Errorf("a copy of PRLI is answered: %v", out)
		}
		// The identifiers are all new.
		u.lazy = false
		k.come(command(1))
		k.come(command(2))
		if n := len(k.sent()); n != 2 {
			t.Errorf("%d answers, want 2", n)
		}
		// PRLI again is a new login as well.
		sleep(2 * time.Second)
		u.said()
		k.come(elsFrame(0x101, prli()))
		if got := u.said(); !slices.Equal(got, []string{"logged out", "login"}) {
			t.Errorf("the upper layer heard %q", got)
		}
	})
}

// A neighbour may log in before it is found; found again it has to log in again. Its name is its own.
func TestFound(t *testing.T) {
	u := &upper{}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		n := fc.Neighbour{ID: remoteID, Node: remoteName | 1<<60, Port: remoteName, MaxPayload: 1024}
		k.handler.Found(n)
		if len(u.said()) != 0 || len(p.Remotes()) != 1 {
			t.Fatal("who was found is logged out")
		}
		f := elsFrame(5, plogi(remoteName))
		f.S = remoteID + 1
		k.come(f)
		if r, err := els.ParseReject(k.one(t).Payload); err != nil || r.Explanation != els.ExplanationPortName || len(p.Remotes()) != 1 {
			t.Errorf("PLOGI with the name of a neighbour is answered with %v, %v", r, err)
		}
		k.come(elsFrame(6, plogi(remoteName+3)))
		if r, err := els.ParseReject(k.one(t).Payload); err != nil || r.Explanation != els.ExplanationPortName || len(p.Remotes()) != 1 {
			t.Errorf("PLOGI of a neighbour with another name is answered with %v, %v", r, err)
		}
		k.handler.Found(n)
		synctest.Wait()
		if f := k.one(t); els.CommandOf(f.Payload) != els.PLOGI || len(p.Remotes()) != 0 {
			t.Errorf("who is found again gets %v", &f.Header)
		}
		n.ID++
		k.handler.Found(n)
		if p.known() != 1 {
			t.Errorf("%d ports of one name", p.known())
		}
		k.handler.Gone(n.ID, errors.New("for a test"))
		if p.known() != 0 {
			t.Errorf("%d ports are known", p.known())
		}
		// Who is logged in at the port alone (PLOGI), and sends commands, is logged out.
		k.come(elsFrame(7, plogi(remoteName)))
		synctest.Wait()
		k.sent()
		k.come(command(1))
		if f := k.one(t); els.CommandOf(f.Payload) != els.LOGO {
			t.Errorf("it gets %v", &f.Header)
		}
		k.come(elsFrame(8, prli()))
		if r, err := els.ParseReject(k.one(t).Payload); err != nil || r.Explanation != els.ExplanationLogin {
			t.Errorf("PRLI is answered with %v, %v", r, err)
		}
	})
}

// Who is not logged in gets LOGO, not too often.
func TestStrangers(t *testing.T) {
	u := &upper{}
	synctest.Test(t, func(t *testing.T) {
		k, p := openFake(t, u, nil)
		for i := range 1000 {
			f := command(1)
			f.S = fc.ID(i + 1000)
			k.come(f)
		}
		out := k.sent()
		if len(out) < 1 || len(out) > 20 {
			t.Errorf("%d answers to a thousand", len(out))
		}
		for _, f := range out {
			if l, err := els.ParseLogout(f.Payload); err != nil || l.ID != localID || l.Port != localName {
				t.Errorf("%v %x", &f.Header, f.Payload)
			}
		}
		sleep(10 * time.Second)
		k.sent()
		k.come(command(1))
		k.come(command(2))
		if f := k.one(t); els.CommandOf(f.Payload) != els.LOGO || f.D != remoteID {
			t.Errorf("%v %x", &f.Header, f.Payload)
		}
		closePort(t, p)
		u.leaks(t)
	})
}

// A flood of logins from made-up addresses takes no room from those who are logged in.
func TestFlood(t *testing.T) {
	u := &upper{}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		for i := range 1000 {
			f := elsFrame(uint16(i), plogi(remoteName+fc.Name(i)+100))
			f.S = fc.ID(i + 1000)
			k.come(f)
		}
		if p.known() > 8 {
			t.Errorf("%d ports are known, want 8", p.known())
		}
		k.sent()
		k.come(command(1))
		k.one(t)
		// Those that are logged in stay, and there is no room for another.
		for i := range 20 {
			f := elsFrame(uint16(i), plogi(remoteName+fc.Name(i)+100))
			f.S = fc.ID(i + 5000)
			k.come(f)
			f.Payload, f.OX = prli(), f.OX+1000
			k.come(f)
		}
		if n := len(p.Remotes()); n != 8 {
			t.Errorf("%d are logged in, want 8", n)
		}
		out := k.sent()
		if r, err := els.ParseReject(out[len(out)-2].Payload); err != nil || r.Explanation != els.ExplanationResources {
			t.Errorf("PLOGI without room is answered with %v, %v", r, err)
		}
		if r, err := els.ParseReject(out[len(out)-1].Payload); err != nil || r.Explanation != els.ExplanationLogin {
			t.Errorf("PRLI without PLOGI is answered with %v, %v", r, err)
		}
	})
}

// Every link service has its answer.
func TestLinkServices(t *testing.T) {
	u := &upper{}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		accepted := func(b []byte) string { return fmt.Sprintf("%x", b) }
		zero := func(n int) []byte { return make([]byte, n) }
		long := els.Echo{Data: make([]byte, 3000)}.Append(nil)
		ox := uint16(1)
		for _, c := range []struct {
			name string
			q    []byte
			want string // the whole payload, or the beginning of it
		}{
			{"ADISC", els.Discover{Port: remoteName, Node: remoteName | 1<<60, ID: remoteID}.Append(nil),
				accepted(els.Discover{Answer: true, Port: localName, Node: localName | 1<<60, ID: localID}.Append(nil))},
			{"ADISC of another", els.Discover{Port: remoteName + 1, Node: remoteName | 1<<60, ID: remoteID}.Append(nil), "0100000000031e"},
			{"RTV", []byte{0x0e, 0, 0, 0}, "0200000000000fa0000007d000000000"},
			{"RLS", els.ReadLinkStatus{}.Append(nil), accepted(append([]byte{2}, zero(27)...))},
			{"ECHO", els.Echo{Data: []byte("hello")}.Append(nil), accepted(els.Echo{Answer: true, Data: []byte("hello")}.Append(nil))},
			{"a long ECHO", long[:2000], accepted(append([]byte{2}, zero(1999)...))},
			{"RNID", els.Identify{}.Append(nil), accepted(els.Identity{Named: true, Port: localName, Node: localName | 1<<60}.Append(nil))},
			{"RNID of another format", els.Identify{Format: 0xdf}.Append(nil), "0100000000092c"},
			{"RRQ of nothing", els.Reinstate{S: remoteID, OX: 1, RX: 1}.Append(nil), "01000000000317"},
			{"RRQ of another", els.Reinstate{S: 9, OX: 1, RX: 1}.Append(nil), "01000000000315"},
			{"RSCN of no fabric", els.StateChange{Pages: []els.Affected{{}}}.Append(nil), "01000000000b2c"},
			{"FLOGI", append([]byte{4}, zero(115)...), "01000000000b2c"},
			{"FDISC", append([]byte{0x51}, zero(115)...), "01000000000b2c"},
			{"an unknown one", []byte{0xee, 0, 0, 0}, "01000000000b2c"},
			{"nothing", nil, "01000000000b2c"},
			{"a short PRLI", []byte{0x20, 16, 0, 20}, "0100000000032d"},
			{"a short REC", []byte{0x13, 0, 0, 0}, "0100000000032d"},
			{"PRLI for another FC-4", els.Process{Command: els.PRLI, Pages: []els.Page{{Type: fc.TypeNVMe, Flags: els.ImagePair}}}.Append(nil), "0210001428000800"},
			{"PDISC", func() []byte { b := plogi(remoteName); b[0] = 0x50; return b }(), "02"},
			{"PDISC of another", func() []byte { b := plogi(remoteName + 1); b[0] = 0x50; return b }(), "0100000000091e"},
		} {
			ox++
			k.come(elsFrame(ox, c.q))
			f := k.one(t)
			got := accepted(f.Payload)
			if f.OX != ox || f.RCtl != fc.RCtlELSReply || f.FCtl != fc.FCtlReply || got[:min(len(got), len(c.want))] != c.want {
				t.Errorf("%s is answered with %v %s, want %s", c.name, &f.Header, got, c.want)
			}
		}
		if got := u.said(); len(got) != 0 || len(p.Remotes()) != 1 {
			t.Fatalf("the upper layer heard %q", got)
		}
		// In several frames.
		f := elsFrame(700, long[:1000])
		f.Last = false
		k.come(f)
		f.First, f.SeqCnt, f.Payload = false, 1, long[1000:2100]
		k.come(f)
		f.SeqCnt, f.Payload, f.Last = 2, long[2100:2104], true
		k.come(f)
		if f := k.one(t); len(f.Payload) != 2104 || f.Payload[0] != 2 {
			t.Errorf("it is answered with %v, %d bytes", &f.Header, len(f.Payload))
		}
		for i := range uint16(100) {
			f.First, f.Last, f.OX, f.SeqCnt = true, false, i, 0
			k.come(f)
		}
		incomplete := func() (n int) {
			p.turn.take(func() { n = len(p.pieces.all) })
			return n
		}
		if n := incomplete(); n != manyPieces {
			t.Errorf("%d requests are incomplete, want %d", n, manyPieces)
		}
		sleep(3 * time.Second)
		if n := incomplete(); n != 0 {
			t.Errorf("%d requests are incomplete after E_D_TOV", n)
		}
		k.come(elsFrame(800, els.Process{Command: els.PRLO, Pages: []els.Page{{Type: fc.TypeFCP}}}.Append(nil)))
		if f := k.one(t); fmt.Sprintf("%x", f.Payload[:8]) != "0210001408000100" || len(p.Remotes()) != 0 {
			t.Errorf("PRLO is answered with %x", f.Payload)
		}
		k.come(elsFrame(801, prli()))
		k.come(elsFrame(802, els.Logout{ID: remoteID, Port: remoteName}.Append(nil)))
		if out := k.sent(); len(out) != 2 || accepted(out[1].Payload) != "02000000" || len(p.Remotes()) != 0 || p.known() != 0 {
			t.Errorf("LOGO is answered with %v", out)
		}
		if got := u.said(); !slices.Equal(got, []string{"logged out", "login", "logged out"}) {
			t.Errorf("the upper layer heard %q", got)
		}
	})
}

func (p *Port) known() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.peers)
}
