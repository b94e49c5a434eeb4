package transporttest_test

import (
	"net"
	"testing"

	"github.com/lunette-io/lunette/transport/transporttest"
)

func TestNamespace(t *testing.T) {
	t.Run("a (sub) test", func(t *testing.T) {
		if !transporttest.InNamespace(t, 2500) {
			return
		}
		for _, name := range []string{transporttest.VethTarget, transporttest.VethInitiator} {
			i, err := net.InterfaceByName(name)
			if err != nil || i.MTU != 2500 || i.Flags&net.FlagUp == 0 {
				t.Error(i, err)
			}
		}
	})
}
