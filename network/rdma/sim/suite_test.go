package sim

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma/rdmatest"
)

func TestSuite(t *testing.T) {
	rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
		n := New()
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
