package fcp

import (
	"testing"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// Who may log in is asked at each process login, however it was when the port logged in.
func TestAskedAtLogin(t *testing.T) {
	n, err := NewNode(Config{})
	if err != nil {
		t.Fatal(err)
	}
	tgt, err := target.NewTarget("t")
	if err != nil {
		t.Fatal(err)
	}
	at, err := tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolFCP, Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	const me fc.Name = 0x2000_00_1b_21_01_02_03
	p := &port{node: n, portal: &Portal{node: n, asks: newAsks()}, target: tgt, scsi: at}
	for _, c := range []struct {
		name  string
		t     Target
		going bool
		in    bool
	}{
		{"all may", Target{}, false, true},
		{"it may", Target{Initiators: []string{"*:03"}}, false, true},
		{"it may not", Target{Initiators: []string{"*:04"}}, false, false},
		{"maintenance", Target{Away: true}, false, false},
		{"the port goes", Target{}, true, false},
	} {
		c.t.SCSI, c.t.Node, p.going = tgt, 0x1000_021122334455, c.going
		if err := n.SetTarget(c.t); err != nil {
			t.Fatal(err)
		}
		nx, why := n.login(p, &nport.Remote{Port: me}, params)
		if (nx != nil) != c.in || (why == nil) != c.in || why != nil && why.response != precluded {
			t.Errorf("%s: %v, %v", c.name, nx, why)
		}
		if nx != nil {
			nx.lost()
		}
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
