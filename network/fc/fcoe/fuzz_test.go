package fcoe

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// A hostile wire is one on which the test alone says what comes. It counts what is sent.
type hostile struct {
	mu        sync.Mutex
	h         ethernet.Handler
	s         ethernet.State
	unicast   int
	group     int
	longest   int
	wrong     string // what was done to it that must not be
	addresses map[ethernet.MAC]int

	// What it has learned from what was sent: the last request, the last address that was granted, and our own among neighbours.
	asked         fc.Header
	how           fip.DescriptorType
	granted, ours fc.ID
}

// learn looks at a frame that was sent. w.mu is held.
func (w *hostile) learn(b []byte) {
	var f fip.Frame
	if b[12] != 0x89 || b[13] != 0x14 || f.Parse(b[ethernet.HeaderLen:]) != nil {
		return
	}
	switch f.Kind {
	case fip.LinkRequest:
		w.asked, w.how = f.Link.Header, f.Type()
	case fip.LinkReply:
		w.granted = f.Link.Header.D
	case fip.Beacon:
		w.ours = f.VNPorts[0].ID
	}
}

// Open implements [ethernet.Host]. There is no second wire.
func (w *hostile) Open(c ethernet.Config) (ethernet.Wire, error) {
	if len(c.Types) == 1 {
		return nil, ethernet.ErrNoInterface
	}
	return w, nil
}
func (w *hostile) Start(h ethernet.Handler) { w.h = h }
func (w *hostile) Join(m ethernet.MAC) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.addresses[m]++; w.addresses[m] > 1 {
		w.wrong = "an address is joined twice"
	}
	return nil
}
func (w *hostile) Leave(m ethernet.MAC) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.addresses[m]--; w.addresses[m] < 0 {
		w.wrong = "an address is left that is not joined"
	}
	return nil
}
func (w *hostile) State() ethernet.State { return w.s }
func (w *hostile) Room() int64           { return 1 << 20 }
func (w *hostile) Stats() ethernet.Stats { return ethernet.Stats{} }
func (w *hostile) Close() error          { return nil }
func (w *hostile) Send(all []ethernet.Frame) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.s.Up {
		return 0, ethernet.ErrDown
	}
	for i := range all {
		b := all[i].Append(nil)
		if ethernet.MAC(b[:6]).Group() {
			w.group++
		} else {
			w.unicast++
		}
		w.longest = max(w.longest, len(b)-ethernet.HeaderLen)
		w.learn(b)
	}
	return len(all), nil
}

// change lets the interface be in another state.
func (w *hostile) change(f func(s *ethernet.State)) {
	w.mu.Lock()
	f(&w.s)
	s := w.s
	w.mu.Unlock()
	w.h.Changed(s)
}

// A script is bytes that say what happens.
type script []byte

// next is the next byte, or 0, below n.
func (s *script) next(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b) % n
}

// pick is one of some.
func pick[T any](s *script, all ...T) T { return all[s.next(len(all))] }

