package passthrough

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/loopback"
)

// The device is taken out while it has commands, and put in again: they end, it is not ready, and then everybody is told.
func TestGoneAndReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{Depth: 2})
		defer b.close()
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		b.good(s, rw(scsi.OpWrite10, 7, 1), pattern(512, 7), 0)
		k.Hold(sgtest.Op(scsi.OpRead10))
		var all []loopback.Pending
		for range 6 {
			all = append(all, s.Start(loopback.Command{CDB: rw(scsi.OpRead10, 7, 1), In: make([]byte, 512)}))
		}
		synctest.Wait()
		k.Unplug()
		for _, p := range all {
			if got := outcome(p); got != int(scsi.CheckCondition) {
				t.Errorf("status %d", got)
			}
		}
		synctest.Wait()
		if st := b.u.Status(); st.Present || st.Why == "" || st.UnderWay != 0 {
			t.Errorf("%+v", st)
		}
		for range 3 {
			b.fails(s, rw(scsi.OpRead10, 7, 1), nil, 512, scsi.NotReady(scsi.ASCBecomingReady))
			b.fails(other, rw(scsi.OpWrite10, 7, 1), make([]byte, 512), 0, scsi.NotReady(scsi.ASCBecomingReady))
		}
		inquiry := []byte{byte(scsi.OpInquiry), 0, 0, 0, 96, 0}
		if r := b.do(s, inquiry, nil, 96); r.Status != scsi.Good || len(r.data) < 36 || string(r.data[8:14]) != "MEMORY" {
			t.Errorf("INQUIRY: %v %x", r.Status, r.data)
		}
		if n := k.Opened(); n != 0 {
			t.Errorf("%d handles of a device that is gone", n)
		}
		k.Plug()
		synctest.Wait()
		if st := b.u.Status(); !st.Present || st.Why != "" || st.Returns != 1 {
			t.Errorf("%+v", st)
		}
		for _, x := range []*loopback.Session{s, other} {
			if got := b.calm(x); !slices.Equal(got, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}) {
				t.Errorf("unit attentions %v", got)
			}
		}
		gone := len(k.Log(sgtest.Op(scsi.OpRead10)))
		p := s.Start(loopback.Command{CDB: rw(scsi.OpRead10, 7, 1), In: make([]byte, 512)})
		synctest.Wait()
		if n := len(k.Log(sgtest.Op(scsi.OpRead10))); n != gone+1 {
			t.Errorf("%d commands", n-gone)
		}
		k.Unplug()
		if got := outcome(p); got != int(scsi.CheckCondition) {
			t.Errorf("status %d", got)
		}
		if b.log.count("the device is gone") != 2 || b.log.count("the device is back") != 1 {
			t.Error("what was logged is something else")
		}
		b.close()
	})
}

// The size of the medium is asked anew when it is back, and after unit attentions that say so.
func TestFactsAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sgtest.NewDisk(sgtest.Config{}, 1000, 512)
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		read := func(blocks, size int) {
			t.Helper()
			b.good(s, rw(scsi.OpRead10, 0, blocks), nil, blocks*size)
		}
		read(4, 512)
		k.Unplug()
		k.Resize(2000, 4096)
		k.Plug()
		synctest.Wait()
		b.calm(s)
		read(4, 4096)
		k.Resize(1000, 512)
		k.Quieten()
		k.Attention(scsi.ASCCapacityDataChanged)
		if got := b.calm(s); !slices.Equal(got, []scsi.ASC{scsi.ASCCapacityDataChanged}) {
			t.Errorf("unit attentions %v", got)
		}
		read(4, 512)
		// A shorter buffer than the command says is refused.
		b.fails(s, rw(scsi.OpWrite10, 0, 4), make([]byte, 3*512), 0, scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU))
		b.close()
	})
}

