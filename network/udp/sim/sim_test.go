package sim_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/sim"
)

var one, two = netip.MustParseAddrPort("192.0.2.1:4791"), netip.MustParseAddrPort("192.0.2.2:4791")

// A keeper keeps what comes.
type keeper struct {
	mu  sync.Mutex
	all []udp.Packet
	at  []time.Time
}

// Received keeps.
func (k *keeper) Received(_ int, batch []udp.Packet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range batch {
		p.Data = bytes.Clone(p.Data)
		k.all = append(k.all, p)
		k.at = append(k.at, time.Now())
	}
}

// numbers are the first bytes of what has come.
func (k *keeper) numbers() (all []int) {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.all {
		all = append(all, int(binary.BigEndian.Uint32(p.Data)))
	}
	return all
}

// wire opens a socket on each of two hosts, in a bubble of synctest.
func wire(t *testing.T, f func(n *sim.Network, a, b *sim.Host, from udp.Socket, k *keeper)) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		a, b := n.Host("a", 1500, one.Addr()), n.Host("b", 1500, two.Addr())
		k := &keeper{}
		from, to := open(t, a, one), open(t, b, two)
		to.Start(k)
		f(n, a, b, from, k)
		_, _ = from.Close(), to.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

func open(t *testing.T, h *sim.Host, at netip.AddrPort) udp.Socket {
	t.Helper()
	s, err := h.Open(t.Context(), udp.Config{Local: at, Lanes: 1, Longest: 1472, Receives: 1 << 20, Capable: true, Identified: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// send sends datagrams with these numbers.
func send(t *testing.T, s udp.Socket, first, last int) {
	t.Helper()
	for i := first; i < last; i++ {
		b := binary.BigEndian.AppendUint32(nil, uint32(i))
		if err := s.Send([]udp.Message{{Local: one, Remote: two, Vec: [][]byte{b, make([]byte, 96)}}}); err != nil {
			t.Error(err)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, x := range []struct {
		name string
		fate sim.Fate
		want []int
	}{
		{"lost", sim.Fate{Drop: true}, []int{0, 1, 2, 4, 5}},
		{"twice", sim.Fate{Double: true}, []int{0, 1, 2, 3, 3, 4, 5}},
		{"late", sim.Fate{Delay: time.Millisecond}, []int{0, 1, 2, 4, 5, 3}},
		{"late and twice", sim.Fate{Delay: time.Millisecond, Double: true}, []int{0, 1, 2, 4, 5, 3, 3}},
	} {
		t.Run(x.name, func(t *testing.T) {
			wire(t, func(n *sim.Network, _, _ *sim.Host, from udp.Socket, k *keeper) {
				n.Break(sim.Nth(3, x.fate))
				send(t, from, 0, 6)
				time.Sleep(time.Second)
				if got := k.numbers(); !slices.Equal(got, x.want) {
					t.Errorf("%v, not %v", got, x.want)
				}
			})
		})
	}
}

func TestDamageAndMarks(t *testing.T) {
	wire(t, func(n *sim.Network, _, _ *sim.Host, from udp.Socket, k *keeper) {
		n.Break(func(e sim.Event) sim.Fate {
			switch e.N {
			case 1:
				return sim.Fate{Damage: 3, Seed: 7}
			case 2:
				return sim.Fate{Mark: true}
			}
			return sim.Fate{}
		})
		send(t, from, 0, 3)
		k.numbers()
		wrong := 0
		for i, p := range k.all {
			b := append(binary.BigEndian.AppendUint32(nil, uint32(i)), make([]byte, 96)...)
			for j := range b {
				for x := b[j] ^ p.Data[j]; x > 0; x &= x - 1 {
					wrong++
				}
			}
			if p.Congested != (i == 2) {
				t.Errorf("that %d is marked is %v", i, p.Congested)
			}
		}
		if len(k.all) != 3 || wrong != 3 {
			t.Errorf("%d have come, %d bits are wrong", len(k.all), wrong)
		}
	})
}

// The same seed does the same.
func TestRandom(t *testing.T) {
	run := func(seed uint64) (got []int) {
		wire(t, func(n *sim.Network, _, _ *sim.Host, from udp.Socket, k *keeper) {
			n.Break(sim.Random(seed, sim.Rates{Drop: .1, Double: .1, Reorder: .2}))
			send(t, from, 0, 500)
			time.Sleep(time.Second)
			got = k.numbers()
		})
		return got
	}
	a := run(1)
	if !slices.Equal(a, run(1)) || slices.Equal(a, run(2)) {
		t.Error("the seed does not say what happens")
	}
	if slices.IsSorted(a) || len(a) == 500 || len(slices.Compact(slices.Sorted(slices.Values(a)))) > 480 {
		t.Errorf("%d have come, in order %v", len(a), slices.IsSorted(a))
	}
}

func TestCut(t *testing.T) {
	wire(t, func(n *sim.Network, a, b *sim.Host, from udp.Socket, k *keeper) {
		n.Narrow(sim.Bottleneck{Latency: time.Millisecond})
		send(t, from, 0, 1)
		n.Cut(a, b, true)
		time.Sleep(time.Second)
		send(t, from, 1, 2)
		time.Sleep(time.Second)
		n.Cut(b, a, false)
		send(t, from, 2, 3)
		time.Sleep(time.Second)
		if got := k.numbers(); !slices.Equal(got, []int{2}) {
			t.Error(got)
		}
		b.Remove(two.Addr())
		send(t, from, 3, 4)
		time.Sleep(time.Second)
		b.Add(two.Addr())
		send(t, from, 4, 5)
		time.Sleep(time.Second)
		if got := k.numbers(); !slices.Equal(got, []int{2, 4}) {
			t.Error(got)
		}
	})
}

func TestBottleneck(t *testing.T) {
	wire(t, func(n *sim.Network, _, _ *sim.Host, from udp.Socket, k *keeper) {
		const size = 128 // of a datagram, with headers
		n.Narrow(sim.Bottleneck{Rate: size * 1000, Queue: 10 * size, MarkAt: 5 * size, Latency: 10 * time.Millisecond})
		start := time.Now()
		send(t, from, 0, 20)
		time.Sleep(time.Second)
		if got := k.numbers(); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Fatal(got)
		}
		for i, p := range k.all {
			if want := time.Duration(i+1)*time.Millisecond + 10*time.Millisecond; k.at[i].Sub(start).Round(10*time.Microsecond) != want {
				t.Errorf("%d comes after %v, not %v", i, k.at[i].Sub(start), want)
			}
			if p.Congested != (i >= 5) {
				t.Errorf("that %d is marked is %v", i, p.Congested)
			}
		}
	})
}

// Users who do what they may not are told at the end.
func TestStrict(t *testing.T) {
	for _, x := range []struct {
		name string
		m    udp.Message
	}{
		{"another's address", udp.Message{Local: two, Remote: two}},
		{"no address", udp.Message{Local: netip.MustParseAddrPort("0.0.0.0:1"), Remote: two}},
		{"no port", udp.Message{Local: one, Remote: netip.AddrPortFrom(two.Addr(), 0)}},
		{"too many", udp.Message{Local: one, Remote: two, Segment: 10, Vec: [][]byte{make([]byte, 641)}}},
		{"nothing cut", udp.Message{Local: one, Remote: two, Segment: 10}},
		{"too much", udp.Message{Local: one, Remote: two, Segment: 1400, Vec: [][]byte{make([]byte, udp.MaxPayload+1)}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			n := sim.New()
			h := n.Host("a", 1500, one.Addr(), two.Addr())
			s := open(t, h, one)
			if err := s.Send([]udp.Message{x.m}); err == nil {
				t.Error("it is sent")
			}
			_ = s.Close()
			if err := n.Close(); err == nil || !strings.HasPrefix(err.Error(), "udp/sim: ") {
				t.Errorf("nobody is told: %v", err)
			}
		})
	}
	n := sim.New()
	s := open(t, n.Host("a", 1500, one.Addr()), one)
	if n.Close() == nil {
		t.Error("a socket that is open is not told")
	}
	_ = s.Close()
}

func TestUncut(t *testing.T) {
	wire(t, func(_ *sim.Network, a, _ *sim.Host, from udp.Socket, k *keeper) {
		a.SetCuts(false)
		m := udp.Message{Local: one, Remote: two, Vec: [][]byte{make([]byte, 250)}, Segment: 100}
		if err := from.Send([]udp.Message{m}); !errors.Is(err, udp.ErrUncut) {
			t.Error(err)
		}
		if got, s := k.numbers(), from.Stats(); len(got) != 1 || s.PacketsOut != 1 || s.Lost != 2 {
			t.Errorf("%v, %+v", got, s)
		}
		a.SetCuts(true)
		if err := from.Send([]udp.Message{m}); err != nil || len(k.numbers()) != 4 {
			t.Errorf("%v; %d have come", err, len(k.numbers()))
		}
	})
}

func TestDenied(t *testing.T) {
	n := network(t)
	h := n.Host("a", 1500, one.Addr())
	h.SetCapable(false)
	if _, err := h.Open(t.Context(), udp.Config{Local: one, Lanes: 1, Longest: 100, Identified: true}); err == nil || !strings.Contains(err.Error(), udp.ErrDenied.Error()) {
		t.Error(err)
	}
}