// frame is one that the script says: of FIP, of FC, or only bytes.
func (s *script) frame(us ethernet.MAC) []byte {
	ids := []fc.ID{11, 10, 12, 0x010100, 0x010101, 0x010000, 0, 0xffff, fc.FabricPort, fc.NameServer}
	macs := []ethernet.MAC{mac(10), mac(12), us, vnMAC(10), vnMAC(11), vnMAC(12), fip.PortMAC(fip.DefaultMap, 0x010100), fip.PortMAC(fip.DefaultMap, 0x010101), {}, fip.AllENode, {2, 0, 1, 0, 0, byte(s.next(256))}}
	names := []fc.Name{5, linuxPort(us, 0).Port, linuxPort(mac(10), 0).Port, 0x2fcf_0200_0000_000a, ^fc.Name(0), fc.Name(s.next(256))}
	dst := pick(s, us, fip.AllVN2VN, fip.AllENode, fip.AllFCF, vnMAC(11), fip.PortMAC(fip.DefaultMap, 0x010100))
	h := fc.Header{
		RCtl: pick(s, fc.RCtlELSRequest, fc.RCtlELSReply, fc.RCtlCommand, fc.RCtlUnsolicitedControl, fc.RCtlABTS), D: pick(s, ids...), S: pick(s, ids...),
		Type: pick(s, fc.TypeELS, fc.TypeFCP, fc.TypeCT, fc.TypeBLS), FCtl: pick(s, fc.FCtlRequest, fc.FCtlReply, 0xffffff), OX: uint16(s.next(6)), RX: pick(s, uint16(fc.NoID), 0, 1),
	}
	payload := s.payload(names, ids)
	switch s.next(8) {
	case 0: // anything
		n := min(s.next(256), len(*s))
		b := append([]byte{}, (*s)[:n]...)
		*s = (*s)[n:]
		return b
	case 1: // a frame of FC
		return fcFrame(dst, pick(s, macs...), h, payload)
	}
	f := fip.Frame{
		Kind: pick(s, fip.ProbeRequest, fip.ProbeReply, fip.ClaimNotification, fip.ClaimResponse, fip.Beacon, fip.LinkRequest, fip.LinkReply, fip.Solicitation, fip.Advertisement,
			fip.KeepAlive, fip.ClearVirtualLinks, fip.VLANRequest, fip.VLANNotification),
		Flags: pick(s, 0, fip.FPMA, fip.FPMA|fip.FromFCF|fip.Available|fip.Solicited, fip.FPMA|fip.FromFCF|fip.Available, fip.Recorded, 0xffff),
		Name:  pick(s, names...), MaxSize: pick(s, uint16(2158), 0, 300, 0xffff),
		Fabric:    fip.Fabric{Map: pick(s, uint32(fip.DefaultMap), 0, 0xefcff), Name: pick(s, names...)},
		Advertise: fip.Advertise{NoKeepAlive: s.next(2) == 1, Period: pick(s, uint32(8000), 0, 1, ^uint32(0))},
	}
	src, id := pick(s, macs...), pick(s, ids...)
	f.MAC = pick(s, src, src, src, pick(s, macs...))
	v := fip.VNPort{MAC: vnMAC(id), ID: id, Port: pick(s, names...)}
	if f.Kind == fip.Beacon && s.next(4) > 0 {
		f.MAC, src = src, v.MAC
	}
	if f.Kind.Op == fip.KeepAlive.Op {
		v.MAC = pick(s, src, fip.PortMAC(fip.DefaultMap, id))
	}
	f.VNPorts = []fip.VNPort{v}
	switch f.Kind {
	case fip.LinkRequest, fip.LinkReply:
		f.Has = fip.SetOf(pick(s, fip.TypeFLOGI, fip.TypeFDISC, fip.TypeLOGO, fip.TypeELP), fip.TypeMAC)
		f.Link = fip.Link{Header: h, Payload: payload}
		f.MAC = pick(s, f.MAC, vnMAC(h.S), fip.PortMAC(fip.DefaultMap, h.D))
	case fip.Advertisement:
		f.Has = fip.SetOf(fip.TypePriority, fip.TypeMAC, fip.TypeName, fip.TypeFabric, fip.TypeAdvertise)
	case fip.Solicitation:
		f.Has = fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeMaxSize)
	case fip.KeepAlive, fip.VLANRequest, fip.VLANNotification:
		f.Has = fip.SetOf(fip.TypeMAC)
	case fip.ClearVirtualLinks:
		f.Has = fip.SetOf(fip.TypeMAC, fip.TypeName)
	default:
		f.Has = fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeVNPort, fip.TypeFC4, fip.TypeMaxSize)
		if f.Kind == fip.ProbeRequest || f.Kind == fip.ProbeReply || f.Kind == fip.Beacon {
			f.Has = fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeVNPort)
		}
	}
	if f.Kind.Op == fip.KeepAlive.Op && s.next(2) == 1 {
		f.Has |= fip.SetOf(fip.TypeVNPort)
	}
	b := fipFrame(dst, src, &f, 0)
	if s.next(16) == 1 {
		b[14+s.next(len(b)-14)] ^= byte(1 << s.next(8))
	}
	return b
}

// fcFrame is a frame of FC.
func fcFrame(dst, src ethernet.MAC, h fc.Header, payload []byte) []byte {
	b := append(append(append([]byte{}, dst[:]...), src[:]...), 0x89, 0x06)
	b = h.Append(append(append(b, make([]byte, 13)...), byte(fc.SOFi3)))
	b = append(b, payload...)
	crc := fc.CRC(0).Add(b[28:])
	b = append(b, make([]byte, 8)...)
	crc.Put(b[len(b)-8:])
	b[len(b)-4] = byte(fc.EOFt)
	return b
}

