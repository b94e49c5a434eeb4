package fcoe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// A user of a port notes what it is told.
type user struct {
	mu      sync.Mutex
	events  []string
	at      fc.Attachment
	up      bool
	here    map[fc.ID]fc.Neighbour
	founds  int
	frames  []fc.Frame
	sent    int
	failed  int
	receive func(f *fc.Frame)
}

func (u *user) note(format string, args ...any) {
	u.events = append(u.events, fmt.Sprintf(format, args...))
}

func (u *user) Up(a fc.Attachment) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.at, u.up = a, true
	u.note("up %v", a.ID)
}

func (u *user) Down(why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.up {
		u.note("down twice")
	}
	u.up = false
	clear(u.here)
	u.note("down: %v", why)
}

func (u *user) Found(n fc.Neighbour) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.here == nil {
		u.here = make(map[fc.ID]fc.Neighbour)
	}
	u.here[n.ID] = n
	u.founds++
	u.note("found %v", n.ID)
}

func (u *user) Gone(id fc.ID, why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.here[id]; !ok {
		u.note("gone who was not there")
	}
	delete(u.here, id)
	u.note("gone %v: %v", id, why)
}

func (u *user) Received(f *fc.Frame) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.up {
		u.note("a frame while down")
	}
	k := *f
	k.Payload = bytes.Clone(f.Payload)
	u.frames = append(u.frames, k)
	if u.receive != nil {
		u.receive(f)
	}
}

func (u *user) Sent(_ *fc.Sequence, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent++
	if err != nil {
		u.failed++
	}
}

// all are the events so far.
func (u *user) all() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(u.events, "; ")
}

// is reports whether the port is up, and how many neighbours there are.
func (u *user) is() (bool, int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.up, len(u.here)
}

// A raw station is one that a test plays itself: it keeps all that comes to it.
type raw struct {
	t    *testing.T
	wire ethernet.Wire
	mac  ethernet.MAC

	mu     sync.Mutex
	frames [][]byte
	times  []time.Time
	react  func(b []byte)
}

func (r *raw) Received(b []byte) {
	r.mu.Lock()
	r.frames = append(r.frames, bytes.Clone(b))
	r.times = append(r.times, time.Now())
	f := r.react
	r.mu.Unlock()
	if f != nil {
		f(b)
	}
}
func (r *raw) Batch()                 {}
func (r *raw) Writable()              {}
func (r *raw) Changed(ethernet.State) {}

// send puts a whole frame on the wire.
func (r *raw) send(b []byte) {
	r.t.Helper()
	if _, err := r.wire.Send([]ethernet.Frame{{Head: bytes.Clone(b)}}); err != nil {
		r.t.Error(err)
	}
}

// fip puts a FIP frame on the wire.
func (r *raw) fip(dst, src ethernet.MAC, f *fip.Frame, atLeast int) {
	r.send(fipFrame(dst, src, f, atLeast))
}

// take are the frames that have come since the last call, if they are of FIP.
func (r *raw) take() []fip.Frame {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []fip.Frame
	for _, b := range r.frames {
		var f fip.Frame
		if ethernet.Type(int(b[12])<<8|int(b[13])) != fip.EtherType {
			continue
		}
		if err := f.Parse(b[ethernet.HeaderLen:]); err != nil {
			r.t.Errorf("%v: % x", err, b)
		}
		all = append(all, f)
	}
	r.frames, r.times = nil, nil
	return all
}

// kinds are those of frames.
func kinds(all []fip.Frame) (s string) {
	for _, f := range all {
		s += f.Kind.String() + "\n"
	}
	return s
}

// A bed is a hub with hosts.
type bed struct {
	t       *testing.T
	net     *sim.Network
	closers []func() error
}

// onBed runs a test on a hub in virtual time, and sees that all is closed.
func onBed(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bed{t: t, net: sim.New()}
		func() {
			defer func() {
				for i := len(b.closers) - 1; i >= 0; i-- {
					if err := b.closers[i](); err != nil {
						t.Error(err)
					}
				}
			}()
			test(t, b)
		}()
		if err := b.net.Close(); err != nil {
			t.Error(err)
		}
	})
}

// mac is the address of a station by a number.
func mac(n byte) ethernet.MAC { return ethernet.MAC{2, 0, 0, 0, 0, n} }

// raw makes a station that is played by the test.
func (b *bed) raw(n byte, groups ...ethernet.MAC) *raw {
	b.t.Helper()
	h := b.net.Host(fmt.Sprintf("raw%d", n))
	h.Add("eth0", mac(n), 2500)
	w, err := h.Open(ethernet.Config{Interface: "eth0", Types: []ethernet.Type{fip.FCoEType, fip.EtherType}, Longest: longest, Receives: 64 << 20})
	if err != nil {
		b.t.Fatal(err)
	}
	r := &raw{t: b.t, wire: w, mac: mac(n)}
	for _, g := range groups {
		if err := w.Join(g); err != nil {
			b.t.Fatal(err)
		}
	}
	w.Start(r)
	b.closers = append(b.closers, w.Close)
	return r
}

// A node is a host of ours with a network.
type node struct {
	b    *bed
	p    *Provider
	port *sim.Interface
	mac  ethernet.MAC
	net  fc.Network
}

// open opens a network with an address without its interface, such as "?mode=fabric".
func (b *bed) open(n byte, query string) *node {
	b.t.Helper()
	h := b.net.Host(fmt.Sprintf("host%d", n))
	x := &node{b: b, mac: mac(n), port: h.Add("eth0", mac(n), 2500), p: New(Config{Host: h})}
	var err error
	if x.net, err = x.p.Open(context.Background(), "eth0"+query); err != nil {
		b.t.Fatal(err)
	}
	b.closers = append(b.closers, func() error { return errors.Join(x.net.Close(), x.p.Close()) })
	return x
}

// attach makes a port as Linux names them: after the MAC address, and a number.
func (x *node) attach(port uint16) (*user, fc.Link) {
	x.b.t.Helper()
	u := &user{}
	k, err := x.net.Attach(linuxPort(x.mac, port), u)
	if err != nil {
		x.b.t.Fatal(err)
	}
	x.b.closers = append(x.b.closers, func() error { k.Close(); return nil })
	return u, k
}

// linuxPort is a port as Linux has it at an interface.
func linuxPort(m ethernet.MAC, n uint16) fc.PortConfig {
	return fc.PortConfig{
		Node: fc.Name(0x1000<<48 | macNumber(m)), Port: fc.Name(0x2000<<48|uint64(n)<<48) | fc.Name(macNumber(m)),
		Types: []fc.Type{fc.TypeFCP, fc.TypeCT}, Features: fc.FeatureTarget | fc.FeatureInitiator,
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A shot is a frame of a capture.
type shot struct {
	number int
	at     time.Duration
	b      []byte
}

// capture reads a file of testdata.
func capture(t *testing.T, name string) map[int]shot {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[int]shot)
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		field := strings.Fields(s.Text())
		if field[0] == "#" {
			continue
		}
		var x shot
		x.number, _ = strconv.Atoi(field[0])
		seconds, _ := strconv.ParseFloat(field[1], 64)
		x.at = time.Duration(seconds * float64(time.Second))
		digits, more, _ := strings.Cut(field[2], "+")
		if x.b, err = hex.DecodeString(digits); err != nil {
			t.Fatal(err)
		}
		zeros, _ := strconv.Atoi(more)
		x.b = append(x.b, make([]byte, zeros)...)
		all[x.number] = x
	}
	return all
}

// count is how many frames have come.
func (r *raw) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.frames)
}
