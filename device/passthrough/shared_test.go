package passthrough

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// tellsOthers is a unit with two initiators of which the first sends c; the second is told want, in any order.
func tellsOthers(t *testing.T, d *sgtest.Device, cfg Config, c, out []byte, want ...scsi.ASC) {
	t.Helper()
	b := newBench(t, d, cfg)
	first, second := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	b.calm(first)
	if r := b.do(first, c, out, 0); r.Status != scsi.Good {
		t.Errorf("%x: %v %v", c, r.Status, r.sense())
	}
	got := b.calm(second)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%x: the other is told %v, want %v", c, got, want)
	}
	if got := b.calm(first); len(got) > 0 {
		t.Errorf("%x: its initiator is told %v", c, got)
	}
}

// What one initiator changes all others are told, and nobody is told what changes nothing.
func TestOthersAreTold(t *testing.T) {
	caching := page.Caching{}.Append(nil)
	list := page.AppendMode6(nil, page.ModeHeader{}, nil, caching)
	list[0] = 0
	tellsOthers(t, disk(sgtest.Config{}).Device, Config{}, []byte{0x15, 0x10, 0, 0, byte(len(list)), 0}, list, scsi.ASCModeParametersChanged)
	tellsOthers(t, disk(sgtest.Config{}).Device, Config{}, long(6, 0x15, 0x10), nil)
	tellsOthers(t, disk(sgtest.Config{}).Device, Config{Allow: Allowed{Format: true}}, long(6, 0x04), nil, scsi.ASCModeParametersChanged, scsi.ASCCapacityDataChanged)
	does := func(d *sgtest.Device, op scsi.Opcode) *sgtest.Device { // a device that has the command
		d.Fault(sgtest.Fault{Match: sgtest.Op(op), Edit: func(c *sg.Command) { c.Result = sg.Result{} }})
		return d
	}
	tellsOthers(t, does(sgtest.NewTape(sgtest.Config{}).Device, 0x4c), Config{}, []byte{0x4c, 2, 0, 0, 0, 0, 0, 0, 0, 0}, nil, scsi.ASCLogParametersChanged)
	tellsOthers(t, does(sgtest.NewTape(sgtest.Config{}).Device, 0xa4), Config{}, []byte{0xa4, 0x0f, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0}, make([]byte, 12), scsi.ASCTimestampChanged)
	tellsOthers(t, does(sgtest.NewTape(sgtest.Config{}).Device, 0xa4), Config{}, []byte{0xa4, 0x06, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0}, make([]byte, 4), ascDeviceIdentifierChanged)
	tellsOthers(t, does(sgtest.NewTape(sgtest.Config{}).Device, 0xb5), Config{Allow: Allowed{Keys: true}}, []byte{0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 4, 0, 0}, make([]byte, 4),
		scsi.ASCDataEncryptionParametersChanged)
	tellsOthers(t, does(disk(sgtest.Config{}).Device, 0x3b), Config{Allow: Allowed{Firmware: true}}, []byte{0x3b, 5, 0, 0, 0, 0, 0, 0, 4, 0}, make([]byte, 4), scsi.ASCMicrocodeChanged)
	tellsOthers(t, does(disk(sgtest.Config{}).Device, 0x3b), Config{}, []byte{0x3b, 2, 0, 0, 0, 0, 0, 0, 4, 0}, make([]byte, 4))
	tellsOthers(t, sgtest.NewTape(sgtest.Config{}).Device, Config{}, long(6, 0x1b, 0, 0, 0, 1), nil, scsi.ASCMediumMayHaveChanged)
	tellsOthers(t, does(sgtest.NewDisc(sgtest.Config{}, make([]byte, 4096)).Device, 0x1b), Config{}, long(6, 0x1b, 0, 0, 0, 3), nil, scsi.ASCMediumMayHaveChanged)
	tellsOthers(t, does(sgtest.NewDisc(sgtest.Config{}, make([]byte, 4096)).Device, 0x1b), Config{}, long(6, 0x1b, 0, 0, 0, 1), nil)
}

