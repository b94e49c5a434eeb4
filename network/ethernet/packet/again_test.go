package packet

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/packet/packettest"
)

// until sends from a until something arrives.
func until(t *testing.T, a *wire, v *taker) {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		_, _ = a.Send([]ethernet.Frame{numbered(5)})
		select {
		case <-v.numbers:
			return
		case <-late:
			t.Fatal("nothing comes")
		case <-time.After(time.Millisecond):
		}
	}
}

// An interface that goes and comes back with its old number, before anybody has looked, is another one.
func TestSameNumber(t *testing.T) {
	n, a, b, _, v := pair(t)
	index := n.Index("vb")
	b.state.Lock()
	n.Remove("vb")
	n.VethAt(index, "vb", "va", macs[1], macs[0], 1500)
	b.state.Unlock()
	until(t, a, v)
}

// An interface that was down for so short that nobody has noticed takes frames.
func TestDownForAMoment(t *testing.T) {
	n, a, _, _, _ := pair(t)
	a.state.Lock()
	defer a.state.Unlock()
	n.SetUp("va", false)
	n.SetUp("va", true)
	if n, err := a.Send([]ethernet.Frame{numbered(1)}); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// members are how many of an interface's users have joined a group, by the kernel's word.
func members(t *testing.T, n *packettest.Namespace, name string, m ethernet.MAC) (users string) {
	t.Helper()
	var text []byte
	var err error
	n.Do(func() { text, err = os.ReadFile("/proc/thread-self/net/dev_mcast") })
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 5 && f[1] == name && f[4] == hex.EncodeToString(m[:]) {
			return f[2]
		}
	}
	return "0"
}

// An interface that has another name is not the wire's any more: what was joined is left, and no frame of it comes. When it has its name again it is as before.
func TestRename(t *testing.T) {
	n, a, b, _, v := pair(t)
	group := ethernet.MAC{1, 0x10, 0x18, 1, 0, 4}
	if err := b.Join(group); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n.Rename("vb", "other")
		for !next(t, v.states).Gone {
		}
		if k := members(t, n, "other", group); k != "0" {
			t.Errorf("%s users of the group on an interface that is somebody else's", k)
		}
		for range 20 {
			_, _ = a.Send([]ethernet.Frame{numbered(6)})
			time.Sleep(time.Millisecond)
		}
		n.Rename("other", "vb")
		for s := next(t, v.states); !s.Up || s.Gone; s = next(t, v.states) {
		}
		for k := uint32(0); k != 7; {
			_, _ = a.Send([]ethernet.Frame{numbered(7)})
			select {
			case k = <-v.numbers:
				if k == 6 {
					t.Fatal("a frame has come of an interface with another name")
				}
			case <-time.After(time.Millisecond):
			}
		}
		if k := members(t, n, "vb", group); k != "1" {
			t.Errorf("%s users of the group", k)
		}
	}
	if err := b.Leave(group); err != nil {
		t.Fatal(err)
	}
	if k := members(t, n, "vb", group); k != "0" {
		t.Errorf("%s users of a group that was left", k)
	}
}
