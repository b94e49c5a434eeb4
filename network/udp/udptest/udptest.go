// Package udptest is the suite that every provider of datagrams passes.
package udptest

import (
	"net/netip"
	"testing"

	"github.com/lunette-io/lunette/network/udp"
)

// A Pair is two hosts that reach each other; or the same one twice.
type Pair struct {
	Host [2]udp.Host
	Addr [2]netip.Addr // theirs, of one family
	// Other is an address of that family to which there is no way.
	Other netip.Addr
	MTU   int // of the way between them
	// Identifies: sockets of the second host can know identifications.
	Identifies bool
	// Inside: the hosts are on one host, with no wire in between: identifications are not known.
	Inside bool
	// Congest sends a datagram from the first host, from any port, which is marked CE when it arrives.
	Congest func(to netip.AddrPort, payload []byte)
}

// Run runs the suite; each test has a new pair.
func Run(t *testing.T, pair func(t *testing.T) *Pair) {
	for _, x := range []struct {
		name string
		test func(t *testing.T, p *Pair)
	}{
		{"there and back", thereAndBack},
		{"batches", batches},
		{"segments", segments},
		{"segments of all kinds", segmentsOfAllKinds},
		{"all addresses", allAddresses},
		{"lanes", lanes},
		{"congestion", congestion},
		{"too long to send", tooLongToSend},
		{"too long to receive", tooLongToReceive},
		{"no way", noWay},
		{"nobody there", nobodyThere},
		{"ports and addresses", portsAndAddresses},
		{"before the start", beforeTheStart},
		{"close", closing},
		{"close under load", closingUnderLoad},
		{"load", load},
		{"the way", theWay},
	} {
		t.Run(x.name, func(t *testing.T) { x.test(t, pair(t)) })
	}
	if p := pair(t); p.Identifies && p.Addr[0].Is4() {
		for _, x := range []struct {
			name string
			test func(t *testing.T, p *Pair)
		}{
			{"there and back", thereAndBack},
			{"segments", segments},
			{"lanes", lanes},
			{"too long to receive", tooLongToReceive},
			{"all addresses", allAddresses},
			{"congestion", congestion},
			{"close under load", closingUnderLoad},
			{"load", load},
		} {
			t.Run("identified/"+x.name, func(t *testing.T) {
				p := pair(t)
				p.Host = [2]udp.Host{identified{p.Host[0]}, identified{p.Host[1]}}
				x.test(t, p)
			})
		}
	}
}
