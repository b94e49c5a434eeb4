package filter_test

import (
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/store/filter/delay"
	"github.com/lunette-io/lunette/store/filter/fault"
	"github.com/lunette-io/lunette/store/filter/readonly"
	"github.com/lunette-io/lunette/store/filter/stats"
	"github.com/lunette-io/lunette/store/filter/verify"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
)

// filters are all that there are, and whether foreign memory passes them.
var filters = map[string]struct {
	on     func(store.Store) store.Store
	passes bool
}{
	"stats":    {func(s store.Store) store.Store { return stats.New(s) }, true},
	"delay":    {func(s store.Store) store.Store { return delay.New(s, delay.Config{}) }, true},
	"fault":    {func(s store.Store) store.Store { return fault.New(s, 1) }, true},
	"readonly": {func(s store.Store) store.Store { return readonly.New(s) }, true},
	"verify":   {func(s store.Store) store.Store { return verify.New(s) }, false}, // it looks at the data
}

func openFile(t *testing.T) store.Store {
	s, err := file.Open(file.Config{Path: filepath.Join(t.TempDir(), "disk.img"), Size: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Foreign memory comes to a store only through filters that know of it.
func TestForeign(t *testing.T) {
	for name, f := range filters {
		s := f.on(openFile(t))
		if _, takes := store.As[store.Foreign](s); takes != f.passes {
			t.Errorf("%s over a file: takes foreign memory %v, want %v", name, takes, f.passes)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		m, err := memory.Open(memory.Config{Size: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		s = f.on(m)
		if _, takes := store.As[store.Foreign](s); takes {
			t.Errorf("%s over memory takes foreign memory", name)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Filters pass the suite over a file, with foreign memory.
func TestSuiteOverFile(t *testing.T) {
	for name, f := range filters {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Subject { return storetest.Subject{Store: f.on(openFile(t))} })
		})
	}
}
