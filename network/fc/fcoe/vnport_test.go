package fcoe

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// vnFrame is a frame of VN2VN from a station with an address and a port name.
func vnFrame(kind fip.Kind, m ethernet.MAC, id fc.ID, port fc.Name) *fip.Frame {
	f := &fip.Frame{
		Kind: kind, Has: fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeVNPort), MAC: m, Name: 1,
		VNPorts: []fip.VNPort{{MAC: vnMAC(id), ID: id, Port: port}},
	}
	if kind == fip.ClaimNotification || kind == fip.ClaimResponse {
		f.Has |= fip.SetOf(fip.TypeFC4, fip.TypeMaxSize)
		f.MaxSize = fip.MaxSizeOf(2112)
	}
	return f
}

// vn sends such a frame as a station.
func (r *raw) vn(kind fip.Kind, id fc.ID, port fc.Name) {
	src := r.mac
	if kind == fip.Beacon {
		src = vnMAC(id)
	}
	dst := fip.AllVN2VN
	if kind == fip.ProbeReply || kind == fip.ClaimResponse {
		dst = mac(11)
	}
	r.fip(dst, src, vnFrame(kind, r.mac, id, port), 0)
	synctest.Wait()
}

// flogi sends FLOGI to a neighbour.
func (r *raw) flogi(to byte, d, s fc.ID, port fc.Name) {
	l := els.FabricLogin(els.FLOGI, port, 1, 2112)
	f := linkFrame(fip.LinkRequest, fip.TypeFLOGI, requestHeader(d, s, 7), l.Append(nil))
	f.Has |= fip.SetOf(fip.TypeMAC)
	f.MAC = vnMAC(s)
	r.fip(mac(to), r.mac, f, 0)
	synctest.Wait()
}

// Two ports that want one address agree who has it: the higher name among those that only try, and whoever has it already.
func TestAddressConflicts(t *testing.T) {
	const low, high = fc.Name(5), fc.Name(0x2fff_ffff_ffff_000b)
	for _, test := range []struct {
		name  string
		at    time.Duration // since our first frame
		kind  fip.Kind
		port  fc.Name
		keeps bool
		says  fip.Kind // to the other; the zero kind: nothing
	}{
		{"a probe of a lower name, while we probe", 50 * time.Millisecond, fip.ProbeRequest, low, true, fip.ProbeReply},
		{"a probe of a higher name, while we probe", 50 * time.Millisecond, fip.ProbeRequest, high, false, fip.Kind{}},
		{"a probe, when we have claimed", 600 * time.Millisecond, fip.ProbeRequest, high, true, fip.ProbeReply},
		{"a probe, when we are up", 5 * time.Second, fip.ProbeRequest, high, true, fip.ProbeReply},
		{"an answer, while we probe", 150 * time.Millisecond, fip.ProbeReply, low, false, fip.Kind{}},
		{"an answer, when we are up", 5 * time.Second, fip.ProbeReply, low, true, fip.ClaimNotification},
		{"a claim of a lower name, while we probe", 150 * time.Millisecond, fip.ClaimNotification, low, false, fip.Kind{}},
		{"a claim of a lower name, when we are up", 5 * time.Second, fip.ClaimNotification, low, true, fip.ClaimNotification},
		{"a claim of a higher name, when we are up", 5 * time.Second, fip.ClaimNotification, high, false, fip.Kind{}},
		{"a beacon of a higher name, when we are up", 5 * time.Second, fip.Beacon, high, true, fip.ClaimNotification},
	} {
		onBed(t, func(t *testing.T, b *bed) {
			peer := b.raw(10, fip.AllVN2VN)
			u, _ := b.open(11, "").attach(0)
			for peer.count() == 0 {
				pass(time.Millisecond)
			}
			pass(test.at)
			peer.take()
			peer.vn(test.kind, 11, test.port)
			if got, want := strings.TrimSuffix(kinds(peer.take()), "\n"), test.says.String(); got != want && (got != "" || test.says != fip.Kind{}) {
				t.Errorf("%s: it says %q, want %q", test.name, got, want)
			}
			pass(2 * time.Second)
			if up, _ := u.is(); !up || (u.at.ID == 11) != test.keeps {
				t.Errorf("%s: %s", test.name, u.all())
			}
		})
	}
}

