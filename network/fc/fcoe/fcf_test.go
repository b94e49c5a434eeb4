package fcoe

import (
	"bytes"
	"context"
	"encoding/hex"
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

// unhex reads bytes with spaces between.
func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// login is a FLOGI or FDISC of a host, as Linux sends it.
func (r *raw) login(c els.Command, to byte, port fc.Name) {
	l := els.FabricLogin(c, port, 0x1000<<48|fc.Name(macNumber(r.mac)), 2112)
	f := linkFrame(fip.LinkRequest, typeOf(c), requestHeader(fc.FabricPort, 0, 3), l.Append(nil))
	f.Flags = fip.FPMA
	f.Has |= fip.SetOf(fip.TypeMAC)
	r.fip(mac(to), r.mac, f, 0)
	synctest.Wait()
}

// A host that looks for a fabric finds ours, and logs in, out, and in again; all answers are as they have to be, byte for byte.
func TestFabricLadder(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		host := b.raw(10, fip.AllENode)
		x := b.open(11, "?mode=fabric")
		u, _ := x.attach(0)
		pass(time.Second)
		if up, _ := u.is(); !up || !u.at.Fabric || u.at.FabricName != 0x2fcf_0200_0000_000b || u.at.MaxPayload != 2112 || u.at.ID>>16 != 1 {
			t.Fatalf("%+v: %s", u.at, u.all())
		}
		got := host.all()
		clear := unhex(t, `011018010001 02000000000b 8914 1000 0003 0002 0005 8001 0202 02000000000b 0403 0000 2fcf02000000000b`)
		adv := unhex(t, `011018010001 02000000000b 8914 1000 0001 0002 000c 8005 0101 0080 0202 02000000000b 0403 0000 2fcf02000000000b
			0504 0000 00 0efc00 2fcf02000000000b 0c02 0000 00001f40`)
		if len(got) != 3 || !bytes.Equal(got[0], clear) || !bytes.Equal(got[1], clear) || !bytes.Equal(got[2], adv) {
			t.Errorf("at the start:\n% x", got)
		}
		// The solicitation of Linux.
		host.send(capture(t, "fabric.txt")[1].b)
		synctest.Wait()
		adv[19+5-5] = 2
		copy(adv[0:6], []byte{2, 0, 0, 0, 0, 10})
		adv[23] = 0x07 // solicited
		adv = append(adv, make([]byte, ethernet.HeaderLen+longest-len(adv))...)
		if got := host.all(); len(got) != 1 || !bytes.Equal(got[0], adv) {
			t.Errorf("asked:\n% x\nwant % x", got[0][:80], adv[:80])
		}
		host.login(els.FLOGI, 11, 0x2000_0200_0000_000a)
		id := fc.ID(0)
		if got := host.all(); len(got) == 1 {
			id = fc.ID24(got[0][ethernet.HeaderLen+14+1:])
			mac := hex.EncodeToString(id24(id))
			want := unhex(t, `02000000000a 02000000000b 8914 1000 0002 0002 0026 8001 0724 0000 23`+mac+` 00fffffe 01990000 00000000 0003ffff 00000000
				02000000 2020 000a 3000 0840 00000fa0 000007d0`+hex.EncodeToString(got[0][ethernet.HeaderLen+14+24+20:][:8])+` 2fcf02000000000b`+
				strings.Repeat("00", 32)+"8800"+strings.Repeat("00", 14+32)+`0202 0efc00`+mac)
			if !bytes.Equal(got[0], want) {
				t.Errorf("FLOGI:\n% x\nwant\n% x", got[0], want)
			}
		} else {
			t.Fatalf("FLOGI:\n% x", got)
		}
		if i := x.net.Info(); !strings.Contains(strings.Join(i.Lines, "\n"), "1 ports logged in") {
			t.Errorf("%+v", i)
		}
		// As long as it says that it is there it stays, and nothing is said to it but the advertisements.
		for range 100 {
			pass(8 * time.Second)
			host.fip(mac(11), host.mac, &fip.Frame{Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC), MAC: host.mac}, 0)
			if time.Now().Unix()%80 < 8 {
				host.fip(mac(11), fip.PortMAC(fip.DefaultMap, id), &fip.Frame{
					Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC, fip.TypeVNPort), MAC: host.mac,
					VNPorts: []fip.VNPort{{MAC: fip.PortMAC(fip.DefaultMap, id), ID: id, Port: 0x2000_0200_0000_000a}},
				}, 0)
			}
		}
		for _, f := range host.take() {
			if f.Kind != fip.Advertisement {
				t.Errorf("%v", f.Kind)
			}
		}
		// LOGO is accepted, once.
		for range 2 {
			f := linkFrame(fip.LinkRequest, fip.TypeLOGO, requestHeader(fc.FabricPort, id, 9), els.Logout{ID: id, Port: 0x2000_0200_0000_000a}.Append(nil))
			f.Flags, f.MAC = fip.FPMA, fip.PortMAC(fip.DefaultMap, id)
			f.Has |= fip.SetOf(fip.TypeMAC)
			host.fip(mac(11), host.mac, f, 0)
		}
		synctest.Wait()
		answers := host.take()
		if len(answers) != 2 || els.CheckAccept(answers[0].Link.Payload) != nil || answers[0].MAC != fip.PortMAC(fip.DefaultMap, id) || els.CheckAccept(answers[1].Link.Payload) == nil {
			t.Errorf("%+v", answers)
		}
	})
}

