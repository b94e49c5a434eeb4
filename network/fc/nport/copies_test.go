package nport

import (
	"testing"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A second copy of a first frame runs nothing, as long as the answer has not left.
func TestCopies(t *testing.T) {
	for _, finish := range []bool{false, true} {
		u := &upper{finish: finish}
		onFake(t, u, nil, func(t *testing.T, k *fake, _ *Port) {
			n := 0
			u.more = func(string, *Exchange, *fc.Frame) { n++ }
			k.hold(true)
			k.come(command(1))
			k.come(command(1))
			k.come(command(2))
			if n != 2 {
				t.Fatalf("%d commands, want 2", n)
			}
			k.hold(false)
			if len(k.sent()) != 2 {
				t.Fatal("not one answer for each")
			}
			// The identifier is the originator's again.
			k.come(command(1))
			if n != 3 || len(k.sent()) != 1 {
				t.Errorf("%d commands, want 3", n)
			}
			if got := len(u.said()); finish != (got == 1) {
				t.Errorf("%d were forgotten", got)
			}
		})
	}
}

// Whoever has seen the answer uses the identifier again, perhaps before this end is told that the answer has left: another command
// is no copy.
func TestAnotherBeforeSent(t *testing.T) {
	for _, finish := range []bool{false, true} {
		u := &upper{finish: finish}
		onFake(t, u, nil, func(t *testing.T, k *fake, _ *Port) {
			n := 0
			u.more = func(string, *Exchange, *fc.Frame) { n++ }
			k.hold(true)
			other := command(1)
			other.Payload[3] = 1
			for i := range 10 {
				k.come(command(1))
				k.come(command(1))
				k.come(other)
				k.come(other)
				if n != 2*(i+1) {
					t.Fatalf("%d commands, want %d", n, 2*(i+1))
				}
			}
			k.hold(false)
			if got := len(k.sent()); got != n {
				t.Fatalf("%d answers to %d commands", got, n)
			}
		})
	}
}

// The same command again is no copy either once the answer has left, whether this end knows that or not; nor is the same link service.
func TestSameBeforeSent(t *testing.T) {
	for _, finish := range []bool{false, true} {
		u := &upper{finish: finish}
		onFake(t, u, nil, func(t *testing.T, k *fake, _ *Port) {
			n := 0
			u.more = func(string, *Exchange, *fc.Frame) { n++ }
			k.hold(true)
			for i := range 10 {
				k.come(command(1))
				k.come(command(1))
				k.come(elsFrame(1, els.AppendRTV(nil)))
				k.come(elsFrame(1, els.AppendRTV(nil)))
				if n != i+1 {
					t.Fatalf("%d commands, want %d", n, i+1)
				}
				k.leave()
			}
			k.hold(false)
			if got := len(k.sent()); got != 2*n {
				t.Fatalf("%d answers to %d commands and as many link services", got, n)
			}
		})
	}
}

// However much is aborted, at most half of the identifiers rest: commands go on.
func TestAbortsWithoutEnd(t *testing.T) {
	u := &upper{lazy: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		commands := 0
		u.more = func(string, *Exchange, *fc.Frame) { commands++ }
		for i := range uint16(1000) {
			k.come(command(i))
			k.come(abts(i, fc.NoID))
			u.abortAll()
			k.Flush()
			if f := k.one(t); f.RCtl != fc.RCtlBAAcc {
				t.Fatalf("ABTS %d is answered %v", i, &f.Header)
			}
			if commands != int(i)+1 {
				t.Fatalf("command %d was not delivered", i)
			}
			if n, all := p.tables.theirs.resting.n, len(p.tables.theirs.slots); n > all/2 {
				t.Fatalf("%d identifiers of %d rest", n, all)
			}
		}
	})
}
