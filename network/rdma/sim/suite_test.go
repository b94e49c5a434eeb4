package sim

import (
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma/rdmatest"
)

// suite runs the suite with faults that nobody may notice.
func suite(t *testing.T, f Faults) {
	rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
		n := New()
		n.Break(f)
		a, b := n.Device(), n.Device()
		t.Cleanup(func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		return rdmatest.Network{Listens: a, Dials: b, Addr: "target:0", Traits: rdmatest.Traits{Queue: true}}
	})
}

func TestSuite(t *testing.T) { suite(t, nil) }

func TestSuiteDelayed(t *testing.T) {
	suite(t, Seeded(1, Rates{Delay: 30, Late: 200, Most: 300 * time.Microsecond}))
}
