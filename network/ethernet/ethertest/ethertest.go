// Package ethertest is the suite that every provider of raw Ethernet passes.
package ethertest

import (
	"testing"

	"github.com/lunette-io/lunette/network/ethernet"
)

// A Cable is two interfaces of a provider that are joined, and nobody else's. They are up, with an MTU of [MTU].
type Cable struct {
	Host [2]ethernet.Host
	Name [2]string
	MAC  [2]ethernet.MAC

	// What can happen to an interface. If Restore makes it anew it is as it was at first.
	SetUp   func(side int, up bool)
	SetMTU  func(side int, mtu int)
	SetMAC  func(side int, m ethernet.MAC)
	Remove  func(side int)
	Restore func(side int)
	// AddVLAN makes an interface for a VLAN on a side.
	AddVLAN func(side int, vlan uint16)
}

// MTU is that of the interfaces, and Longest what wires are opened with.
const (
	MTU     = 2500
	Longest = 2158
)

// Types of frames in the suite.
const (
	mine  ethernet.Type = 0x8906
	other ethernet.Type = 0x8914
	alien ethernet.Type = 0x88b5
)

// Run runs the suite. cable makes a cable for a test, which ends with it.
func Run(t *testing.T, cable func(t *testing.T) *Cable) {
	for _, x := range []struct {
		name string
		test func(t *testing.T, c *Cable)
	}{
		{"frames", frames},
		{"addresses", addresses},
		{"addresses/handler", joinInHandler},
		{"types", types},
		{"vlan", vlans},
		{"vlan/interface", vlanInterface},
		{"lengths", lengths},
		{"burst", burst},
		{"overrun", overrun},
		{"blocked", blocked},
		{"link", link},
		{"gone", gone},
		{"changes", changes},
		{"open", open},
		{"close", closes},
	} {
		t.Run(x.name, func(t *testing.T) { x.test(t, cable(t)) })
	}
}
