package bridge

import (
	"testing"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/plan"
)

// A daemon opens the device, keeps its unit while options change that need no other, opens it again for those that do, and follows it when it goes and returns:
// also when a driver binds to it later than it is seen.
func TestDaemon(t *testing.T) {
	const detach = "detach-driver: true, "
	s := serve(t, newMachine(tape(), "st"), detach+"io: auto")
	s.until("the drive is there", says("state", "present"))
	if s.taken() != 1 {
		t.Error(s.taken())
	}
	opened := s.device.Opened()
	for _, options := range []string{`timeouts: ["ERASE(6)=8h"], allow: [format]`, "exclusive: true"} {
		if _, err := s.c.Apply(t.Context(), client.ApplyRequest{Text: document(detach+options, true), Options: client.Options{Confirm: []plan.Confirm{plan.ConfirmReplace}}}); err != nil {
			t.Fatal(err)
		}
		s.until("the drive is there with "+options, says("state", "present"))
	}
	if s.taken() != 1 || s.device.Opened() != opened {
		t.Error(s.taken(), s.device.Opened())
	}
	if err := s.c.Act(t.Context(), "real", "reset", nil, nil); err != nil || s.device.Resets() != 1 {
		t.Error(err, s.device.Resets())
	}
	s.unplug()
	s.until("the drive is gone", says("state", "gone"))
	s.plug("0:0:9:0")
	s.until("the drive is back", func(f api.Facts) bool { return f.Value("state") == "present" && f.Value("address") == "0:0:9:0" })
	for n := range 2 {
		s.binds("st")
		s.eventually("the drive is taken from the driver", func() bool { return s.taken() == n+1 })
		s.until("it says so", says("driver", "detached"))
	}
	s.machine.mu.Lock()
	s.detached = 1 // the driver had it again in between
	s.machine.mu.Unlock()
}

// A daemon that starts while the device is away takes it when it comes.
func TestDaemonWaits(t *testing.T) {
	m := newMachine(tape(), "st")
	m.unplug()
	s := serve(t, m, "detach-driver: true")
	s.until("the drive is missed", func(f api.Facts) bool { return f.Value("notReady") != nil })
	s.plug("0:0:9:0")
	s.until("the drive is there", says("state", "present"))
}