// After many conflicts a port tries again at longer intervals, so that it does not keep the wire busy.
func TestConflictsAreSlow(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		peer := b.raw(10, fip.AllVN2VN)
		probes := 0
		peer.react = func(x []byte) {
			var f fip.Frame
			if f.Parse(x[ethernet.HeaderLen:]) == nil && f.Kind == fip.ProbeRequest {
				probes++
				peer.send(fipFrame(f.MAC, peer.mac, vnFrame(fip.ProbeReply, peer.mac, f.VNPorts[0].ID, 5), 0))
			}
		}
		u, _ := b.open(11, "").attach(0)
		pass(10 * time.Minute)
		if up, _ := u.is(); up || probes > 10+60+5 || probes < 40 {
			t.Errorf("%d probes: %s", probes, u.all())
		}
		peer.mu.Lock()
		peer.react = nil
		peer.mu.Unlock()
		pass(15 * time.Second)
		if up, _ := u.is(); !up {
			t.Error(u.all())
		}
	})
}

// Several ports on one interface have an address each, and all are told of a neighbour.
func TestPortsOfOneInterface(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		x := b.open(11, "")
		var all []*user
		seen := make(map[fc.ID]bool)
		for i := range uint16(5) {
			u, _ := x.attach(i) // all want the same
			all = append(all, u)
		}
		v, _ := b.open(10, "").attach(0)
		pass(3 * time.Second)
		for _, u := range all {
			if up, n := u.is(); !up || n != 1 || seen[u.at.ID] {
				t.Errorf("%s", u.all())
			}
			seen[u.at.ID] = true
		}
		if _, n := v.is(); n != 5 {
			t.Errorf("%s", v.all())
		}
		if _, err := x.net.Attach(linuxPort(mac(11), 2), &user{}); err == nil {
			t.Error("two ports have one name")
		}
		if err := x.net.Close(); err == nil {
			t.Error("a network with ports is closed")
		}
	})
}

// A neighbour without beacons is gone after two and a half of them; a change of the link ends all, and begins it anew.
func TestNeighbourExpires(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		one, two := b.open(10, ""), b.open(11, "")
		u, _ := one.attach(0)
		v, _ := two.attach(0)
		pass(3 * time.Second)
		b.net.Break(func(sim.Event) sim.Fate { return sim.Fate{Drop: true} })
		pass(10 * time.Second)
		if _, n := u.is(); n != 1 {
			t.Fatalf("too soon: %s", u.all())
		}
		pass(11 * time.Second)
		if up, n := u.is(); n != 0 || !up {
			t.Errorf("%s", u.all())
		}
		b.net.Break(nil)
		pass(9 * time.Second)
		if _, n := u.is(); n != 1 || u.founds != 2 {
			t.Errorf("%s", u.all())
		}
		two.port.SetUp(false)
		synctest.Wait()
		if up, _ := v.is(); up || !strings.Contains(v.all(), "has no carrier") {
			t.Errorf("%s", v.all())
		}
		if i := two.net.Info(); !strings.Contains(i.State, "no carrier") {
			t.Errorf("%+v", i)
		}
		pass(time.Minute)
		two.port.SetUp(true)
		pass(3 * time.Second)
		if up, n := v.is(); !up || n != 1 || v.at.ID != 11 {
			t.Errorf("%s", v.all())
		}
		// Another MTU, another address, no interface, and it is back.
		two.port.SetMTU(1500)
		synctest.Wait()
		if up, _ := v.is(); !up || v.at.MaxPayload != 1452 {
			t.Errorf("%+v: %s", v.at, v.all())
		}
		two.port.SetMTU(300)
		synctest.Wait()
		if i := two.net.Info(); !strings.Contains(i.State, "MTU is too small") {
			t.Errorf("%+v", i)
		}
		two.port.SetMTU(9000)
		two.port.SetMAC(mac(12))
		pass(5 * time.Second)
		if up, n := v.is(); !up || n != 1 {
			t.Errorf("%s", v.all())
		}
		two.port.Remove()
		synctest.Wait()
		if up, _ := v.is(); up {
			t.Errorf("%s", v.all())
		}
	})
}

