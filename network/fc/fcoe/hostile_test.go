package fcoe

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// A keep-alive in somebody else's name that contradicts the login does not end it.
func TestContradictoryKeepAlive(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		host, other := b.raw(10), b.raw(12)
		b.open(11, "?mode=fabric").attach(0)
		pass(time.Second)
		host.login(els.FLOGI, 11, 5)
		id := host.take()[0].Link.Header.D
		own := fip.PortMAC(fip.DefaultMap, id)
		for _, v := range []fip.VNPort{
			{MAC: own, ID: id, Port: 6},
			{MAC: other.mac, ID: id, Port: 5},
			{MAC: fip.PortMAC(fip.DefaultMap+1, id), ID: id, Port: 5},
			{MAC: own, ID: id + 1, Port: 5},
		} {
			other.fip(mac(11), v.MAC, &fip.Frame{
				Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC, fip.TypeVNPort), MAC: host.mac, VNPorts: []fip.VNPort{v},
			}, 0)
			synctest.Wait()
			if got := host.take(); len(got) != 0 {
				t.Errorf("%+v: %+v", v, got)
			}
		}
		// Another host that believes to have the address is told.
		v := fip.VNPort{MAC: own, ID: id, Port: 7}
		other.fip(mac(11), own, &fip.Frame{
			Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC, fip.TypeVNPort), MAC: other.mac, VNPorts: []fip.VNPort{v},
		}, 0)
		synctest.Wait()
		if got := other.take(); len(got) != 1 || got[0].Kind != fip.ClearVirtualLinks || got[0].VNPorts[0] != v || len(host.take()) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// However many ask for an address of ours, few are answered at once.
func TestFloodOfProbes(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		b.open(11, "").attach(0)
		peer := b.raw(10)
		pass(3 * time.Second)
		peer.take()
		var all []ethernet.Frame
		for n := range 2000 {
			m := ethernet.MAC{2, 1, 0, 0, byte(n >> 8), byte(n)}
			all = append(all, ethernet.Frame{Head: fipFrame(fip.AllVN2VN, m, vnFrame(fip.ProbeRequest, m, 11, fc.Name(n+1)), 0)})
		}
		for ; len(all) > 0; all = all[10:] { // each batch is answered before the next, so that no queue is full
			if _, err := peer.wire.Send(all[:10]); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := b.net.Frames(); n < 2000+bucketSize || n > 2000+bucketSize+50 {
			t.Errorf("%d frames in all", n)
		}
	})
}

// Nobody takes the name of a neighbour that works from another station by a claim, before its beacons stop; the station itself may have another address.
func TestClaimOfAName(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		u, _ := b.open(11, "").attach(0)
		peer, other := b.raw(10), b.raw(12)
		pass(3 * time.Second)
		is := func(ids ...fc.ID) {
			t.Helper()
			u.mu.Lock()
			defer u.mu.Unlock()
			if len(u.here) != len(ids) {
				t.Errorf("%v are there", u.here)
			}
			for _, id := range ids {
				if u.here[id].Port != 5 {
					t.Errorf("%v are there", u.here)
				}
			}
		}
		in := func(r *raw, id fc.ID) {
			r.vn(fip.ClaimNotification, id, 5)
			r.flogi(11, 11, id, 5)
			pass(time.Second)
		}
		use := func(id fc.ID) {
			var m trimmings
			p := fc.Part{Header: fc.Header{RCtl: fc.RCtlCommand, D: 11, S: id, Type: fc.TypeFCP, FCtl: fc.FCtlRequest}, First: true, Last: true}
			putHead(&m.head, vnMAC(11), vnMAC(id), &p)
			f := ethernet.Frame{Head: m.head[:]}
			f.Tail = putTail(&m.tail, checksum(&f, 0), 0, true)
			peer.send(f.Append(nil))
			synctest.Wait()
		}
		in(peer, 10)
		is(10)
		use(10)
		in(other, 12)
		is(10)
		in(peer, 20)
		is(20)
		in(other, 12) // before it is used
		is(12)
		in(peer, 10)
		use(10)
		in(other, 12)
		is(10)
		pass(expiry)
		is()
		in(other, 12)
		is(12)
	})
}

// A FLOGI that comes twice, as some wires have it, is one login; another one is another.
func TestDoubledLogin(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		u, _ := b.open(11, "").attach(0)
		peer := b.raw(10)
		pass(3 * time.Second)
		peer.vn(fip.ClaimNotification, 10, 5)
		peer.flogi(11, 11, 10, 5)
		pass(time.Second)
		peer.take()
		founds := u.founds
		peer.flogi(11, 11, 10, 5)
		peer.flogi(11, 11, 10, 5)
		pass(10 * time.Millisecond)
		if got := peer.take(); len(got) != 2 || els.CommandOf(got[0].Link.Payload) != els.LSAcc || els.CommandOf(got[1].Link.Payload) != els.LSAcc {
			t.Errorf("%+v", got)
		}
		if u.founds != founds+1 {
			t.Errorf("found %d times, and %d before", u.founds, founds)
		}
		pass(time.Second)
		peer.flogi(11, 11, 10, 5)
		if u.founds != founds+2 {
			t.Errorf("found %d times, and %d before", u.founds, founds)
		}
	})
}

// An ENode does not believe a switch that it comes back in months, and logs in anew when its frames have another length.
func TestENodeOfItsMTU(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		b.open(11, "?mode=fabric").attach(0)
		x := b.open(12, "?mode=enode")
		u, _ := x.attach(0)
		pass(10 * time.Second)
		if up, _ := u.is(); !up || u.at.MaxPayload != 2112 {
			t.Fatalf("%+v: %s", u.at, u.all())
		}
		x.port.SetMTU(1500)
		pass(10 * time.Second)
		if up, _ := u.is(); !up || u.at.MaxPayload != 1452 {
			t.Errorf("%+v: %s", u.at, u.all())
		}
	})
	onBed(t, func(t *testing.T, b *bed) {
		fake := b.raw(10)
		x := b.open(12, "?mode=enode")
		x.attach(0)
		pass(time.Second)
		fake.fip(fip.AllENode, fake.mac, &fip.Frame{
			Kind: fip.Advertisement, Flags: fip.FPMA | fip.FromFCF, Has: fip.SetOf(fip.TypePriority, fip.TypeMAC, fip.TypeName, fip.TypeFabric, fip.TypeAdvertise),
			MAC: fake.mac, Name: 7, Fabric: fip.Fabric{Map: fip.DefaultMap, Name: 7}, Advertise: fip.Advertise{Period: 1<<32 - 1},
		}, 0)
		pass(time.Second)
		switches := func() int {
			n := x.net.(*enode)
			n.l.turn.Lock()
			defer n.l.turn.Unlock()
			return len(n.forwarders)
		}
		if n := switches(); n != 1 {
			t.Fatalf("%d switches", n)
		}
		pass(missed(maxAdvertise) + solicitEvery)
		if n := switches(); n != 0 {
			t.Errorf("%d switches", n)
		}
	})
}