// sensible is a frame as a host, or a switch, in its right mind would send it, though perhaps not now.
func (s *script) sensible(w *hostile) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	us, n := w.s.MAC, byte(10+2*s.next(2))
	m, id, port := mac(n), fc.ID(n), fc.Name(0x2000<<48|macNumber(mac(n)))
	link := func(k fip.Kind, t fip.DescriptorType, h fc.Header, own ethernet.MAC, payload []byte) []byte {
		f := linkFrame(k, t, h, payload)
		f.Has |= fip.SetOf(fip.TypeMAC)
		f.MAC, f.Flags = own, fip.FPMA
		return fipFrame(us, m, f, 0)
	}
	login := func(c els.Command) []byte {
		l := els.FabricLogin(c, port, 1, pick(s, 2112, 512))
		return l.Append(nil)
	}
	vn := func(k fip.Kind) []byte {
		src := m
		if k == fip.Beacon {
			src = vnMAC(id)
		}
		dst := fip.AllVN2VN
		if k == fip.ClaimResponse {
			dst = us
		}
		return fipFrame(dst, src, vnFrame(k, m, id, port), 0)
	}
	fpma := fip.PortMAC(fip.DefaultMap, w.granted)
	advertise := func(dst ethernet.MAC, more fip.Flags) []byte {
		return fipFrame(dst, m, &fip.Frame{
			Kind: fip.Advertisement, Flags: fcfFlags | fip.Available | more, Has: fip.SetOf(fip.TypePriority, fip.TypeMAC, fip.TypeName, fip.TypeFabric, fip.TypeAdvertise),
			MAC: m, Name: 7, Fabric: fip.Fabric{Map: fip.DefaultMap, Name: 7}, Advertise: fip.MakeAdvertise(8 * time.Second),
		}, 0)
	}
	switch s.next(20) {
	case 0:
		return vn(fip.ClaimNotification)
	case 1:
		return vn(fip.ClaimResponse)
	case 2:
		return vn(fip.Beacon)
	case 3:
		return link(fip.LinkRequest, fip.TypeFLOGI, requestHeader(w.ours, id, 1), vnMAC(id), login(els.FLOGI))
	case 4:
		return link(fip.LinkReply, w.how, replyHeader(w.asked.S, id, w.asked.OX), vnMAC(id), login(els.LSAcc))
	case 5:
		return link(fip.LinkRequest, fip.TypeLOGO, requestHeader(w.ours, id, 1), vnMAC(id), els.Logout{ID: id, Port: port}.Append(nil))
	case 6:
		return fcFrame(vnMAC(w.ours), vnMAC(id), requestHeader(w.ours, id, 1), make([]byte, 4*s.next(9)))
	case 7:
		return fipFrame(fip.AllFCF, m, &fip.Frame{Kind: fip.Solicitation, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeMaxSize), MAC: m, Name: 1, MaxSize: 2158}, 0)
	case 8:
		return link(fip.LinkRequest, fip.TypeFLOGI, requestHeader(fc.FabricPort, 0, 1), ethernet.MAC{}, login(els.FLOGI))
	case 9:
		port++
		return link(fip.LinkRequest, fip.TypeFDISC, requestHeader(fc.FabricPort, 0, 1), ethernet.MAC{}, login(els.FDISC))
	case 10:
		return fipFrame(us, m, &fip.Frame{Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC), MAC: m}, 0)
	case 11:
		return fipFrame(us, fpma, &fip.Frame{
			Kind: fip.KeepAlive, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC, fip.TypeVNPort), MAC: m, VNPorts: []fip.VNPort{{MAC: fpma, ID: w.granted, Port: port}},
		}, 0)
	case 12:
		return link(fip.LinkRequest, fip.TypeLOGO, requestHeader(fc.FabricPort, w.granted, 1), fpma, els.Logout{ID: w.granted, Port: port}.Append(nil))
	case 13:
		to := pick(s, fc.NameServer, fc.FabricController, 0x010000, 0x010001, fc.FabricPort)
		l := els.PortLogin(els.PLOGI, port, 1, 2112, time.Second)
		return fcFrame(us, fpma, requestHeader(to, w.granted, 2), l.Append(nil))
	case 14:
		return advertise(us, fip.Solicited)
	case 15:
		return advertise(fip.AllENode, 0)
	case 16, 17:
		got := fc.ID(0x010100 + s.next(3))
		return link(fip.LinkReply, w.how, replyHeader(got, fc.FabricPort, w.asked.OX), fip.PortMAC(fip.DefaultMap, got), login(els.LSAcc))
	case 18:
		f := &fip.Frame{Kind: fip.ClearVirtualLinks, Has: fip.SetOf(fip.TypeMAC, fip.TypeName), MAC: m, Name: 7}
		if s.next(2) == 1 {
			f.Has |= fip.SetOf(fip.TypeVNPort)
			f.VNPorts = []fip.VNPort{{MAC: fip.PortMAC(fip.DefaultMap, 0x010100), ID: 0x010100, Port: linuxPort(mac(11), 0).Port}}
		}
		return fipFrame(us, m, f, 0)
	default:
		to := fc.ID(0x010100 + s.next(3))
		return fcFrame(fip.PortMAC(fip.DefaultMap, to), m, requestHeader(to, fc.NameServer, 1), make([]byte, 8))
	}
}