// A unit attention that the device reports, whatever the command was, reaches every initiator once, and those that come later if they were here before.
func TestAttentionsOfTheDevice(t *testing.T) {
	for name, c := range map[string][]byte{
		"of a command that passes": cdb.AppendTestUnitReady(nil),
		"of one that is edited":    cdb.ReportOpcodes{Allocation: 512}.Append(nil),
		"of one that is ours":      long(6, 0x1e, 0, 0, 0, 1),
	} {
		t.Run(name, func(t *testing.T) {
			k := sgtest.NewTape(sgtest.Config{})
			b := newBench(t, k.Device, Config{})
			all := []*loopback.Session{b.login(1, loopback.Options{}), b.login(2, loopback.Options{}), b.login(3, loopback.Options{})}
			for i, a := range []scsi.ASC{scsi.ASCThresholdReached, scsi.ASCImportOrExportElementAccessed} {
				k.Attention(a)
				r := b.fails(all[i], c, nil, 512, scsi.UnitAttention(a))
				if len(r.SenseData) == 0 {
					t.Error("the sense is not the device's")
				}
				for j, s := range all {
					if got := b.calm(s); j != i && !slices.Equal(got, []scsi.ASC{a}) || j == i && len(got) > 0 {
						t.Errorf("initiator %d is told %v", j, got)
					}
				}
			}
		})
	}
}

// A unit attention that the device reports with REQUEST SENSE is told to the others as well: it ends with that. So it is when the initiator wants but a part of the data.
func TestRequestSenseIsHeard(t *testing.T) {
	for _, c := range [][]byte{{0x03, 0, 0, 0, 252, 0}, {0x03, 0, 0, 0, 18, 0}, {0x03, 0, 0, 0, 4, 0}, {0x03, 1, 0, 0, 8, 0}, {0x03, 0, 0, 0, 0, 0}} {
		k := sgtest.NewTape(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		first, second := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		b.calm(first)
		k.Attention(scsi.ASCMediumMayHaveChanged)
		r := b.do(first, c, nil, int(c[4]))
		if r.Status != scsi.Good || len(r.data) > int(c[4]) {
			t.Errorf("%x: %v, % x", c, r.Status, r.data)
		}
		if c[4] >= 18 {
			if s, err := scsi.ParseSense(r.data); err != nil || s.Key != scsi.KeyUnitAttention || s.ASC != scsi.ASCMediumMayHaveChanged {
				t.Errorf("%x: %v %v", c, s, err)
			}
		}
		if got := b.calm(second); !slices.Equal(got, []scsi.ASC{scsi.ASCMediumMayHaveChanged}) {
			t.Errorf("%x: the other is told %v", c, got)
		}
		if got := b.calm(first); len(got) != 0 {
			t.Errorf("%x: its initiator is told %v", c, got)
		}
	}
}

// PREVENT ALLOW is counted: the device is told of the first that prevents, and of the last that does not.
func TestPrevent(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	first, second := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	prevent, allow := long(6, 0x1e, 0, 0, 0, 1), long(6, 0x1e)
	was := k.State().Prevents
	expect := func(prevented bool, commands int) {
		t.Helper()
		if st := k.State(); st.Prevented != prevented || st.Prevents-was != commands {
			t.Errorf("prevented %v, told %d times; want %v, %d", st.Prevented, st.Prevents-was, prevented, commands)
		}
	}
	b.good(first, prevent, nil, 0)
	expect(true, 1)
	b.good(second, prevent, nil, 0)
	b.good(second, prevent, nil, 0)
	expect(true, 1)
	b.good(first, allow, nil, 0)
	b.good(first, allow, nil, 0)
	expect(true, 1)
	// The first has allowed, the second has not: nothing comes out.
	eject := long(6, 0x1b)
	k.Forget()
	b.fails(first, eject, nil, 0, scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented))
	if n := len(k.Log(sgtest.Op(scsi.OpLoadUnload))); n != 0 {
		t.Errorf("the device has got %d LOAD UNLOAD", n)
	}
	b.good(second, allow, nil, 0)
	expect(false, 2)
	b.good(first, allow, nil, 0) // nobody prevents: the device may remember what was before us
	expect(false, 3)

	// The loss of a nexus ends what it prevents, and only that.
	b.good(first, prevent, nil, 0)
	b.good(second, prevent, nil, 0)
	b.lose(first)
	expect(true, 4)
	b.lose(second)
	expect(false, 5)
	third := b.login(3, loopback.Options{})
	b.good(third, eject, nil, 0)
}

// lose ends a session.
func (b *bench) lose(s *loopback.Session) {
	b.Helper()
	if err := s.Close(); err != nil {
		b.Error(err)
	}
	b.all = slices.DeleteFunc(b.all, func(o *loopback.Session) bool { return o == s })
}

