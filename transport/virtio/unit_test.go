package virtio

import (
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

func TestInitiatorName(t *testing.T) {
	names := make(map[string]string)
	for _, path := range []string{
		"/run/lunette/vm1.sock", "/run/lunette/vm2.sock", "/run/lunette/VM1.sock", "/run/lunette:vm1.sock", "run/lunette/vm1.sock", ":run:lunette:vm1.sock", "/a b", "/" + strings.Repeat("x", 106), "/é,", "",
	} {
		name := InitiatorName(path)
		if folded, err := scsi.InitiatorName(name); err != nil || folded != name {
			t.Errorf("%q: %q, %v", path, folded, err)
		}
		if other, ok := names[name]; ok {
			t.Errorf("%q and %q are both %q", path, other, name)
		}
		names[name] = path
	}
	if got := InitiatorName("/run/lunette/vm1.sock"); got != "iqn.2026-11.io.lunette:vhost:run:lunette:vm1.sock" {
		t.Error(got)
	}
	port := initiatorPort(InitiatorName("/run/x"))
	if back, n, err := scsi.ParseTransportID(port.Append(nil)); err != nil || back != port || n != port.Len() {
		t.Errorf("%v, %v", back, err)
	}
}

func TestAccess(t *testing.T) {
	a, err := parseAccess([]string{"IQN.2026-11.io.lunette:vhost:run:*", "vm?"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"iqn.2026-11.io.lunette:vhost:run:a": true, "vm1": true, "vm12": false, "iqn.2026-11.io.lunette:vhost:tmp:a": false,
	} {
		if a.admits(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if a, _ := parseAccess(nil); !a.admits("anybody") {
		t.Error("an empty list lets nobody in")
	}
	if _, err := parseAccess([]string{"a,b"}); err == nil {
		t.Error("a name with a comma")
	}
}

func TestCheckTarget(t *testing.T) {
	for number, ok := range map[int]bool{AnyNumber: true, 0: true, 255: true, 256: false, -2: false} {
		if err := CheckTarget(Target{Number: number}); (err == nil) != ok {
			t.Errorf("%d: %v", number, err)
		}
	}
	if CheckTarget(Target{Initiators: []string{""}}) == nil {
		t.Error("an initiator without a name")
	}
}

func TestCDBLen(t *testing.T) {
	for _, c := range []struct {
		cdb  [iu.CDBLen]byte
		want int
	}{
		{[iu.CDBLen]byte{0x12}, 16}, {[iu.CDBLen]byte{0x88}, 16}, {[iu.CDBLen]byte{0x7f, 7: 24}, 32}, {[iu.CDBLen]byte{0x7f}, 8}, {[iu.CDBLen]byte{0x7f, 7: 255}, 32},
	} {
		if got := cdbLen(&c.cdb); got != c.want {
			t.Errorf("%x: %d, want %d", c.cdb[0], got, c.want)
		}
	}
}

// Events wait until there is room; what is told twice is told once; too many are none, and the guest has to look at everything.
func TestEvents(t *testing.T) {
	const all = iu.FeatureHotplug | iu.FeatureChange
	var e events
	come := func(n int) event {
		return event{Event: iu.Event{Kind: iu.EventTransportReset, Address: iu.EventAddress(1, scsi.LUN(n)<<48), Reason: iu.ResetRescan}}
	}
	change := event{Event: iu.Event{Kind: iu.EventParamChange, Address: iu.EventAddress(1, 0)}}
	e.add(0, come(1))
	e.add(iu.FeatureChange, come(1))
	e.add(iu.FeatureHotplug, change)
	if e.waiting.Load() {
		t.Error("an event for a driver that wants none")
	}
	for _, x := range []event{come(1), come(2), come(1), change} {
		e.add(all, x)
	}
	for _, want := range []event{come(1), come(2), change} {
		if got, ok := e.next(); !ok || got != want {
			t.Errorf("%+v %v, want %+v", got, ok, want)
		}
	}
	if x, ok := e.next(); ok || e.waiting.Load() {
		t.Errorf("%+v", x)
	}
	for i := range maxEvents + 3 {
		e.add(all, come(i))
	}
	if got, ok := e.next(); !ok || !got.Missed || got.Kind != iu.EventTransportReset {
		t.Errorf("%+v %v", got, ok)
	}
	for e.waiting.Load() {
		if got, ok := e.next(); !ok || got.Missed {
			t.Errorf("%+v %v", got, ok)
		}
	}
	e.lose()
	if got, ok := e.next(); !ok || got != (event{Event: iu.Event{Missed: true}}) || e.waiting.Load() {
		t.Errorf("%+v %v", got, ok)
	}
}