// payload is one of a link service.
func (s *script) payload(names []fc.Name, ids []fc.ID) []byte {
	switch c := pick(s, els.FLOGI, els.FDISC, els.LSAcc, els.LOGO, els.LSRjt, els.PLOGI, els.RSCN); c {
	case els.LOGO:
		return els.Logout{ID: pick(s, ids...), Port: pick(s, names...)}.Append(nil)
	case els.LSRjt:
		return els.Reject{Reason: els.ReasonUnable, Explanation: pick(s, els.ExplanationNone, els.ExplanationLogin)}.Append(nil)
	default:
		l := els.FabricLogin(c, pick(s, names...), pick(s, names...), pick(s, 2112, 256, 0))
		return l.Append(nil)[:pick(s, els.LoginLen, els.LoginLen, 4, 16)]
	}
}

// fuzz plays a script against a network of a mode: whatever comes in whatever state, nothing breaks, tables are bounded, ports are told what is
// so, and nobody gets more frames than they have sent.
func fuzz(t *testing.T, query string, text []byte) {
	synctest.Test(t, func(t *testing.T) {
		us := mac(11)
		w := &hostile{s: ethernet.State{Name: "eth0", MAC: us, MTU: 2500, Up: true}, addresses: make(map[ethernet.MAC]int)}
		p := New(Config{Host: w})
		n, err := p.Open(context.Background(), "eth0"+query)
		if err != nil {
			t.Fatal(err)
		}
		w.h.Changed(w.s)
		users := []*user{{}, {}}
		var links []fc.Link
		for i, u := range users {
			k, err := n.Attach(linuxPort(us, uint16(i)), u)
			if err != nil {
				t.Fatal(err)
			}
			links = append(links, k)
		}
		s, start, sent := script(text), time.Now(), 0
		for len(s) > 0 {
			switch s.next(8) {
			case 0:
				pass(pick(&s, 20*time.Millisecond, 120*time.Millisecond, 450*time.Millisecond, time.Second, 9*time.Second, 30*time.Second))
			case 1:
				switch s.next(4) {
				case 0:
					w.change(func(s *ethernet.State) { s.Up = !s.Up })
				case 1:
					w.change(func(s *ethernet.State) { s.MTU ^= 2500 ^ 1500 })
				case 2:
					w.change(func(s *ethernet.State) { s.MAC[2] ^= 1 })
				}
			default:
				w.mu.Lock()
				up := w.s.Up
				w.mu.Unlock()
				if up {
					sent++
					if s.next(3) > 0 {
						w.h.Received(s.sensible(w))
					} else {
						w.h.Received(s.frame(w.s.MAC))
					}
					w.h.Batch()
					synctest.Wait()
				}
			}
			synctest.Wait()
		}
		w.mu.Lock()
		if slots := int(time.Since(start)/(100*time.Millisecond)) + 1; w.group > len(users)*(slots+sent/4+20) {
			t.Errorf("%d frames to groups in %v", w.group, time.Since(start))
		}
		own := 0
		if query == "?mode=enode" { // keep-alives, and logins that are tried again
			own = int(time.Since(start)/time.Second) * len(users)
		}
		if w.unicast > len(users)*sent+own { // each of our ports answers for itself
			t.Errorf("%d frames for %d in %v", w.unicast, sent, time.Since(start))
		}
		if w.longest > longest {
			t.Errorf("a frame of %d bytes", w.longest)
		}
		w.mu.Unlock()
		_ = n.Info()
		for _, k := range links {
			k.Close()
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if w.wrong != "" {
			t.Error(w.wrong)
		}
		for m, c := range w.addresses {
			if c < 0 || c > 1 || c == 1 && !m.Group() {
				t.Errorf("%v is joined %d times", m, c)
			}
		}
		for _, u := range users {
			for _, bad := range []string{"twice", "was not there", "while down"} {
				if strings.Contains(u.all(), bad) {
					t.Errorf("%s", u.all())
				}
			}
		}
	})
}

// seeds are some scripts to begin with.
func seeds(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(strings.Repeat("\x00\x02\x00\x03", 8)))
	x := make([]byte, 3000)
	for i := range x {
		x[i] = byte(i * i >> 3)
	}
	f.Add(x)
	for i := range x {
		x[i] = byte(i*7 ^ i>>2)
	}
	f.Add(slices.Clone(x))
}

func FuzzVN2VN(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) { fuzz(t, "", b) })
}

func FuzzFabric(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) { fuzz(t, "?mode=fabric", b) })
}

func FuzzENode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) { fuzz(t, "?mode=enode", b) })
}

// The same with scripts at random, which go further than short ones.
func TestHostileScripts(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := make([]byte, 6000)
		for i := range text {
			text[i] = byte(r.Uint32())
		}
		fuzz(t, []string{"", "?mode=fabric", "?mode=enode"}[seed%3], text)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
