package transporttest_test

import (
	"errors"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/transporttest"
	"github.com/lunette-io/lunette/transport/virtio"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A held command waits in its unit until Release.
type heldCommand struct {
	initiator.Command
	ended chan struct{}
}

// hold submits a command that waits, for a unit.
func hold(t *testing.T, c *initiator.Conn, unit int, write bool) *heldCommand {
	t.Helper()
	k := &heldCommand{ended: make(chan struct{})}
	k.LUN = scsi.LUN(uint64(unit) << 48)
	k.CDB, k.In = transporttest.CDB10(scsi.OpRead10, 0, 8, transporttest.Hold), make([]byte, 4096)
	if write {
		k.CDB, k.In, k.Out = transporttest.CDB10(scsi.OpWrite10, 8, 8, transporttest.Hold), nil, make([]byte, 4096)
	}
	k.Ended = func(*initiator.Command) { close(k.ended) }
	if err := c.Submit(&k.Command); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *heldCommand) over() bool {
	select {
	case <-k.ended:
		return true
	default:
		return false
	}
}

// ready takes what a unit has to tell a new nexus.
func ready(t *testing.T, c *initiator.Conn) {
	t.Helper()
	for unit := range uint64(2) {
		k := initiator.Command{LUN: scsi.LUN(unit << 48), CDB: make([]byte, 6)}
		if err := c.Do(&k); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTasksVirtio has each task management function end what it is to end, and nothing else: all that it ends is back in the rings before it is answered, and what it does not end goes on.
func TestTasksVirtio(t *testing.T) {
	for name, cfg := range map[string]initiator.Config{"split": {}, "packed": {Packed: true}, "two queues": {Queues: 2}} {
		t.Run(name, func(t *testing.T) { tasksVirtio(t, cfg) })
	}
}

// controls is how many requests have come by the control queue of socket 1.
func controls(s *transporttest.Virtio) uint64 {
	for _, x := range s.Node.Sessions() {
		for _, q := range x.Connection.Queues {
			if x.Socket == s.Socket(1) && q.Index == iu.QueueControl {
				return q.Chains
			}
		}
	}
	return 0
}

func tasksVirtio(t *testing.T, cfg initiator.Config) {
	s := transporttest.StartVirtio(t, vhost.Config{}, virtio.Config{}, nil)
	a, b := s.Dial(1, cfg), s.Dial(2, cfg)
	ready(t, a)
	ready(t, b)
	for _, x := range []struct {
		f    iu.Function
		ends [4]bool // of: the named one of a on unit 0, another of a there, one of a on unit 1, one of b on unit 0
		want iu.Code
	}{
		{iu.AbortTask, [4]bool{true}, iu.CodeOK},
		{iu.AbortTaskSet, [4]bool{true, true}, iu.CodeOK},
		{iu.ClearTaskSet, [4]bool{true, true}, iu.CodeOK}, // each nexus has a task set of its own
		{iu.UnitReset, [4]bool{true, true, false, true}, iu.CodeOK},
		{iu.NexusReset, [4]bool{true, true, true}, iu.CodeOK},
		{iu.QueryTask, [4]bool{}, iu.CodeSucceeded},
		{iu.QueryTaskSet, [4]bool{}, iu.CodeSucceeded},
		{iu.ClearACA, [4]bool{}, iu.CodeRejected},
		{99, [4]bool{}, iu.CodeRejected},
	} {
		all := [4]*heldCommand{hold(t, a, 0, false), hold(t, a, 0, true), hold(t, a, 1, false), hold(t, b, 0, false)}
		transporttest.Eventually(t, "all wait", func() bool { return s.Units[0].Held.Load() == 3 && s.Units[1].Held.Load() == 1 })
		type answer struct {
			code iu.Code
			err  error
			over [4]bool
		}
		done := make(chan answer, 1)
		before := controls(s)
		go func() {
			code, err := a.Manage(x.f, 0, 0, all[0].ID)
			r := answer{code: code, err: err}
			for i, k := range all {
				r.over[i] = k.over()
			}
			done <- r
		}()
		// A unit holds a task whether it was aborted or not: it is let go when the function has begun, which those before another in the control queue have when that is answered.
		transporttest.Eventually(t, "the function has come", func() bool { return controls(s) > before })
		if code, err := a.Manage(iu.QueryTask, 0, 1<<48, all[0].ID); err != nil || code != iu.CodeOK {
			t.Errorf("QUERY TASK of another unit's: %v, %v", code, err)
		}
		var r answer
		ends := x.ends != [4]bool{}
		if ends {
			stop := transporttest.Meanwhile(20*time.Millisecond, s.Units[0].Release)
			stopOther := transporttest.Meanwhile(20*time.Millisecond, s.Units[1].Release)
			r = <-done
			stop()
			stopOther()
		} else if r = <-done; r.over != x.ends {
			t.Errorf("%v: %v are over", x.f, r.over)
		}
		if r.err != nil || r.code != x.want {
			t.Errorf("%v is answered %v, %v", x.f, r.code, r.err)
		}
		for i := range all {
			if x.ends[i] && !r.over[i] && i < 3 { // b has a driver of its own
				t.Errorf("%v: command %d is not over when it is answered", x.f, i)
			}
		}
		stop := transporttest.Meanwhile(time.Millisecond, func() { s.Units[0].Release(); s.Units[1].Release() })
		for i, k := range all {
			<-k.ended
			if aborted := errors.Is(k.Err, initiator.ErrAborted); aborted != x.ends[i] {
				t.Errorf("%v: command %d has ended with %v, %v", x.f, i, k.Err, k.Status)
			}
		}
		stop()
		for _, c := range []*initiator.Conn{a, b} {
			for range 3 { // what the others are told
				ready(t, c)
			}
		}
	}
	for _, x := range []struct {
		target uint8
		lun    scsi.LUN
		want   iu.Code
	}{{0, 3 << 48, iu.CodeIncorrectLUN}, {9, 0, iu.CodeBadTarget}} {
		if code, err := a.Manage(iu.UnitReset, x.target, x.lun, 0); err != nil || code != x.want {
			t.Errorf("target %d, LUN %v: %v, %v", x.target, x.lun, code, err)
		}
	}
	for f, want := range map[iu.Function]iu.Code{iu.AbortTask: iu.CodeOK, iu.QueryTask: iu.CodeOK, iu.QueryTaskSet: iu.CodeOK} {
		if code, err := a.Manage(f, 0, 0, 12345); err != nil || code != want {
			t.Errorf("%v of nothing: %v, %v", f, code, err)
		}
	}
}

// TestElsewhereVirtio has an initiator that has come by another transport reset a unit and the target, while commands of a driver are under way: all of them come back.
func TestElsewhereVirtio(t *testing.T) {
	s := transporttest.StartVirtio(t, vhost.Config{}, virtio.Config{}, nil)
	admin := transporttest.ComeElsewhere(t, s.Target)
	defer admin.Close()
	c := s.Dial(1, initiator.Config{})
	ready(t, c)
	for _, f := range []target.Function{target.ResetLogicalUnit, target.ResetTarget} {
		held := []*heldCommand{hold(t, c, 0, true), hold(t, c, 0, false)}
		transporttest.Eventually(t, "both wait", func() bool { return s.Units[0].Held.Load() == 2 })
		stop := transporttest.Meanwhile(10*time.Millisecond, s.Units[0].Release)
		admin.Performs(f)
		stop()
		for _, k := range held {
			<-k.ended
			if !errors.Is(k.Err, initiator.ErrAborted) && k.Err != nil {
				t.Errorf("function %d: %v", f, k.Err)
			}
		}
		ready(t, c)
	}
}

// TestHotPlugVirtio has units and targets come and go: the driver is told, and sees what is there.
func TestHotPlugVirtio(t *testing.T) {
	s := transporttest.StartVirtio(t, vhost.Config{}, virtio.Config{}, nil)
	events := make(chan iu.Event, 100)
	c := s.Dial(1, initiator.Config{Events: func(e iu.Event) { events <- e }})
	ready(t, c)
	all := s.Target.Mappings(target.Initiator{})
	status := func(number uint8, lun scsi.LUN) (iu.Code, scsi.Sense) {
		k := initiator.Command{Target: number, LUN: lun, CDB: make([]byte, 6)}
		_ = c.Do(&k)
		return k.Code, k.Sense
	}
	wait := func(kind iu.EventKind, reason uint32, number uint8, lun scsi.LUN) {
		t.Helper()
		want := iu.Event{Kind: kind, Reason: reason, Address: iu.EventAddress(number, lun)}
		select {
		case got := <-events:
			if got != want {
				t.Errorf("%+v instead of %+v", got, want)
			}
		case <-time.After(transporttest.Patience):
			t.Fatalf("%+v is not told", want)
		}
	}
	views := func(all []target.Mapping) {
		v, err := target.NewViews(s.Target.Name, all)
		if err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		s.Target.SetViews(v, func() { close(gone) })
		<-gone
	}
	views(all[:1])
	wait(iu.EventTransportReset, iu.ResetRemoved, 0, 1<<48)
	if code, sense := status(0, 1<<48); code != iu.CodeOK || sense != scsi.LogicalUnitNotSupported() {
		t.Errorf("a unit that has gone: %v, %v", code, sense)
	}
	views(all)
	wait(iu.EventTransportReset, iu.ResetRescan, 0, 1<<48)
	ready(t, c)
	if code, sense := status(0, 1<<48); code != iu.CodeOK || sense != (scsi.Sense{}) {
		t.Errorf("a unit that has come: %v, %v", code, sense)
	}
	if code, _ := status(7, 0); code != iu.CodeBadTarget {
		t.Errorf("a target that there is not: %v", code)
	}
	other, err := target.NewTarget("iqn.2026-11.io.lunette.test:other", target.Mapping{LUN: 0, Unit: all[0].Unit})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Node.TakeTarget(virtio.Target{SCSI: other, Number: 7}); err != nil {
		t.Fatal(err)
	}
	wait(iu.EventTransportReset, iu.ResetRescan, 7, 0)
	if code, _ := status(7, 0); code != iu.CodeOK {
		t.Errorf("a target that has come: %v", code)
	}
	removed := make(chan struct{})
	if err := s.Node.RemoveTarget(other.Name, func() { close(removed) }); err != nil {
		t.Fatal(err)
	}
	<-removed
	wait(iu.EventTransportReset, iu.ResetRemoved, 7, 0)
	if code, _ := status(7, 0); code != iu.CodeBadTarget {
		t.Errorf("a target that has gone: %v", code)
	}
}
