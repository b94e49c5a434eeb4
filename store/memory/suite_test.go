package memory

import (
	"testing"

	"github.com/lunette-io/lunette/store/storetest"
)

func TestSuite(t *testing.T) {
	for name, cfg := range map[string]Config{
		"Whole":  {Size: 2 << 20},
		"Odd":    {Size: 1<<20 + 512}, // the last page is not all ours
		"Huge":   {Size: 2 << 20, Pages: HugePages},
		"Pinned": {Size: 2 << 20}, // a device holds all that is lent
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Subject {
				var s *Store
				var err error
				if name == "Pinned" {
					s, _ = listed(t, cfg.Size)
				} else if s, err = Open(cfg); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if n := s.Outstanding(); n != 0 {
						t.Errorf("%d leases not released", n)
					}
				})
				return storetest.Subject{Store: s}
			})
		})
	}
}
