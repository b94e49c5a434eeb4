package fcoe_test

import (
	"context"
	"testing"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/packet"
	"github.com/lunette-io/lunette/network/ethernet/packet/packettest"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	"github.com/lunette-io/lunette/network/fc/fctest"
)

// onVeth are the two sides of the suite on a cable of the kernel's, in a network namespace of the test's own.
func onVeth(t testing.TB, a, b string, traits fctest.Traits) fctest.Bed {
	t.Helper()
	n := packettest.New(t)
	n.Veth("left", "right", ethernet.MAC{2, 0, 0, 0, 0, 10}, ethernet.MAC{2, 0, 0, 0, 0, 11}, 2500)
	h := n.Host(packet.New())
	p, q := fcoe.New(fcoe.Config{Host: h, Haste: 20}), fcoe.New(fcoe.Config{Host: h, Haste: 20})
	x, err := p.Open(context.Background(), "left"+a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := q.Open(context.Background(), "right"+b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range []func() error{x.Close, y.Close, p.Close, q.Close} {
			if err := f(); err != nil {
				t.Error(err)
			}
		}
	})
	traits.Eager = true
	return fctest.Bed{A: x, B: y, Cut: func() { n.SetUp("right", false) }, Mend: func() { n.SetUp("right", true) }, Traits: traits}
}

func TestVethVN2VN(t *testing.T) {
	fctest.Test(t, func(t testing.TB) fctest.Bed { return onVeth(t, "", "", fctest.Traits{}) })
}

func TestVethFabric(t *testing.T) {
	fctest.Test(t, func(t testing.TB) fctest.Bed {
		return onVeth(t, "?mode=fabric", "?mode=enode", fctest.Traits{Fabric: true, Inside: true})
	})
}

func TestVethVLAN(t *testing.T) {
	fctest.Test(t, func(t testing.TB) fctest.Bed {
		return onVeth(t, ".100?mode=fabric&priority=3", ".100?mode=enode", fctest.Traits{Fabric: true, Inside: true})
	})
}
