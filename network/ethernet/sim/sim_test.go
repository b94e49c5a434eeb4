package sim_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/sim"
)

var macs = [2]ethernet.MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}

const kind ethernet.Type = 0x8906

// A keeper keeps what comes.
type keeper struct {
	mu       sync.Mutex
	frames   []string
	writable int
	kept     []byte // against the rules
}

func (k *keeper) Received(b []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frames, k.kept = append(k.frames, string(b[14:])), b
}
func (k *keeper) Batch() {}
func (k *keeper) Writable() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writable++
}
func (k *keeper) Changed(ethernet.State) {}

// seen is what has come, and how often it was writable, when nothing happens any more.
func (k *keeper) seen() ([]string, int) {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.frames), k.writable
}

func frame(payload string) ethernet.Frame {
	return ethernet.Frame{Head: slices.Concat(macs[1][:], macs[0][:], []byte{0x89, 6}), Body: []byte(payload)}
}

// with runs a test with two hosts on a network.
func with(t *testing.T, test func(n *sim.Network, i *sim.Interface, a ethernet.Wire, u, v *keeper)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		var wires [2]ethernet.Wire
		var first *sim.Interface
		u := [2]*keeper{{}, {}}
		for k := range wires {
			h := n.Host(string(rune('a' + k)))
			i := h.Add("eth0", macs[k], 1500)
			if k == 0 {
				first = i
			}
			var err error
			if wires[k], err = h.Open(ethernet.Config{Interface: "eth0", Types: []ethernet.Type{kind}}); err != nil {
				t.Fatal(err)
			}
			wires[k].Start(u[k])
		}
		test(n, first, wires[0], u[0], u[1])
		for _, w := range wires {
			_ = w.Close()
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Each fate is what it says.
func TestFates(t *testing.T) {
	with(t, func(n *sim.Network, _ *sim.Interface, a ethernet.Wire, _, v *keeper) {
		n.Break(func(e sim.Event) sim.Fate {
			return []sim.Fate{{}, {Drop: true}, {Double: true}, {Delay: time.Second}, {}, {Damage: 1, Seed: 3}}[e.N]
		})
		if k, err := a.Send([]ethernet.Frame{frame("0"), frame("1"), frame("2"), frame("3"), frame("4"), frame("5")}); k != 6 || err != nil {
			t.Fatal(k, err)
		}
		frames, _ := v.seen()
		if got := strings.Join(frames, " "); !strings.HasPrefix(got, "0 2 2 4 ") || len(got) != 9 || got[8] == '5' {
			t.Errorf("%q", got)
		}
		time.Sleep(time.Second)
		if frames, _ = v.seen(); frames[len(frames)-1] != "3" || len(frames) != 6 {
			t.Errorf("%q", frames)
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.kept[14] == '3' {
			t.Error("a frame that was kept is whole")
		}
	})
}

// Faults at random depend on the seed and the number alone, and are as often as they are to be.
func TestRandom(t *testing.T) {
	f, g, h := sim.Random(1, sim.Rates{Drop: 0.1, Reorder: 0.2}), sim.Random(1, sim.Rates{Drop: 0.1, Reorder: 0.2}), sim.Random(2, sim.Rates{Drop: 0.1, Reorder: 0.2})
	dropped, late, same := 0, 0, 0
	for i := range 10_000 {
		x := f(sim.Event{N: i})
		if x != g(sim.Event{N: i}) {
			t.Fatal("the same seed is something else")
		}
		if x == h(sim.Event{N: i}) {
			same++
		}
		if x.Drop {
			dropped++
		}
		if x.Delay > 0 {
			late++
		}
	}
	if dropped < 900 || dropped > 1100 || late < 1850 || late > 2150 || same > 9000 {
		t.Errorf("%d dropped, %d late, %d as with another seed", dropped, late, same)
	}
}

// A wire that is blocked takes nothing, and tells when it does again.
func TestBlock(t *testing.T) {
	with(t, func(_ *sim.Network, i *sim.Interface, a ethernet.Wire, u, v *keeper) {
		i.Block(true)
		if k, err := a.Send([]ethernet.Frame{frame("0")}); k != 0 || err != nil {
			t.Fatal(k, err)
		}
		if _, k := u.seen(); k != 0 {
			t.Error("writable while it is blocked")
		}
		i.Block(false)
		i.Takes(2)
		if _, k := u.seen(); k != 1 {
			t.Error("not told")
		}
		if k, err := a.Send([]ethernet.Frame{frame("0"), frame("1"), frame("2")}); k != 2 || err != nil {
			t.Fatal(k, err)
		}
		_, k := u.seen()
		if frames, _ := v.seen(); k != 2 || len(frames) != 2 {
			t.Errorf("%d times writable, %q", k, frames)
		}
	})
}

// What users do wrong is found.
func TestViolations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		h := n.Host("a")
		h.Add("eth0", macs[0], 1500)
		w, err := h.Open(ethernet.Config{Interface: "eth0", Types: []ethernet.Type{kind}})
		if err != nil {
			t.Fatal(err)
		}
		w.Start(&keeper{})
		w.Start(&keeper{})
		_ = w.Leave(macs[1])
		_, _ = w.Send([]ethernet.Frame{{Head: make([]byte, 13)}})
		err = n.Close()
		for _, want := range []string{"twice", "was not joined", "13 bytes", "are open"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
		_ = w.Close()
	})
}
