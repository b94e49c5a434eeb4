package iser_test

import (
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestWindow keeps as many messages on their way as the target has room for: commands up to
// the window, and unregulated ones, of which there are most with the shortest segments.
func TestWindow(t *testing.T) {
	t.Run("asked", func(t *testing.T) { testWindow(t, iser.Options{}, initiator.RDMA{}, 500, 512) })
	t.Run("unasked", func(t *testing.T) {
		testWindow(t, iser.Options{Unsolicited: yes}, initiator.RDMA{TargetRecv: 512}, 64, 60<<10)
	})
}

func testWindow(t *testing.T, o iser.Options, r initiator.RDMA, count, n int) {
	s := start(t, sim.New(), o, r, iscsi.Config{Window: 32})
	c := s.Dial(s.Config(1))
	cmds := make([]initiator.Command, count)
	for i := range cmds {
		cmds[i] = initiator.Command{CDB: write(uint32(i), n, transporttest.Way(i%3)), Out: make([]byte, n)}
		if err := c.Submit(&cmds[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range cmds {
		if err := c.Finish(&cmds[i]); err != nil || cmds[i].Status != 0 || cmds[i].Err != nil {
			t.Fatal(i, err, cmds[i].Sense(), cmds[i].Err)
		}
	}
}

func yes() bool { return true }
