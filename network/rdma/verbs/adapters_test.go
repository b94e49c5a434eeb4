//go:build verbs && cgo && linux

package verbs

import (
	"os"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/network/rdma/rdmatest"
)

// TestAdapters runs the suite over the adapters of this host. LUNETTE_VERBS says which: NAME=ADDRESS, with spaces between.
func TestAdapters(t *testing.T) {
	all := strings.Fields(os.Getenv("LUNETTE_VERBS"))
	if len(all) == 0 {
		t.Skip("NOT TESTED: LUNETTE_VERBS names no adapters, as in \"siw0=10.99.0.1 rxe0=10.98.0.1\"")
	}
	for _, one := range all {
		name, addr, _ := strings.Cut(one, "=")
		for how, shared := range map[string]Sharing{"shared": SharedYes, "own": SharedNo} {
			t.Run(name+" "+how, func(t *testing.T) {
				rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
					d, err := New(Config{Adapter: name, Shared: shared})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() {
						if err := d.Close(); err != nil {
							t.Error(err)
						}
					})
					traits := rdmatest.Traits{Abrupt: true, Adapter: true, Standing: true}
					if strings.HasPrefix(name, "siw") {
						traits.Silent = []string{"wrong right, read"} // nobody is answered any more
					} else { // InfiniBand's connection manager
						traits.Padded, traits.Asks, traits.Rejects = true, 56, 148
					}
					return rdmatest.Network{Listens: d, Dials: d, Addr: addr + ":0", Traits: traits}
				})
			})
		}
	}
}