func id24(id fc.ID) []byte { return []byte{byte(id >> 16), byte(id >> 8), byte(id)} }

// all are the frames that have come since the last call.
func (r *raw) all() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.frames
	r.frames, r.times = nil, nil
	return all
}

// Who is silent is logged out, and told; who thinks that it is logged in, and is not, is told.
func TestFabricSilence(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		host := b.raw(10)
		b.open(11, "?mode=fabric&advertise=2s").attach(0)
		pass(time.Second)
		host.login(els.FLOGI, 11, 5)
		id := host.take()[0].Link.Header.D
		pass(4900 * time.Millisecond)
		if got := host.take(); len(got) != 0 {
			t.Errorf("too soon: %+v", got)
		}
		pass(200 * time.Millisecond)
		got := host.take()
		if len(got) != 1 || got[0].Kind != fip.ClearVirtualLinks || len(got[0].VNPorts) != 1 || got[0].VNPorts[0] != (fip.VNPort{MAC: fip.PortMAC(fip.DefaultMap, id), ID: id, Port: 5}) {
			t.Errorf("%+v", got)
		}
		host.fip(mac(11), host.mac, &fip.Frame{Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC), MAC: host.mac}, 0)
		synctest.Wait()
		if got := host.take(); len(got) != 1 || got[0].Kind != fip.ClearVirtualLinks || len(got[0].VNPorts) != 0 {
			t.Errorf("%+v", got)
		}
		// A port that does not say so is silent as well, though its host is not.
		host.login(els.FLOGI, 11, 5)
		host.take()
		for range 112 {
			pass(2 * time.Second)
			host.fip(mac(11), host.mac, &fip.Frame{Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC), MAC: host.mac}, 0)
		}
		if got := host.take(); len(got) != 0 {
			t.Errorf("too soon: %+v", got)
		}
		pass(2 * time.Second)
		if got := host.take(); len(got) != 1 || got[0].Kind != fip.ClearVirtualLinks {
			t.Errorf("%+v", got)
		}
	})
}

// Several ports of one host: FLOGI and FDISC, and what is refused.
func TestFabricRefusals(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		host := b.raw(10)
		b.open(11, "?mode=fabric").attach(0)
		pass(time.Second)
		reject := func(what string) {
			t.Helper()
			got := host.take()
			if len(got) != 1 || got[0].Kind != fip.LinkReply || els.CommandOf(got[0].Link.Payload) != els.LSRjt || got[0].Has.Has(fip.TypeMAC) {
				t.Errorf("%s: %+v", what, got)
			}
		}
		host.login(els.FDISC, 11, 5)
		reject("FDISC before FLOGI")
		host.login(els.FLOGI, 11, linuxPort(mac(11), 0).Port)
		reject("the name of a port inside")
		l := els.FabricLogin(els.FLOGI, 5, 6, 128)
		f := linkFrame(fip.LinkRequest, fip.TypeFLOGI, requestHeader(fc.FabricPort, 0, 3), l.Append(nil))
		f.Flags = fip.FPMA
		f.Has |= fip.SetOf(fip.TypeMAC)
		host.fip(mac(11), host.mac, f, 0)
		synctest.Wait()
		reject("frames that are too short")
		f.Link.Payload = append([]byte(nil), f.Link.Payload[:32]...)
		f.Link.Payload[0] = byte(els.FDISC)
		host.fip(mac(11), host.mac, f, 0)
		synctest.Wait()
		reject("another command than the descriptor says")
		f.Link.Payload[0] = byte(els.FLOGI)
		host.fip(mac(11), host.mac, f, 0)
		synctest.Wait()
		reject("short")
		host.login(els.FLOGI, 11, 5)
		host.login(els.FDISC, 11, 6)
		got := host.take()
		if len(got) != 2 || got[0].MAC == got[1].MAC || els.CommandOf(got[1].Link.Payload) != els.LSAcc || got[1].Type() != fip.TypeFDISC {
			t.Errorf("%+v", got)
		}
	})
}

