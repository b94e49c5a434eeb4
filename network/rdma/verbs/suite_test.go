package verbs

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma/rdmatest"
)

// TestSuite runs the suite over adapters inside the process, with a shared queue for messages and without.
func TestSuite(t *testing.T) {
	for name, shared := range map[string]int{"shared": 1 << 15, "own": 0} {
		t.Run(name, func(t *testing.T) {
			rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
				f := newFabric()
				f.can.shared = shared
				d, err := start(Config{Shared: SharedYes}, f)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := d.Close(); err != nil {
						t.Error(err)
					}
					f.mu.Lock()
					defer f.mu.Unlock()
					if len(f.regions) > 0 {
						t.Errorf("%d regions are still registered", len(f.regions))
					}
				})
				return rdmatest.Network{Listens: d, Dials: d, Addr: "127.0.0.1:0", Traits: rdmatest.Traits{Abrupt: true, Adapter: true}}
			})
		})
	}
}
