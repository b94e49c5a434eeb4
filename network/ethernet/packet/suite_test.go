package packet_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/ethertest"
	"github.com/lunette-io/lunette/network/ethernet/packet"
	"github.com/lunette-io/lunette/network/ethernet/packet/packettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A veth pair in a network namespace of its own.
func TestSuite(t *testing.T) {
	ethertest.Run(t, func(t *testing.T) *ethertest.Cable {
		n := packettest.New(t)
		c := &ethertest.Cable{Name: [2]string{"veth0", "veth1"}, MAC: [2]ethernet.MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}}
		make := func() { n.Veth(c.Name[0], c.Name[1], c.MAC[0], c.MAC[1], ethertest.MTU) }
		make()
		h := n.Host(packet.New())
		c.Host = [2]ethernet.Host{h, h}
		c.SetUp = func(i int, up bool) { n.SetUp(c.Name[i], up) }
		c.SetMTU = func(i, mtu int) { n.SetMTU(c.Name[i], mtu) }
		c.SetMAC = func(i int, m ethernet.MAC) { n.SetMAC(c.Name[i], m) }
		c.Remove = func(i int) { n.Remove(c.Name[i]) }
		c.Restore = func(int) { make() }
		c.AddVLAN = func(i int, vlan uint16) { n.VLAN(c.Name[i], vlan) }
		return c
	})
}