// Our hosts log in to our fabric, stay for hours on a bad wire, and come back after the switch has been killed, stopped, or moved.
func TestFabricAndHosts(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		x := b.open(11, "?mode=fabric")
		u, in := x.attach(0)
		y := b.open(10, "?mode=enode")
		v, _ := y.attach(0)
		w, _ := y.attach(1)
		pass(3 * time.Second)
		for _, h := range []*user{v, w} {
			if up, _ := h.is(); !up || h.at.FabricName != u.at.FabricName || h.at.ID == u.at.ID || h.at.MaxPayload != 2112 || h.at.ErrorDetect != errorDetect || h.at.ResourceAllocation != resourceAllocation {
				t.Fatalf("%+v: %s", h.at, h.all())
			}
		}
		ids := [2]fc.ID{v.at.ID, w.at.ID}
		b.net.Break(sim.Random(1, sim.Rates{Drop: 0.01, Double: 0.01, Reorder: 0.01}))
		pass(2 * time.Hour)
		b.net.Break(nil)
		if strings.Contains(v.all(), "down") || strings.Contains(w.all(), "down") {
			t.Errorf("%s", v.all())
		}
		// The program is killed: nothing is said. The next one says at once that nobody is logged in.
		x.port.SetUp(false)
		in.Close()
		if err := x.net.Close(); err != nil {
			t.Fatal(err)
		}
		x.port.SetUp(true)
		pass(time.Second)
		if up, _ := v.is(); !up {
			t.Errorf("it has noticed: %s", v.all())
		}
		var err error
		if x.net, err = x.p.Open(context.Background(), "eth0?mode=fabric"); err != nil {
			t.Fatal(err)
		}
		_, in = x.attach(0)
		pass(10 * time.Millisecond)
		if up, _ := v.is(); up {
			t.Errorf("it has not been told: %s", v.all())
		}
		pass(3 * time.Second)
		for i, h := range []*user{v, w} {
			if up, _ := h.is(); !up || h.at.ID>>16 != ids[i]>>16 {
				t.Errorf("it has not come back: %s", h.all())
			}
		}
		// It is stopped, which hosts are told.
		in.Close()
		if err := x.net.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if up, _ := v.is(); up || !strings.Contains(v.all(), "the switch has ended the login") {
			t.Errorf("it has not been told: %s", v.all())
		}
		// Another one takes its place, with another MTU.
		z := b.open(12, "?mode=fabric&domain=9&fc-map=0efc01&max-payload=1024")
		z.attach(0)
		pass(5 * time.Second)
		if up, _ := w.is(); !up || w.at.ID>>16 != 9 || w.at.MaxPayload != 1024 || w.at.FabricName != 0x2fcf_0200_0000_000c {
			t.Errorf("%+v: %s", w.at, w.all())
		}
		// Its cable is pulled: hosts notice by the silence.
		z.port.SetUp(false)
		pass(11 * time.Second) // the last advertisement is up to 8 seconds old
		if up, _ := v.is(); !up {
			t.Errorf("too soon: %s", v.all())
		}
		pass(10 * time.Second)
		if up, _ := v.is(); up {
			t.Errorf("%s", v.all())
		}
		if i := y.net.Info(); !strings.Contains(i.State, "no switch has answered") {
			t.Errorf("%+v", i)
		}
		z.port.SetUp(true)
		pass(6 * time.Second)
		if up, _ := v.is(); !up {
			t.Errorf("%s", v.all())
		}
		if x.net, err = x.p.Open(context.Background(), "eth0?mode=fabric"); err != nil { // for the end
			t.Fatal(err)
		}
		x.attach(0)
		pass(10 * time.Second)
		if i := x.net.Info(); !strings.Contains(strings.Join(i.Lines, "\n"), "another switch is on the wire: 02:00:00:00:00:0c") {
			t.Errorf("%+v", i)
		}
		if up, _ := v.is(); !up || v.at.FabricName != 0x2fcf_0200_0000_000c {
			t.Errorf("the other switch has disturbed it: %s", v.all())
		}
	})
}