// A reset ends what anyone prevents.
func TestPreventEndsWithAReset(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	first, second := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	b.good(first, long(6, 0x1e, 0, 0, 0, 1), nil, 0)
	if r := second.Manage(target.ResetLogicalUnit, 0, 0); r != target.FunctionComplete {
		t.Fatal(r)
	}
	b.calm(second)
	if k.State().Prevented {
		t.Error("the device prevents still")
	}
	b.good(second, long(6, 0x1b), nil, 0)
	b.good(first, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36)

	// One that nobody here has asked for.
	b.calm(first)
	b.good(second, long(6, 0x1b, 0, 0, 0, 1), nil, 0)
	b.calm(first)
	b.good(first, long(6, 0x1e, 0, 0, 0, 1), nil, 0)
	k.Attention(scsi.ASCPowerOnResetOrBusDeviceReset)
	if got := b.calm(second); !slices.Equal(got, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}) {
		t.Errorf("told %v", got)
	}
	if b.u.policy.prevention.byOthers(second.Nexus.ITLs()[0]) {
		t.Error("it is prevented still")
	}
}

// A device that refuses to prevent has not prevented anything.
func TestPreventRefused(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	first, second := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpPreventAllowRemoval), Times: 1, Status: scsi.CheckCondition, Sense: scsi.NotReady(scsi.ASCMediumNotPresent)})
	b.fails(first, long(6, 0x1e, 0, 0, 0, 1), nil, 0, scsi.NotReady(scsi.ASCMediumNotPresent))
	b.good(second, long(6, 0x1b), nil, 0)
	k.Fault(hostSays(sg.HostError, scsi.OpPreventAllowRemoval))
	b.fails(first, long(6, 0x1e, 0, 0, 0, 1), nil, 0, scsi.AbortedCommand(scsi.ASCInternalTargetFailure))
	// While the device is asked, others wait, and all get what is theirs.
	g := k.Hold(sgtest.Op(scsi.OpPreventAllowRemoval))
	prevents := first.Start(loopback.Command{CDB: long(6, 0x1e, 0, 0, 0, 1)})
	g.Wait(1)
	also := second.Start(loopback.Command{CDB: long(6, 0x1e, 0, 0, 0, 1)})
	g.Open()
	for _, p := range []loopback.Pending{prevents, also} {
		if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.Good {
			t.Errorf("%v %v", r.Status, err)
		}
	}
	b.fails(first, long(6, 0x1b), nil, 0, scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented))
}

// Every initiator sees every media event, though a drive tells it once; many that poll at the same time ask the drive once.
func TestMediaEvents(t *testing.T) {
	k := sgtest.NewDisc(sgtest.Config{}, make([]byte, 4096))
	b := newBench(t, k.Device, Config{})
	all := []*loopback.Session{b.login(1, loopback.Options{}), b.login(2, loopback.Options{}), b.login(3, loopback.Options{})}
	ask := func(s *loopback.Session) byte {
		t.Helper()
		r := b.do(s, long(10, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), nil, 8)
		if r.Status != scsi.Good || len(r.data) != 8 || r.data[2] != 4 {
			t.Fatalf("%v %v % x", r.Status, r.sense(), r.data)
		}
		return r.data[4]
	}
	b.do(all[0], long(10, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), nil, 8)
	for _, s := range all {
		ask(s)
	}
	for _, event := range []struct {
		does func()
		code byte
	}{{k.Take, 3}, {func() { k.Insert(make([]byte, 8192)) }, 2}} {
		event.does()
		for i, s := range all {
			if code := ask(s); code != event.code {
				t.Errorf("initiator %d: event %d, want %d", i, code, event.code)
			}
			if code := ask(s); code != 0 {
				t.Errorf("initiator %d is told again: %d", i, code)
			}
		}
	}
	for _, s := range all {
		if got := b.calm(s); !slices.Equal(got, []scsi.ASC{scsi.ASCMediumMayHaveChanged}) {
			t.Errorf("told %v", got)
		}
	}
	// Who has room for a part of the event has had it, and others have not.
	k.Take()
	if r := b.do(all[0], long(10, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 5), nil, 5); len(r.data) != 5 || r.data[4] != 3 {
		t.Errorf("% x", r.data)
	}
	for i, code := range []byte{0, 3, 3} {
		if got := ask(all[i]); got != code {
			t.Errorf("initiator %d: event %d, want %d", i, got, code)
		}
	}
	k.Insert(make([]byte, 8192))
	for _, s := range all {
		ask(s)
		b.calm(s)
	}
	k.Forget()
	g := k.Hold(sgtest.Op(opGetEventStatus))
	var pending []loopback.Pending
	for range 4 {
		for _, s := range all {
			pending = append(pending, s.Start(loopback.Command{CDB: long(10, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), In: make([]byte, 8)}))
		}
	}
	g.Wait(1)
	g.Open()
	for _, p := range pending {
		if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.Good || r.In != 8 {
			t.Errorf("%+v %v", r, err)
		}
	}
	if n := len(k.Log(sgtest.Op(opGetEventStatus))); n != 1 {
		t.Errorf("the drive was asked %d times", n)
	}
	// What fails is said to one, and the others ask again.
	k.Fault(sgtest.Fault{Match: sgtest.Op(opGetEventStatus), Times: 1, Status: scsi.Busy})
	if r := b.do(all[0], long(10, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), nil, 8); r.Status != scsi.Busy && r.Status != scsi.Good {
		t.Errorf("%v", r.Status)
	}
}

