package packet

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/packet/packettest"
)

// A taker tells what has come.
type taker struct {
	numbers  chan uint32
	writable chan struct{}
	states   chan ethernet.State
}

func newTaker() *taker {
	return &taker{make(chan uint32, 10_000), make(chan struct{}, 10), make(chan ethernet.State, 100)}
}

func (u *taker) Received(b []byte)        { u.numbers <- binary.BigEndian.Uint32(b[14:]) }
func (u *taker) Batch()                   {}
func (u *taker) Writable()                { u.writable <- struct{}{} }
func (u *taker) Changed(s ethernet.State) { u.states <- s }

// next is what comes on c; a test that waits too long fails.
func next[T any](t *testing.T, c chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing comes")
	}
	return v
}

var macs = [2]ethernet.MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}

// pair opens both ends of a veth pair.
func pair(t *testing.T) (n *packettest.Namespace, a, b *wire, u, v *taker) {
	n = packettest.New(t)
	n.Veth("va", "vb", macs[0], macs[1], 1500)
	h := n.Host(New())
	open := func(name string) *wire {
		w, err := h.Open(ethernet.Config{Interface: name, Types: []ethernet.Type{0x8906}, Longest: 1500, Receives: 8 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		return w.(*wire)
	}
	a, b, u, v = open("va"), open("vb"), newTaker(), newTaker()
	a.Start(u)
	b.Start(v)
	// Until something arrives: an interface that has just come may lose frames.
	for reached := false; !reached; {
		f := numbered(0)
		_, _ = a.Send([]ethernet.Frame{f})
		select {
		case <-v.numbers:
			reached = true
		case <-time.After(time.Millisecond):
		}
	}
	for len(v.numbers) > 0 {
		<-v.numbers
	}
	return n, a, b, u, v
}

// numbered is a frame from a to b.
func numbered(n uint32) ethernet.Frame {
	h := slices.Concat(macs[1][:], macs[0][:], []byte{0x89, 6})
	return ethernet.Frame{Head: binary.BigEndian.AppendUint32(h, n), Body: make([]byte, 100)}
}

// A ring that is full, of frames that the kernel has not taken: they go on by themselves, and then Writable comes.
func TestFull(t *testing.T) {
	_, a, _, u, v := pair(t)
	for range 3 { // round the ring
		a.tx.Lock()
		n := uint32(1)
		for f := numbered(n); a.put(&f); f = numbered(n) {
			n++
		}
		if int(n-1) != a.out.ring.slots {
			t.Fatalf("%d frames fit in %d slots", n-1, a.out.ring.slots)
		}
		a.pending, a.hungry = true, true
		a.push <- struct{}{}
		a.tx.Unlock()
		next(t, u.writable)
		for i := uint32(1); i < n; i++ {
			if k := next(t, v.numbers); k == 0 {
				i--
			} else if k != i {
				t.Fatalf("frame %d comes as number %d", k, i)
			}
		}
	}
}

// What the kernel has not taken when the interface goes down is not sent when it is up again; what is sent then is.
func TestRewind(t *testing.T) {
	n, a, _, u, v := pair(t)
	for round := range 5 {
		a.tx.Lock()
		for i := range 100 + round*150 {
			f := numbered(uint32(1 + i))
			a.put(&f)
		}
		a.tx.Unlock()
		n.SetUp("va", false)
		for next(t, u.states).Up {
		}
		a.tx.Lock()
		for i := range a.out.ring.slots {
			if *status(a.out.ring.slot(i)) != unix.TP_STATUS_AVAILABLE {
				t.Errorf("slot %d is in use", i)
			}
		}
		a.tx.Unlock()
		n.SetUp("va", true)
		for !next(t, u.states).Up {
		}
		for k := uint32(0); k != 9999; {
			if n, err := a.Send([]ethernet.Frame{numbered(9999)}); n != 1 && !errors.Is(err, ethernet.ErrDown) {
				t.Fatal(n, err)
			}
			select {
			case k = <-v.numbers:
				if k != 9999 && k != 0 {
					t.Fatalf("frame %d was sent after the interface was down", k)
				}
			case <-time.After(time.Millisecond):
			}
		}
	}
}

// Neither sending nor receiving allocates.
func TestAllocations(t *testing.T) {
	_, a, _, _, v := pair(t)
	batch := []ethernet.Frame{numbered(1), numbered(2), numbered(3)}
	if n := testing.AllocsPerRun(200, func() {
		if n, err := a.Send(batch); n != len(batch) || err != nil {
			t.Error(n, err)
		}
		for range batch {
			<-v.numbers
		}
	}); n >= 1 {
		t.Errorf("%v allocations for each batch", n)
	}
}

// CAP_NET_RAW is enough; without it the error says what to do.
func TestRights(t *testing.T) {
	n := packettest.New(t)
	n.Veth("va", "vb", macs[0], macs[1], 1500)
	rights := func(mask uint32) {
		n.Do(func() { // of the thread of the namespace alone
			h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			d := [2]unix.CapUserData{{Effective: mask, Permitted: 1 << unix.CAP_NET_RAW}}
			if err := unix.Capset(&h, &d[0]); err != nil {
				t.Fatal(err)
			}
		})
	}
	c := ethernet.Config{Interface: "va", Types: []ethernet.Type{0x8906}, Priority: 7, Longest: 1500, Receives: 4 << 20}
	rights(1 << unix.CAP_NET_RAW)
	w, err := n.Host(New()).Open(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []ethernet.MAC{{1, 0x10, 0x18, 1, 0, 4}, {0x0e, 0xfd, 0, 0, 0, 9}} {
		if err := errors.Join(w.Join(m), w.Leave(m)); err != nil {
			t.Error(err)
		}
	}
	if n, err := w.Send([]ethernet.Frame{numbered(1)}); n != 1 || err != nil {
		t.Error(n, err)
	}
	if w.Room() < 4<<20 {
		t.Errorf("room for %d bytes", w.Room())
	}
	_ = w.Close()
	rights(0)
	if _, err := n.Host(New()).Open(c); !errors.Is(err, ethernet.ErrDenied) || !strings.Contains(err.Error(), "cap_net_raw") {
		t.Errorf("without CAP_NET_RAW: %v", err)
	}
	for _, c := range []ethernet.Config{
		{Interface: "va"}, {Interface: "va", Types: c.Types, VLAN: 4095}, {Interface: "va", Types: c.Types, Priority: 8},
		{Interface: "", Types: c.Types}, {Interface: strings.Repeat("x", 16), Types: c.Types}, {Interface: "va", Types: c.Types, Longest: 1 << 20},
	} {
		if _, err := n.Host(New()).Open(c); err == nil {
			t.Errorf("%+v is opened", c)
		}
	}
}
