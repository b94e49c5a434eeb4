package pipe

import (
	"context"
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// An initiator is one of the suite.
type initiator struct{ *Session }

func (i initiator) Do(lun scsi.LUN, cdb, out []byte, in int) (transporttest.Outcome, error) {
	r, data, err := i.Session.Do(context.Background(), lun, cdb, out, in)
	return transporttest.Outcome{Status: r.Status, Sense: r.Sense, In: data, Residual: r.Residual}, err
}

func (i initiator) Manage(f target.Function, lun scsi.LUN) (target.FunctionResult, error) {
	return i.Session.Manage(f, lun, 0), nil
}

// What every transport does with commands, a pipe does too.
func TestScript(t *testing.T) {
	arena := buffer.NewArena(64 << 20)
	tgt, closed := transporttest.ScriptTarget(t, arena)
	defer closed()
	p := New()
	n, err := newNode(plugin.NodeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	show, err := n.PrepareTarget(plugin.Target{Name: tgt.Name, SCSI: tgt})
	if err != nil {
		t.Fatal(err)
	}
	show()
	portal, err := listen(t.Context(), n.(*node), &network{p}, plugin.Binding{Address: "/a", Values: model.Values{"slots": int64(100)}})
	if err != nil {
		t.Fatal(err)
	}
	portal.Start()
	transporttest.Script(t, func(t *testing.T, i int) transporttest.Initiator {
		s, err := p.Login("/a", tgt.Name, fmt.Sprint("guest:", i))
		if err != nil {
			t.Fatal(err)
		}
		return initiator{s}
	})
	if err := portal.Close(); err != nil {
		t.Error(err)
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