// REQUEST SENSE: what is pending here comes first, then the device's own.
func TestRequestSense(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	first, second := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	k.Attention(scsi.ASCThresholdReached)
	b.fails(first, cdb.AppendTestUnitReady(nil), nil, 0, scsi.UnitAttention(scsi.ASCThresholdReached))
	ask := cdb.RequestSense{Allocation: 18}.Append(nil)
	k.Forget()
	if s, err := scsi.ParseSense(b.do(second, ask, nil, 18).data); err != nil || s.ASC != scsi.ASCThresholdReached || len(k.Log(nil)) != 0 {
		t.Errorf("%v %v, %d commands", s, err, len(k.Log(nil)))
	}
	if s, err := scsi.ParseSense(b.do(second, ask, nil, 18).data); err != nil || !s.IsZero() || len(k.Log(nil)) != 1 {
		t.Errorf("%v %v, %d commands", s, err, len(k.Log(nil)))
	}
	// The sense that lunette makes has the format that the device's has.
	control := page.Control{DescriptorSense: true}.Append(nil)
	list := page.AppendMode6(nil, page.ModeHeader{}, nil, control)
	list[0] = 0
	b.good(first, []byte{0x15, 0x10, 0, 0, byte(len(list)), 0}, list, 0)
	b.calm(second)
	b.good(second, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36)
	if r := b.do(first, long(6, 0x04), nil, 0); !r.Descriptor {
		t.Error("sense in fixed format")
	}
}

// Who may only read may not write, and is told so by MODE SENSE.
func TestReadOnlyNexus(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{Allow: Allowed{Firmware: true, Vendor: true, Keys: true}})
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:readonly", target.Mapping{Unit: b.unit, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if b.port, err = tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:readonly,t,0x0001"}); err != nil {
		t.Fatal(err)
	}
	s := b.login(1, loopback.Options{})
	for _, c := range [][]byte{
		rw6(scsi.OpWrite6, 512), long(6, 0x10, 0, 0, 0, 1), long(6, 0x19, 1), long(6, 0x04),
		long(6, 0x15, 0x10, 0, 0, 28), long(10, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 32), // pages, that of partitions perhaps
		long(10, 0x3b, 0x05, 0, 0, 0, 0, 0, 1, 0), long(6, 0x1d, 0x10, 0, 0, 8), long(6, 0x1d, 0x05), // firmware, diagnostic pages, a self-test that may write
		long(12, 0xb5, 0x01, 0, 1, 0, 0, 0, 0, 1, 0), long(12, 0xa4, 0x1f, 0, 0, 0, 0, 0, 0, 0, 4), long(6, 0xc1),
	} {
		b.fails(s, c, make([]byte, 512), 0, scsi.WriteProtected())
	}
	k.Forget()
	for _, c := range [][]byte{long(6, 0x15, 0x10, 0, 0, 12), long(10, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 16), long(12, 0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 4), long(6, 0x1d, 0x04)} {
		b.do(s, c, make([]byte, 512), 0)
		if len(k.Log(sgtest.Op(scsi.Opcode(c[0])))) == 0 {
			t.Errorf("%x: the device has not got it", c)
		}
	}
	for _, c := range [][]byte{long(6, 0x1a, 0, 0x0a, 0, 64), long(10, 0x5a, 0, 0x0a, 0, 0, 0, 0, 0, 64)} {
		r := b.do(s, c, nil, 64)
		if at := len(c)/10 + 2; r.Status != scsi.Good || len(r.data) < 16 || r.data[at]&0x80 == 0 {
			t.Errorf("MODE SENSE: %v % x", r.Status, r.data)
		}
	}
	if !bytes.Equal(b.good(s, long(6, 0x01), nil, 0), nil) {
		t.Error("REWIND")
	}
}