// Some devices seem to be gone for a moment, and nobody sees them come back.
func TestLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		remove := k.Fault(sgtest.Fault{Host: sg.HostNoConnect})
		b.fails(s, rw(scsi.OpRead10, 0, 1), nil, 512, scsi.NotReady(scsi.ASCBecomingReady))
		synctest.Wait()
		if b.u.Status().Present {
			t.Error("it is there")
		}
		before := b.source.Opens()
		time.Sleep(10 * time.Minute)
		if n := b.source.Opens() - before; n < 10 || n > 30 {
			t.Errorf("%d times looked for in ten minutes", n)
		}
		remove()
		time.Sleep(lookAgainMost)
		synctest.Wait()
		if !b.u.Status().Present {
			t.Error("it is not found again")
		}
		b.calm(s)
		b.good(s, rw(scsi.OpRead10, 0, 1), nil, 512)
		b.close()
	})
}

// Another device in its place is not taken for it, also if its maker has given it the same serial number.
func TestAnotherDevice(t *testing.T) {
	for name, id := range map[string]scsi.Identity{
		"another serial number": {Serial: "OTHER"},
		"another name":          {Serial: "SN", NAA: scsi.NAA6("other")},
		"another product":       {Serial: "SN", Product: "OTHER"},
		"another maker":         {Serial: "SN", Vendor: "OTHER"},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { notTaken(t, id) }) })
	}
}

func notTaken(t *testing.T, id scsi.Identity) {
	k, o := disk(sgtest.Config{Identity: scsi.Identity{Serial: "SN"}}), disk(sgtest.Config{Identity: id})
	b := newBench(t, k.Device, Config{})
	defer b.close()
	s := b.login(1, loopback.Options{})
	k.Unplug()
	b.source.Replace(o.Device)
	synctest.Wait()
	b.fails(s, rw(scsi.OpRead10, 0, 1), nil, 512, scsi.NotReady(scsi.ASCBecomingReady))
	if n := o.Opened(); n != 0 {
		t.Errorf("%d handles of the other device", n)
	}
	if b.log.count("another device") == 0 {
		t.Error("nobody says so")
	}
	b.close()
}

// The name of a device does not follow from the port by which it is reached.
func TestNameByAnyPort(t *testing.T) {
	f := func(port uint16) *facts {
		return &facts{identity: scsi.Identity{Vendor: "MAKER", Product: "DRIVE", Serial: "1"},
			page83: page.AppendIdentification(nil, page.PeripheralOf(scsi.TypeTape), page.T10FieldsDesignator("MAKER", "DRIVE", "1"), page.RelativePortDesignator(scsi.ProtocolSAS, port))}
	}
	if a, b := nameOf(f(1)), nameOf(f(2)); a != b {
		t.Errorf("%v by one port, %v by the other", a, b)
	}
}

// A device that was taken out and put in again, while nobody had asked it anything, is opened anew.
func TestReplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		k.Unplug()
		k.Plug()
		synctest.Wait()
		if got := b.calm(s); !slices.Contains(got, scsi.ASCPowerOnResetOrBusDeviceReset) {
			t.Errorf("unit attentions %v", got)
		}
		b.good(s, rw(scsi.OpRead10, 0, 1), nil, 512)
		b.close()
	})
}

// When lunette asks whether the device is still there, and is told in an initiator's place that there is another medium, no command goes to that before its initiator has been told.
func TestNoCommandPassesALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpTestUnitReady))
		k.Forget()
		b.source.Tell()
		gate.Wait(1)
		k.Attention(scsi.ASCMediumMayHaveChanged)
		write := s.Start(loopback.Command{CDB: rw(scsi.OpWrite10, 0, 1), Out: make([]byte, 512)})
		synctest.Wait()
		gate.Open()
		if r, err := write.Wait(t.Context()); err != nil || r.Sense != scsi.UnitAttention(scsi.ASCMediumMayHaveChanged) {
			t.Errorf("%+v %v", r, err)
		}
		if n := len(k.Log(sgtest.Op(scsi.OpWrite10))); n != 0 {
			t.Error("the command was done")
		}
		b.good(s, rw(scsi.OpWrite10, 0, 1), make([]byte, 512), 0)
		b.close()
	})
}

