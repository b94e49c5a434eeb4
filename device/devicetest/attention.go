package devicetest

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

var (
	testUnitReady = cdb.AppendTestUnitReady(nil)
	inquire       = cdb.Inquiry{Allocation: 96}.Append(nil)
	senseOf       = cdb.RequestSense{Allocation: 252}.Append(nil)
)

// powerOn: a nexus that is new is told of the power on, once, by the first command but
// INQUIRY, REPORT LUNS and REQUEST SENSE.
func (b *bench) powerOn() {
	s := b.attach(1, loopback.Options{})
	b.all = append(b.all, s)
	b.good(s, inquire, nil, 96)
	b.good(s, cdb.ReportLUNs{Allocation: 255}.Append(nil), nil, 255)
	b.fails(s, testUnitReady, nil, scsi.KeyUnitAttention, scsi.ASCPowerOnResetOrBusDeviceReset)
	b.good(s, testUnitReady, nil, 0)
}

// attentions: even a command that does not exist reports one, and REQUEST SENSE
// returns it as data.
func (b *bench) attentions() {
	s := b.attach(1, loopback.Options{})
	b.all = append(b.all, s)
	b.fails(s, []byte{0xff, 15: 0}, nil, scsi.KeyUnitAttention, scsi.ASCPowerOnResetOrBusDeviceReset)
	for desc := range 2 {
		b.unit.LogicalUnit().Event(target.CommandsCleared, s.Nexus.ITLs()[0])
		b.unit.LogicalUnit().Event(target.CommandsCleared, s.Nexus.ITLs()[0]) // the same again is one
		data := b.good(s, cdb.RequestSense{Descriptor: desc == 1, Allocation: 252}.Append(nil), nil, 252)
		sense, err := scsi.ParseSense(data)
		if err != nil || sense != scsi.UnitAttention(scsi.ASCCommandsClearedByAnotherInitiator) {
			b.Errorf("REQUEST SENSE: %v %v", sense, err)
		}
		if format := data[0]&0x7f == 0x72; format != (desc == 1) {
			b.Errorf("REQUEST SENSE with DESC=%d: %x", desc, data)
		}
		b.good(s, testUnitReady, nil, 0)
	}
	if sense, err := scsi.ParseSense(b.good(s, senseOf, nil, 252)); err != nil || !sense.IsZero() {
		b.Errorf("REQUEST SENSE without anything to tell: %v %v", sense, err)
	}
	b.unit.LogicalUnit().Event(target.InventoryChanged, s.Nexus.ITLs()[0])
	b.good(s, cdb.ReportLUNs{Allocation: 255}.Append(nil), nil, 255)
	b.good(s, testUnitReady, nil, 0)
	// A reset comes before what is less.
	b.unit.LogicalUnit().Event(target.CommandsCleared, s.Nexus.ITLs()[0])
	b.unit.LogicalUnit().Event(target.LogicalUnitReset, nil)
	b.attention(s, scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCCommandsClearedByAnotherInitiator)
}

// nexusLoss: a nexus that comes back is told so, and of what came while it was away.
func (b *bench) nexusLoss() {
	other := b.login(9, loopback.Options{})
	s := b.attach(1, loopback.Options{})
	b.calm(s)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.unit.LogicalUnit().Event(target.LogicalUnitReset, nil)
	b.calm(other)
	s = b.attach(1, loopback.Options{})
	b.all = append(b.all, s)
	b.attention(s, scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCNexusLossOccurred)
	// Many nexuses that come and go are forgotten in the end.
	for i := range 3000 {
		x := loopback.Login(b.port, target.Initiator{Port: scsi.ISCSIPort("iqn.other", [6]byte{4: byte(i >> 8), 5: byte(i)})}, loopback.Options{Arena: b.arena})
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
	x := loopback.Login(b.port, target.Initiator{Port: scsi.ISCSIPort("iqn.other", [6]byte{})}, loopback.Options{Arena: b.arena})
	b.all = append(b.all, x)
	b.attention(x, scsi.ASCPowerOnResetOrBusDeviceReset)
}

func (b *bench) resets() {
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	for _, f := range []target.Function{target.ResetLogicalUnit, target.ResetTarget} {
		if r := s.Manage(f, 0, 0); r != target.FunctionComplete {
			b.Errorf("%v: %v", f, r)
		}
		b.attention(s, scsi.ASCPowerOnResetOrBusDeviceReset)
		b.attention(other, scsi.ASCPowerOnResetOrBusDeviceReset)
	}
	s.Manage(target.ResetNexus, 0, 0)
	b.attention(s, scsi.ASCNexusLossOccurred)
	b.attention(other)
}
