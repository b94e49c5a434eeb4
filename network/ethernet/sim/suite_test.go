package sim_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/ethertest"
	"github.com/lunette-io/lunette/network/ethernet/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	ethertest.Run(t, func(t *testing.T) *ethertest.Cable {
		n := sim.New()
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		c := &ethertest.Cable{Name: [2]string{"eth0", "eth1"}, MAC: [2]ethernet.MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}}
		hosts := [2]*sim.Host{n.Host("a"), n.Host("b")}
		var at [2]*sim.Interface
		add := func(i int) { at[i] = hosts[i].Add(c.Name[i], c.MAC[i], ethertest.MTU) }
		for i := range hosts {
			c.Host[i] = hosts[i]
			add(i)
			at[i].Takes(10)
		}
		c.SetUp = func(i int, up bool) { at[i].SetUp(up) }
		c.SetMTU = func(i, mtu int) { at[i].SetMTU(mtu) }
		c.SetMAC = func(i int, m ethernet.MAC) { at[i].SetMAC(m) }
		c.Remove = func(i int) { at[i].Remove() }
		c.Restore = add
		c.AddVLAN = func(i int, vlan uint16) { hosts[i].Add(c.Name[i]+".100", c.MAC[i], ethertest.MTU) }
		return c
	})
}
