package iscsi

import (
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/target"
)

// TestAddresses: what discovery tells of portals, by where the initiator has come to.
func TestAddresses(t *testing.T) {
	n := newStillNode(t, Config{})
	defer n.end(t)
	d, err := target.NewTarget("iqn.2026-11.t:d2")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.AddTarget(Target{SCSI: d}); err != nil {
		t.Fatal(err)
	}
	portals := map[string]*Portal{}
	for _, a := range []string{"10.0.0.1:3260", "[fd00::1]:3260", "[fe80::1%eth0]:3260", "0.0.0.0:1", "[::]:2", "host:3", "172.16.0.1:4"} {
		portals[a] = n.AddPortal("tcp", a)
	}
	n.AddPortal("iwarp", "10.0.0.1:3261")
	portals["172.16.0.1:4"].Set(Showing{Told: []string{"203.0.113.7:31171", "disks.example.com:3260"}, Group: 7})
	portals["host:3"].Set(Showing{Targets: []string{"iqn.2026-11.t:d2"}})
	for local, want := range map[string]string{
		"10.0.0.1:3260":       "[10.0.0.1:3260,1 [fd00::1]:3260,1 10.0.0.1:1,1 203.0.113.7:31171,7 disks.example.com:3260,7]",
		"[fd00::1]:3260":      "[10.0.0.1:3260,1 [fd00::1]:3260,1 [fd00::1]:2,1 203.0.113.7:31171,7 disks.example.com:3260,7]",
		"[fe80::1%eth0]:3260": "[]", // it uses the address that it came to
		"[fe80::9%eth0]:2":    "[]",
	} {
		if got := fmt.Sprint(n.topology.addresses("iqn.2026-11.t:d", "tcp", local)); got != want {
			t.Errorf("by %s: %s instead of %s", local, got, want)
		}
	}
	portals["172.16.0.1:4"].Set(Showing{})
	if got := n.topology.addresses("iqn.2026-11.t:d2", "tcp", "10.0.0.1:3260"); fmt.Sprint(got) != "[10.0.0.1:3260,1 [fd00::1]:3260,1 10.0.0.1:1,1 host:3,1 172.16.0.1:4,1]" {
		t.Errorf("%v", got)
	}
}
