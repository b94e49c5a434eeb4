package transporttest

import (
	"context"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
)

// shutDown ends a node, unless the test has done so, and checks that everything was given back: sessions says how many are left.
func shutDown(tb testing.TB, done bool, node interface {
	Shutdown(ctx context.Context) error
}, sessions func() int, units []*Unit, t *target.Target, a *buffer.Arena) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if done {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		if err := node.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
	}()
	for stop := time.Now().Add(Patience); ; {
		for _, u := range units {
			u.Release()
		}
		select {
		case <-ended:
		case <-time.After(20 * time.Millisecond):
			if time.Now().Before(stop) {
				continue
			}
			panic("the node does not shut down") // with all stacks
		}
		break
	}
	if n := sessions(); n != 0 {
		tb.Errorf("%d sessions are left", n)
	}
	if n := len(t.Nexuses()); n != 0 {
		tb.Errorf("%d nexuses are left", n)
	}
	for i, u := range units {
		u.Settled(tb, i)
	}
	if n := a.Outstanding(); n != 0 {
		tb.Errorf("%d bytes of the arena are out", n)
	} else if err := a.Close(); err != nil {
		tb.Error(err)
	}
}