// A command that waits for its turn when another initiator's has met a unit attention is not done before its own initiator has been told.
func TestToldBeforeItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sgtest.NewTape(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpRewind))
		rewind := s.Start(loopback.Command{CDB: long(6, byte(scsi.OpRewind))})
		gate.Wait(1)
		write := other.Start(loopback.Command{CDB: rw6(scsi.OpWrite6, 512), Out: make([]byte, 512)})
		synctest.Wait()
		k.Load(sgtest.Object{Data: make([]byte, 1024)})
		gate.Open()
		for _, p := range []loopback.Pending{rewind, write} {
			r, err := p.Wait(t.Context())
			if x := (result{Result: r}); err != nil || x.sense().ASC != scsi.ASCMediumMayHaveChanged {
				t.Errorf("%+v %v", r, err)
			}
		}
		if all := k.Objects(); len(all) != 1 || len(all[0].Data) != 1024 {
			t.Error("it was written on another tape")
		}
		b.close()
	})
}

// There is no unit without a device.
func TestNoDevice(t *testing.T) {
	k := disk(sgtest.Config{})
	k.Unplug()
	if _, err := New(t.Context(), Config{Source: sgtest.NewSource(k.Device)}); !errors.Is(err, sg.ErrGone) {
		t.Errorf("%v", err)
	}
	k.Plug()
	k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpInquiry), Host: sg.HostError})
	if _, err := New(t.Context(), Config{Source: sgtest.NewSource(k.Device)}); err == nil {
		t.Error("a unit of a device that says nothing")
	}
	if n := k.Opened(); n != 0 {
		t.Errorf("%d handles", n)
	}
}

// What the device still does when the unit is closed keeps its memory, and the device, until it has ended.
func TestCloseWaitsForGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		s := b.login(1, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpModeSense6))
		b.u.path.forget(0x3f01) // the attendant asks, and is not answered
		gate.Wait(1)
		begin := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		b.all = nil
		if err := b.unit.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != Grace {
			t.Errorf("closed after %v", d)
		}
		if k.Opened() != 1 || b.u.path.maps.lent == 0 {
			t.Error("what the device has was taken away from it")
		}
		gate.Open()
		synctest.Wait()
		if k.Opened() != 0 || b.u.path.maps.lent != 0 {
			t.Error("what the device had is not given back")
		}
		if b.log.count("still has commands") != 1 {
			t.Error("nobody says so")
		}
		b.once.Do(func() { _ = b.arena.Close() })
	})
}

// A unit attention of the device reaches everybody, once.
func TestAttentionReachesAll(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	x, y := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	k.Load(sgtest.Object{Data: bytes.Repeat([]byte{1}, 512)})
	k.Quieten()
	k.Attention(scsi.ASCMediumMayHaveChanged)
	b.fails(x, rw6(scsi.OpRead6, 512), nil, 512, scsi.UnitAttention(scsi.ASCMediumMayHaveChanged))
	if got := b.calm(x); got != nil {
		t.Errorf("told twice: %v", got)
	}
	if got := b.calm(y); !slices.Equal(got, []scsi.ASC{scsi.ASCMediumMayHaveChanged}) {
		t.Errorf("the other is told %v", got)
	}
	b.good(y, rw6(scsi.OpRead6, 512), nil, 512)
}

// What says that the device may have come or gone is not forgotten because of a command that ends well.
func TestLooksBehindCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpRead10))
		p := s.Start(loopback.Command{CDB: rw(scsi.OpRead10, 0, 1), In: make([]byte, 512)})
		synctest.Wait()
		before := len(k.Log(sgtest.Op(scsi.OpTestUnitReady)))
		b.source.Tell()
		synctest.Wait()
		if n := len(k.Log(sgtest.Op(scsi.OpTestUnitReady))); n != before {
			t.Errorf("asked %d times while it has a command", n-before)
		}
		gate.Open()
		if got := outcome(p); got != int(scsi.Good) {
			t.Errorf("status %d", got)
		}
		synctest.Wait()
		if n := len(k.Log(sgtest.Op(scsi.OpTestUnitReady))); n != before+1 {
			t.Errorf("asked %d times", n-before)
		}
		b.close()
	})
}
