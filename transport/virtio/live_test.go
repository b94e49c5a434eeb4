package virtio_test

import (
	"errors"
	"fmt"
	"os"
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

// start starts a node whose target has number 0, and a driver at socket 1 with what it is told.
func start(t *testing.T, cfg virtio.Config, driver initiator.Config) (*transporttest.Virtio, *initiator.Conn, chan iu.Event) {
	t.Helper()
	s := transporttest.StartVirtio(t, vhost.Config{}, cfg, nil)
	events := make(chan iu.Event, 1000)
	driver.Events = func(e iu.Event) { events <- e }
	return s, s.Dial(1, driver), events
}

// told waits for an event, which must be that.
func told(t *testing.T, events chan iu.Event, kind iu.EventKind, reason uint32, number uint8, lun scsi.LUN) {
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

// reaches runs TEST UNIT READY until nothing is to be told any more, and returns how it ends for the host.
func reaches(t *testing.T, c *initiator.Conn, number uint8) iu.Code {
	t.Helper()
	for range 10 {
		k := initiator.Command{Target: number, CDB: make([]byte, 6)}
		var code *initiator.CodeError
		switch err := c.Do(&k); {
		case errors.As(err, &code):
			return code.Code
		case err != nil:
			t.Fatal(err)
		case k.Status == scsi.Good:
			return iu.CodeOK
		}
	}
	t.Fatal("there is no end of what is to be told")
	return 0
}

// another makes a target that shows the units of s.
func another(t *testing.T, s *transporttest.Virtio, name string) *target.Target {
	t.Helper()
	x, err := target.NewTarget("iqn.2026-11.io.lunette.test:"+name, s.Target.Mappings(target.Initiator{})...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func take(t *testing.T, s *transporttest.Virtio, x virtio.Target) {
	t.Helper()
	if err := s.Node.TakeTarget(x); err != nil {
		t.Fatal(err)
	}
}

func nameOf(n int) string { return fmt.Sprintf("%s.%d", transporttest.InitiatorName, n) }

func TestSessions(t *testing.T) {
	s, c, _ := start(t, virtio.Config{}, initiator.Config{})
	s.Dial(2, initiator.Config{})
	other := another(t, s, "other")
	take(t, s, virtio.Target{SCSI: other, Number: 9})
	if code := reaches(t, c, 9); code != iu.CodeOK {
		t.Errorf("the other target: %v", code)
	}
	all := s.Node.Sessions()
	if len(all) != 4 {
		t.Fatalf("%+v", all)
	}
	for i, x := range all {
		if i > 0 && x.ID <= all[i-1].ID {
			t.Errorf("%d after %d", x.ID, all[i-1].ID)
		}
		of := 1
		if x.Initiator == nameOf(2) {
			of = 2
		}
		number := map[string]int{s.Target.Name: 0, other.Name: 9}[x.Target]
		if x.Initiator != nameOf(of) || x.Number != number || x.Socket != s.Socket(byte(of)) || x.Connection.PID != os.Getpid() || time.Since(x.Since) > time.Hour {
			t.Errorf("%+v", x)
		}
		if (x.Totals.Commands > 0) != (of == 1 && x.Number == 9) {
			t.Errorf("%+v", x)
		}
	}
	for _, n := range s.Target.Nexuses() {
		i := n.Initiator
		if i.Port != scsi.ISCSIPort(i.Name, [6]byte{0x80}) || n.Port.Protocol != scsi.ProtocolNone {
			t.Errorf("%+v at %+v", i, n.Port)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	transporttest.Eventually(t, "sessions end with their driver", func() bool { return len(s.Node.Sessions()) == 2 })
}

// TestLetIn: who is not let in any more keeps the session until it is ended; then the target is gone, and comes back when it lets the initiator in.
func TestLetIn(t *testing.T) {
	for name, shut := range map[string]virtio.Target{"by name": {Initiators: []string{nameOf(2), "iqn.else*"}}, "maintenance": {Away: true}} {
		t.Run(name, func(t *testing.T) {
			s, c, events := start(t, virtio.Config{}, initiator.Config{})
			d := s.Dial(2, initiator.Config{})
			open := virtio.Target{SCSI: s.Target, Initiators: []string{transporttest.InitiatorName + ".?"}}
			shut.SCSI = s.Target
			refused := s.Node.Refuses(s.Target.Name, shut)
			if want := 1 + map[bool]int{true: 1}[shut.Away]; len(refused) != want {
				t.Errorf("%v would be refused", refused)
			}
			take(t, s, shut)
			if code := reaches(t, c, 0); code != iu.CodeOK {
				t.Errorf("the session has ended by itself: %v", code)
			}
			done := make(chan struct{})
			s.Node.EndRefused(s.Target.Name, func() { close(done) })
			<-done
			told(t, events, iu.EventTransportReset, iu.ResetRemoved, 0, 0)
			told(t, events, iu.EventTransportReset, iu.ResetRemoved, 0, 1<<48)
			if code := reaches(t, c, 0); code != iu.CodeBadTarget {
				t.Errorf("it is let in: %v", code)
			}
			if code := reaches(t, d, 0); (code == iu.CodeOK) == shut.Away {
				t.Errorf("the other: %v", code)
			}
			take(t, s, open)
			told(t, events, iu.EventTransportReset, iu.ResetRescan, 0, 0)
			if code := reaches(t, c, 0); code != iu.CodeOK {
				t.Errorf("it is not let in again: %v", code)
			}
		})
	}
}

// TestDrop: a session that is dropped is followed by another, and what was open is to be sent again; nothing else happens to the guest.
func TestDrop(t *testing.T) {
	s, c, events := start(t, virtio.Config{}, initiator.Config{})
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Fatal(code)
	}
	k := initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, 0, 8, transporttest.Hold), In: make([]byte, 4096)}
	if err := c.Submit(&k); err != nil {
		t.Fatal(err)
	}
	transporttest.Eventually(t, "it waits", func() bool { return s.Units[0].Held.Load() == 1 })
	before := s.Node.Sessions()[0].ID
	if !s.Node.Drop(before) || s.Node.Drop(1<<40) {
		t.Error("a session is dropped that there is not, or not one that there is")
	}
	stop := transporttest.Meanwhile(time.Millisecond, s.Units[0].Release)
	defer stop()
	if err := c.Finish(&k); err == nil || k.Code != iu.CodeReset {
		t.Errorf("%v, %v", k.Code, err)
	}
	if all := s.Node.Sessions(); len(all) != 1 || all[0].ID == before {
		t.Errorf("%+v", all)
	}
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Error(code)
	}
	select {
	case e := <-events:
		t.Errorf("the guest is told %+v", e)
	default:
	}
}

// TestNumbers: targets are numbered in the order of their names, keep their numbers, and give way to one whose own it is; the guest sees it live.
func TestNumbers(t *testing.T) {
	s := transporttest.StartVirtio(t, vhost.Config{}, virtio.Config{}, func(x *virtio.Target) { x.Number = 5 })
	all := make(map[string]*target.Target)
	for _, name := range []string{"c", "a"} {
		all[name] = another(t, s, name)
		take(t, s, virtio.Target{SCSI: all[name], Number: virtio.AnyNumber})
	}
	events := make(chan iu.Event, 1000)
	c := s.Dial(1, initiator.Config{Events: func(e iu.Event) { events <- e }})
	is := func(want map[int]string) {
		t.Helper()
		have := make(map[int]string)
		for _, x := range s.Node.Sessions() {
			have[x.Number] = x.Target
		}
		for number, name := range want {
			if x := all[name]; x == nil && have[number] != s.Target.Name || x != nil && have[number] != x.Name || reaches(t, c, uint8(number)) != iu.CodeOK {
				t.Errorf("%d is %s, not %s", number, have[number], name)
			}
		}
		if len(have) != len(want) {
			t.Errorf("%v", have)
		}
	}
	is(map[int]string{0: "a", 1: "c", 5: ""})
	all["b"] = another(t, s, "b")
	take(t, s, virtio.Target{SCSI: all["b"], Number: virtio.AnyNumber})
	told(t, events, iu.EventTransportReset, iu.ResetRescan, 2, 0)
	is(map[int]string{0: "a", 1: "c", 2: "b", 5: ""})
	take(t, s, virtio.Target{SCSI: all["b"], Number: 0})
	for range 6 { // two targets with two units each have moved
		<-events
	}
	is(map[int]string{0: "b", 1: "c", 2: "a", 5: ""})
	if err := s.Node.RemoveTarget(all["c"].Name, nil); err != nil {
		t.Fatal(err)
	}
	told(t, events, iu.EventTransportReset, iu.ResetRemoved, 1, 0)
	told(t, events, iu.EventTransportReset, iu.ResetRemoved, 1, 1<<48)
	is(map[int]string{0: "b", 2: "a", 5: ""})
	if c.Host().MaxTarget != 5 || c.Host().Queues != 8 {
		t.Errorf("%+v", c.Host())
	}
	if err := s.Node.RemoveTarget("nobody", nil); err == nil {
		t.Error("a target is removed that there is not")
	}
	if err := s.Node.TakeTarget(virtio.Target{SCSI: another(t, s, "a")}); err == nil {
		t.Error("two targets of one name")
	}
}

// TestShown: a portal shows what it is told to, and its guest sees no more.
func TestShown(t *testing.T) {
	s, c, events := start(t, virtio.Config{}, initiator.Config{})
	d := s.Dial(2, initiator.Config{})
	o := virtio.PortalOptions{Targets: []string{"nobody"}}
	o.UID, o.GID = -1, -1
	p := s.Portal(1)
	if err := p.Set(o); err != nil {
		t.Fatal(err)
	}
	told(t, events, iu.EventTransportReset, iu.ResetRemoved, 0, 0)
	told(t, events, iu.EventTransportReset, iu.ResetRemoved, 0, 1<<48)
	if code := reaches(t, c, 0); code != iu.CodeBadTarget {
		t.Error(code)
	}
	if code := reaches(t, d, 0); code != iu.CodeOK {
		t.Errorf("another portal: %v", code)
	}
	o.Targets = append(o.Targets, s.Target.Name)
	if err := p.Set(o); err != nil {
		t.Fatal(err)
	}
	told(t, events, iu.EventTransportReset, iu.ResetRescan, 0, 0)
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Error(code)
	}
	for _, bad := range []virtio.PortalOptions{{Queues: -1}, {Queues: 255}, {Initiator: "a,b"}} {
		if err := p.Set(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestRoom: where there is no room for a nexus the guest does not see the target, and sees it when there is.
func TestRoom(t *testing.T) {
	s, c, events := start(t, virtio.Config{MaxNexuses: 1}, initiator.Config{})
	take(t, s, virtio.Target{SCSI: another(t, s, "other"), Number: 1})
	if code := reaches(t, c, 1); code != iu.CodeBadTarget {
		t.Error(code)
	}
	s.Node.SetLimits(0)
	told(t, events, iu.EventTransportReset, iu.ResetRescan, 1, 0)
	if code := reaches(t, c, 1); code != iu.CodeOK {
		t.Error(code)
	}
}

// TestParameters: what a unit has to tell of its parameters the guest is told at once, and the unit tells it nevertheless.
func TestParameters(t *testing.T) {
	s, c, events := start(t, virtio.Config{}, initiator.Config{})
	x := s.Target.Nexuses()[0].ITLs()[1]
	for _, told := range []scsi.ASC{scsi.ASCReservationsPreempted, scsi.ASCReportedLUNsDataChanged, scsi.ASCPowerOnResetOrBusDeviceReset} {
		x.Attention(told)
	}
	x.Attention(scsi.ASCCapacityDataChanged)
	told(t, events, iu.EventParamChange, 0x092a, 0, 1<<48)
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Error(code)
	}
}

// TestParametersOfDisk: a disk's device server lets the guest know by itself, whoever else has caused it.
func TestParametersOfDisk(t *testing.T) {
	s, c, events := start(t, virtio.Config{}, initiator.Config{})
	made, done := transporttest.ScriptTarget(t, s.Arena)
	disk, err := target.NewTarget("iqn.2026-11.io.lunette.test:another", made.Mappings(target.Initiator{})...)
	if err != nil {
		t.Fatal(err)
	}
	take(t, s, virtio.Target{SCSI: disk, Number: 3})
	told(t, events, iu.EventTransportReset, iu.ResetRescan, 3, 0)
	x := disk.Nexuses()[0].ITLs()[0]
	x.Unit().LogicalUnit().Event(target.ProtectionChanged, x)
	told(t, events, iu.EventParamChange, 0x012a, 3, 0)
	if code := reaches(t, c, 3); code != iu.CodeOK {
		t.Error(code)
	}
	gone := make(chan struct{})
	if err := s.Node.RemoveTarget(disk.Name, func() { close(gone) }); err != nil {
		t.Fatal(err)
	}
	<-gone
	done()
}
