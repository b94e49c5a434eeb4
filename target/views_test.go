package target

import (
	"net/netip"
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

// The first view that an initiator fits is what it sees.
func TestViews(t *testing.T) {
	one := func(n uint32) []Mapping {
		l, _ := scsi.FlatLUN(n)
		return []Mapping{{LUN: l, Unit: &Unit{}}}
	}
	net := netip.MustParsePrefix
	v, err := NewViews("t", one(0),
		View{Initiators: []string{"iqn.x:web-*", "iqn.x:db?"}, Maps: one(1)},
		View{Addresses: []netip.Prefix{net("192.0.2.0/24"), net("2001:db8::/32"), net("::ffff:198.51.100.0/120")}, Maps: one(2)},
		View{Users: []string{"ann", "bob"}, Maps: one(3)},
		View{Initiators: []string{"*"}, Users: []string{""}, Maps: one(4)},
		View{Initiators: []string{"none"}},
		View{Initiators: []string{"both"}, Addresses: []netip.Prefix{net("fe80::/64")}, Users: []string{"eve"}, Maps: one(5)},
	)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	for _, x := range []struct {
		from Initiator
		want int // -1: nothing
	}{
		{Initiator{}, 0},
		{Initiator{Name: "iqn.x:web-7"}, 1},
		{Initiator{Name: "iqn.x:web-"}, 1},
		{Initiator{Name: "iqn.x:db7"}, 1},
		{Initiator{Name: "iqn.x:db77"}, 0},
		{Initiator{Name: "iqn.x:web-7", Address: addr("192.0.2.1")}, 1},
		{Initiator{Name: "other", Address: addr("192.0.2.1")}, 2},
		{Initiator{Name: "other", Address: addr("::ffff:192.0.2.1")}, 2},
		{Initiator{Name: "other", Address: addr("198.51.100.9")}, 2},
		{Initiator{Name: "other", Address: addr("192.0.3.1")}, 0},
		{Initiator{Name: "other", Address: addr("2001:db8:1::1")}, 2},
		{Initiator{Name: "other", Also: []string{"another", "iqn.x:db7"}}, 1},
		{Initiator{Name: "other", User: "bob"}, 3},
		{Initiator{Name: "other", User: "eve"}, 0},
		{Initiator{Name: "none"}, -1},
		{Initiator{Name: "both", User: "eve", Address: addr("fe80::1%lo")}, 5},
		{Initiator{Name: "both", User: "eve", Address: addr("fe80:0:0:1::1")}, 0},
		{Initiator{Name: "both", Address: addr("fe80::1")}, 0},
	} {
		got := -1
		if m := v.of(&x.from); len(m) > 0 {
			i, _ := m[0].LUN.Index()
			got = int(i)
		}
		if got != x.want {
			t.Errorf("%+v sees %d instead of %d", x.from, got, x.want)
		}
	}
}