// Frames count only from whom they say, at the address that was given, and to us.
func TestFabricSenders(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		x := b.open(11, "?mode=fabric")
		u, _ := x.attach(0)
		v, k := b.open(10, "?mode=enode").attach(0)
		pass(3 * time.Second)
		post := func() bool {
			s := &fc.Sequence{Header: fc.Header{RCtl: fc.RCtlCommand, D: u.at.ID, S: v.at.ID, Type: fc.TypeFCP, FCtl: fc.FCtlRequest}, Head: []byte("command!"), MaxPayload: 2112}
			ok := k.Post(s)
			k.Flush()
			synctest.Wait()
			return ok
		}
		spy := b.raw(99)
		if err := spy.wire.Join(mac(11)); err != nil {
			t.Fatal(err)
		}
		if !post() || len(u.frames) != 1 {
			t.Fatalf("%d frames", len(u.frames))
		}
		frame := spy.all()[0]
		spy.send(frame) // as it was
		synctest.Wait()
		if len(u.frames) != 2 {
			t.Errorf("%d frames", len(u.frames))
		}
		for name, change := range map[string]func(f []byte){
			"another station":    func(f []byte) { f[11]++ },
			"the host's own MAC": func(f []byte) { copy(f[6:], []byte{2, 0, 0, 0, 0, 10}) },
			"an address that nobody has": func(f []byte) {
				f[11] += 7
				f[14+14+7] += 7
			},
		} {
			f := bytes.Clone(frame)
			change(f)
			fc.CRC(0).Add(f[28 : len(f)-8]).Put(f[len(f)-8:])
			spy.send(f)
			synctest.Wait()
			if len(u.frames) != 2 {
				t.Errorf("%s: it is delivered", name)
			}
		}
	})
}

// A host that asks which VLAN to use is told, where it asks: without a tag.
func TestFabricVLANs(t *testing.T) {
	for _, test := range []struct {
		address string
		want    []uint16
	}{{"eth0?mode=fabric", []uint16{0}}, {"eth0.100?mode=fabric&priority=3", []uint16{100}}, {"eth0?mode=fabric&vlans=7,9", []uint16{7, 9}}} {
		onBed(t, func(t *testing.T, b *bed) {
			host := b.raw(10)
			h := b.net.Host("fcf")
			h.Add("eth0", mac(11), 2500)
			p := New(Config{Host: h})
			n, err := p.Open(context.Background(), test.address)
			if err != nil {
				t.Fatal(err)
			}
			k, err := n.Attach(linuxPort(mac(11), 0), &user{})
			if err != nil {
				t.Fatal(err)
			}
			b.closers = append(b.closers, p.Close, n.Close, func() error { k.Close(); return nil })
			synctest.Wait()
			host.fip(fip.AllFCF, host.mac, &fip.Frame{Kind: fip.VLANRequest, Has: fip.SetOf(fip.TypeMAC), MAC: host.mac}, 0)
			synctest.Wait()
			got := host.take()
			if len(got) != 1 || got[0].Kind != fip.VLANNotification || got[0].MAC != mac(11) || len(got[0].VLANs) != len(test.want) || got[0].VLANs[0] != test.want[0] {
				t.Errorf("%s: %+v", test.address, got)
			}
		})
	}
}

// A fabric that is opened and has no ports says nothing: another program may be the fabric on the wire.
func TestFabricIsSilent(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		host := b.raw(10, fip.AllENode)
		x := b.open(11, "?mode=fabric")
		pass(time.Minute)
		host.fip(fip.AllFCF, host.mac, &fip.Frame{Kind: fip.VLANRequest, Has: fip.SetOf(fip.TypeMAC), MAC: host.mac}, 0)
		host.fip(mac(11), host.mac, &fip.Frame{Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC), MAC: host.mac}, 0)
		pass(time.Second)
		if err := x.net.Close(); err != nil {
			t.Fatal(err)
		}
		if got := host.take(); len(got) > 0 {
			t.Errorf("%v", kinds(got))
		}
	})
}

// Networks that cannot be opened say why.
func TestOpenErrors(t *testing.T) {
	onBed(t, func(t *testing.T, b *bed) {
		h := b.net.Host("x")
		h.Add("eth0", mac(1), 300)
		h.Add("eth1", mac(2), 1500)
		p := New(Config{Host: h})
		n, err := p.Open(context.Background(), "eth1")
		if err != nil {
			t.Fatal(err)
		}
		for address, want := range map[string]string{
			"eth0":             "the MTU is too small: that of eth0 is 300; 302 is the least, and from 2158 on",
			"eth9?mode=fabric": "no such interface",
			"eth1?mode=fabric": "there is a network already on eth1: eth1",
			"eth1?mode=x":      "there is no such mode",
		} {
			if n, err := p.Open(context.Background(), address); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, %v", address, n, err)
			}
		}
		if err := p.Close(); err == nil {
			t.Error("a provider with a network is closed")
		}
		if i := p.Networks(); len(i) != 1 || i[0].Address != "eth1" || i[0].State != "up" {
			t.Errorf("%+v", i)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}
