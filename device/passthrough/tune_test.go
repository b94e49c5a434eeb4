package passthrough

import (
	"testing"
	"time"

	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/loopback"
)

// What passes, and for how long, can be changed while the unit is used.
func TestTune(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{Timeouts: map[scsi.Opcode]time.Duration{scsi.OpRewind: 77 * time.Second}, Allow: Allowed{Format: true}})
	s := b.login(1, loopback.Options{})
	b.calm(s)
	vendor, rewind := []byte{0xe0, 0, 0, 0, 0, 0}, []byte{byte(scsi.OpRewind), 0, 0, 0, 0, 0}
	timeout := func(c []byte) time.Duration {
		t.Helper()
		k.Forget()
		b.do(s, c, nil, 0)
		all := k.Log(sgtest.Op(scsi.Opcode(c[0])))
		if len(all) == 0 {
			return 0
		}
		return all[0].Timeout
	}
	if got := timeout(vendor); got != 0 {
		t.Errorf("a vendor's command has passed, with %v", got)
	}
	b.u.Tune(Allowed{Vendor: true}, map[scsi.Opcode]time.Duration{0xe0: 5 * time.Second})
	if got := timeout(vendor); got != 5*time.Second {
		t.Errorf("a vendor's command: %v", got)
	}
	if got := timeout(rewind); got == 77*time.Second || got == 0 {
		t.Errorf("REWIND: %v", got)
	}
	b.u.Tune(Allowed{}, nil)
	if got := timeout(vendor); got != 0 {
		t.Errorf("a vendor's command still passes, with %v", got)
	}
}
