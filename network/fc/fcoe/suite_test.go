package fcoe

import (
	"context"
	"testing"

	"github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc/fctest"
)

// onHub are the two sides of the suite on a hub in the process.
func onHub(t testing.TB, a, b string, mtu int, traits fctest.Traits) fctest.Bed {
	t.Helper()
	hub := sim.New()
	one, two := hub.Host("one"), hub.Host("two")
	// A cable that is cut is so at both ends.
	near, far := one.Add("eth0", mac(10), mtu), two.Add("eth0", mac(11), mtu)
	p, q := New(Config{Host: one, Haste: 20}), New(Config{Host: two, Haste: 20})
	x, err := p.Open(context.Background(), "eth0"+a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := q.Open(context.Background(), "eth0"+b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range []func() error{x.Close, y.Close, p.Close, q.Close, hub.Close} {
			if err := f(); err != nil {
				t.Error(err)
			}
		}
	})
	set := func(up bool) { near.SetUp(up); far.SetUp(up) }
	traits.Eager = true
	return fctest.Bed{A: x, B: y, Cut: func() { set(false) }, Mend: func() { set(true) }, Traits: traits}
}

func TestSuiteVN2VN(t *testing.T) {
	fctest.Test(t, func(t testing.TB) fctest.Bed { return onHub(t, "", "", 2500, fctest.Traits{}) })
}

func TestSuiteVN2VNSmall(t *testing.T) {
	fctest.Test(t, func(t testing.TB) fctest.Bed {
		return onHub(t, "?max-payload=256", "?max-payload=256", 1500, fctest.Traits{})
	})
}

func TestSuiteFabric(t *testing.T) {
	fctest.Test(t, func(t testing.TB) fctest.Bed {
		return onHub(t, "?mode=fabric", "?mode=enode", 2500, fctest.Traits{Fabric: true, Inside: true})
	})
}

func TestSuiteFabricSmall(t *testing.T) {
	fctest.Test(t, func(t testing.TB) fctest.Bed {
		return onHub(t, "?mode=fabric&fc-map=0efc42&domain=17", "?mode=enode", 1500, fctest.Traits{Fabric: true, Inside: true})
	})
}