// Frames that are lost, doubled and late keep nobody from being found for long.
func TestNeighboursOnABadWire(t *testing.T) {
	for seed := range uint64(20) {
		onBed(t, func(t *testing.T, b *bed) {
			b.net.Break(sim.Random(seed, sim.Rates{Drop: 0.1, Double: 0.05, Reorder: 0.05, Damage: 0.01}))
			u, _ := b.open(10, "").attach(0)
			v, _ := b.open(11, "").attach(0)
			pass(time.Minute)
			b.net.Break(nil)
			pass(20 * time.Second)
			for _, x := range []*user{u, v} {
				if up, n := x.is(); !up || n != 1 {
					t.Errorf("seed %d: %s", seed, x.all())
				}
			}
		})
	}
}

// Who floods the wire with claims fills no memory, and pushes out nobody who works.
func TestFloodOfClaims(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		x := b.open(11, "")
		u, _ := x.attach(0)
		v, k := b.open(10, "").attach(0)
		pass(3 * time.Second)
		s := &fc.Sequence{Header: fc.Header{RCtl: fc.RCtlCommand, D: 11, S: 10, Type: fc.TypeFCP, FCtl: fc.FCtlRequest}, Head: []byte("use!"), MaxPayload: 2112}
		if !k.Post(s) {
			t.Fatal("not posted")
		}
		k.Flush()
		peer := b.raw(99, fip.AllVN2VN)
		answers := 0
		for i := range 3 * maxNeighbours {
			id := fc.ID(1000 + i)
			peer.mac = ethernet.MAC{2, 1, 0, 0, byte(i >> 8), byte(i)}
			peer.vn(fip.ClaimNotification, id, fc.Name(i+1))
			peer.vn(fip.Beacon, id, fc.Name(i+1))
			peer.flogi(11, 11, id, fc.Name(i+1))
			if i%64 == 0 {
				pass(100 * time.Millisecond)
				// Somebody says that the neighbour with the login is somebody else.
				peer.vn(fip.ClaimNotification, 10, 77)
			}
		}
		answers = peer.count() // those to addresses that it has not are not seen
		n := x.net.(*vn2vn)
		n.l.turn.Lock()
		if len(n.neighbours) > maxNeighbours || n.neighbours[10] == nil || len(n.ports[0].logins) > maxNeighbours {
			t.Errorf("%d neighbours, %d logins", len(n.neighbours), len(n.ports[0].logins))
		}
		n.l.turn.Unlock()
		if strings.Contains(u.all(), fmt.Sprintf("gone %v", fc.ID(10))) {
			t.Errorf("the neighbour is gone")
		}
		if answers > 200 {
			t.Errorf("%d answers", answers)
		}
		pass(time.Minute)
		if _, n := u.is(); n != 1 || strings.Contains(v.all(), "gone 0x00000b") {
			t.Errorf("%d neighbours; %s", n, v.all())
		}
		if i := x.net.Info(); !strings.Contains(strings.Join(i.Lines, "\n"), "no room") {
			t.Errorf("%+v", i.Lines)
		}
	})
}

// A stranger's login is refused, and says why.
func TestStranger(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		b.open(11, "").attach(0)
		peer := b.raw(10)
		pass(3 * time.Second)
		peer.flogi(11, 11, 10, 5)
		got := peer.take()
		if len(got) != 1 || got[0].Kind != fip.LinkReply || got[0].Has.Has(fip.TypeMAC) {
			t.Fatalf("%+v", got)
		}
		if r, err := els.ParseReject(got[0].Link.Payload); err != nil || r.Reason != els.ReasonFIP || r.Explanation != els.ExplanationNoNeighbour {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
