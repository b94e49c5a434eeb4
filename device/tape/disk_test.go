package tape_test

import (
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/alert"
)

// A disk that gets full is told of long before writes fail, and once.
func TestDiskIsWatched(t *testing.T) {
	b := newBench(t, nil)
	f := newFaulty(100 << 20)
	is := func(want bool) {
		t.Helper()
		if got := slices.Contains(b.d.Status().Alerts, alert.WriteWarning); got != want {
			t.Errorf("told: %v, want %v", got, want)
		}
	}
	write := func() { b.good(writeCDB(100), block(1, 100), 0) }
	writes := func() { // so much that the disk is looked at
		t.Helper()
		b.d.WroteMuch()
		write()
	}
	f.free.Store(100 << 30)
	b.load(f)
	writes()
	is(false)
	f.free.Store(20 << 30)
	write()
	is(false)
	writes()
	is(true)
	b.d.ClearAlerts()
	writes()
	is(false) // it was told
	f.free.Store(100 << 30)
	writes()
	f.free.Store(1)
	b.d.Unload(t.Context(), true)
	b.load(f)
	is(true)
	f.free.Store(100 << 30)
	writes()
	is(false)
}
