package alert_test

import (
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/target"
)

// flags are those of a log page that are set.
func flags(t *testing.T, p []byte) (all []int) {
	t.Helper()
	if len(p) != 4+64*5 || p[0] != alert.Page || p[2] != 1 || p[3] != 0x40 {
		t.Fatalf("page %x", p)
	}
	for n := range 64 {
		q := p[4+5*n:]
		if int(q[1]) != n+1 || q[3] != 1 {
			t.Fatalf("parameter %x", q[:5])
		}
		if q[4] == 1 {
			all = append(all, n+1)
		}
	}
	return all
}

// Each nexus reads a flag once; who comes later reads what is set.
func TestFlagsAreReadOncePerNexus(t *testing.T) {
	var f alert.Flags
	a, b, c := new(target.ITL), new(target.ITL), new(target.ITL)
	f.Attach(a)
	f.Attach(b)
	f.Set(alert.Media, alert.CleanNow, 64, 0, 65)
	f.Attach(c)
	all := []int{alert.Media, alert.CleanNow, 64}
	for name, x := range map[string]*target.ITL{"a": a, "b": b, "c": c} {
		if got := flags(t, f.Show(nil, x, 0, 324)); !slices.Equal(got, all) {
			t.Errorf("%s reads %v", name, got)
		}
		if got := flags(t, f.Show(nil, x, 0, 324)); got != nil {
			t.Errorf("%s reads %v again", name, got)
		}
	}
	if got := f.List(); !slices.Equal(got, all) || f.State() != 1<<60|1<<44|1 {
		t.Errorf("set are %v, %x", got, f.State())
	}
	f.Set(alert.Media)
	f.Clear(64)
	if got := flags(t, f.Show(nil, a, 0, 324)); !slices.Equal(got, []int{alert.Media}) {
		t.Errorf("set again: %v", got)
	}
	f.Changed()
	if got := f.List(); !slices.Equal(got, []int{alert.CleanNow}) {
		t.Errorf("with another cartridge: %v", got)
	}
	if got := flags(t, f.Show(nil, b, 0, 324)); got != nil {
		t.Errorf("its cause is gone: %v", got)
	}
	f.Detach(a)
	f.Set(alert.Media)
	if got := flags(t, f.Show(nil, a, 0, 324)); got != nil {
		t.Errorf("a nexus that is gone reads %v", got)
	}
}

// What does not reach the initiator is not read.
func TestOnlyWhatIsSentIsRead(t *testing.T) {
	for _, c := range []struct {
		first uint16
		room  int
		left  []int
	}{
		{0, 4, []int{1, 2, 63, 64}},
		{0, 8, []int{1, 2, 63, 64}},
		{0, 9, []int{2, 63, 64}},
		{2, 13, []int{1, 63, 64}},
		{63, 324, []int{1, 2}},
		{64, 9, []int{1, 2, 63}},
		{65, 324, []int{1, 2, 63, 64}},
		{0xffff, 0xffff, []int{1, 2, 63, 64}},
		{0, 324, nil},
		{0, 0xffff, nil},
	} {
		var f alert.Flags
		x := new(target.ITL)
		f.Attach(x)
		f.Set(1, 2, 63, 64)
		f.Show(nil, x, c.first, c.room)
		if got := flags(t, f.Show(nil, x, 0, 0)); !slices.Equal(got, c.left) {
			t.Errorf("from %d, %d bytes: %v are left, want %v", c.first, c.room, got, c.left)
		}
	}
}
