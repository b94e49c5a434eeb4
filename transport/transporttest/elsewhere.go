package transporttest

import (
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// An Elsewhere is an initiator that has come to the target by another transport, and manages its units.
type Elsewhere struct {
	tb    testing.TB
	nexus *target.Nexus
}

// ComeElsewhere logs one in; Close logs it out.
func ComeElsewhere(tb testing.TB, t *target.Target) *Elsewhere {
	tb.Helper()
	p, err := t.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "elsewhere"})
	if err != nil {
		tb.Fatal(err)
	}
	n, err := p.Login(target.Initiator{Name: "admin", Port: scsi.ISCSIPort("admin", [6]byte{1})})
	if err != nil {
		tb.Fatal(err)
	}
	return &Elsewhere{tb: tb, nexus: n}
}

// Close logs the initiator out, and waits for the end of that.
func (e *Elsewhere) Close() {
	gone := make(chan struct{})
	e.nexus.Lost(func() { close(gone) })
	<-gone
	e.nexus.Port.Target.RemovePort(e.nexus.Port)
}

// Resets performs a function on LUN 0, of which others have commands that do not end by themselves. It
// is to be answered after patience, and not later than that. The clock is that of a test in a bubble.
func (e *Elsewhere) Resets(f target.Function) {
	e.tb.Helper()
	if d := e.performs(f); d < target.Patience || d > target.Patience+time.Second {
		e.tb.Errorf("function %d is answered after %v", f, d)
	}
}

// ResetsAtOnce is Resets where nothing has to be waited for: the transport can take back what it has asked for.
func (e *Elsewhere) ResetsAtOnce(f target.Function) {
	e.tb.Helper()
	if d := e.performs(f); d > time.Second {
		e.tb.Errorf("function %d is answered after %v", f, d)
	}
}

// Performs performs a function on LUN 0, however long it takes.
func (e *Elsewhere) Performs(f target.Function) {
	e.tb.Helper()
	e.performs(f)
}

// performs performs a function on LUN 0, and returns how long that has taken.
func (e *Elsewhere) performs(f target.Function) time.Duration {
	e.tb.Helper()
	before := time.Now()
	done := make(chan target.FunctionResult, 1)
	e.nexus.Manage(f, 0, 0, func(r target.FunctionResult) { done <- r })
	select {
	case r := <-done:
		if r != target.FunctionComplete {
			e.tb.Errorf("function %d: %v", f, r)
		}
	case <-time.After(time.Minute):
		e.tb.Errorf("function %d is not answered", f)
		<-done
	}
	return time.Since(before)
}
