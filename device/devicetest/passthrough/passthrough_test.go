package passthrough_test

import (
	"bytes"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/devicetest/passthrough"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var identity = scsi.Identity{Type: scsi.TypeTape, Vendor: "OTHER", Product: "DRIVE", Revision: "9", Serial: "77", NAA: scsi.NAA6("drive")}

// A drive is the other device: a tape drive of sorts, with one record.
type drive struct {
	mu     sync.Mutex
	record []byte
}

func (d *drive) Command(c, out []byte) passthrough.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	good := func(in []byte, room int) passthrough.Result {
		return passthrough.Result{In: in[:min(len(in), room)]}
	}
	switch cdb.Opcode(c) {
	case scsi.OpTestUnitReady:
		return good(nil, 0)
	case scsi.OpRequestSense:
		return good(scsi.Sense{}.AppendFixed(nil), int(c[4]))
	case scsi.OpInquiry:
		if q, _ := cdb.ParseInquiry(c); !q.VPD && q.Page == 0 {
			return good(page.Inquiry{
				Peripheral: page.PeripheralOf(identity.Type), Removable: true, Version: scsi.VersionSPC4, CommandQueue: true,
				Vendor: identity.Vendor, Product: identity.Product, Revision: identity.Revision,
			}.Append(nil), int(q.Allocation))
		}
		return fails(scsi.InvalidFieldInCDB(2, -1))
	case scsi.OpWrite6:
		d.record = bytes.Clone(out)
		return good(nil, 0)
	case scsi.OpRead6:
		return good(d.record, int(c[2])<<16|int(c[3])<<8|int(c[4]))
	}
	return fails(scsi.InvalidOpcode())
}

func fails(s scsi.Sense) passthrough.Result {
	return passthrough.Result{Status: scsi.CheckCondition, Sense: s.AppendDescriptor(nil)}
}

func newUnit(t testing.TB, _ *buffer.Arena, kept devicetest.Kept) devicetest.Unit {
	t.Helper()
	u, err := passthrough.New(passthrough.Config{Identity: identity, Device: &drive{}, Reservations: kept.Reservations})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestSuite: a device type that has no command table.
func TestSuite(t *testing.T) {
	devicetest.Run(t, devicetest.Device{
		New:      func(t testing.TB, arena *buffer.Arena) devicetest.Unit { return newUnit(t, arena, devicetest.Kept{}) },
		NewKept:  newUnit,
		Access:   map[devicetest.Name]reserve.Class{{Op: scsi.OpRead6}: reserve.Reading, {Op: scsi.OpWrite6}: reserve.Writing},
		Write:    []byte{byte(scsi.OpWrite6), 0, 0x01, 0, 0, 0},
		WriteLen: 64 << 10,
	})
}
