package target

import (
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

// deaf is a unit that does nothing.
type deaf struct{}

func (deaf) Attach(*ITL)        {}
func (deaf) Detach(*ITL)        {}
func (deaf) Order([]byte) Order { return Order{} }
func (deaf) Execute(*Task)      {}
func (deaf) Event(Event, *ITL)  {}
func (deaf) Close() error       { return nil }

// An initiator that comes and goes while a task of its first nexus hangs leaves nothing behind.
func TestBackAgainAndAgain(t *testing.T) {
	u := NewUnit("u", deaf{})
	tgt, err := NewTarget("t", Mapping{Unit: u})
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(PortConfig{Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	login := func() *ITL {
		n, err := port.Login(Initiator{Name: "a", Port: scsi.ISCSIDevice("a")})
		if err != nil {
			t.Fatal(err)
		}
		return n.find(0)
	}
	first := login()
	u.losing(first) // and its tasks do not end
	for range 100 {
		x := login()
		if !x.busy.Load() {
			t.Fatal("a nexus is served beside the tasks of the one before")
		}
		x.Nexus.Lost(func() {})
	}
	last := login()
	if n := len(u.back[last.key]); n != 1 {
		t.Errorf("%d nexuses wait for the end of the first", n)
	}
	u.detach(first)
	if last.busy.Load() || len(u.back) != 0 || len(u.leaving) != 0 {
		t.Error("the first is gone, and the last is not served")
	}
}
