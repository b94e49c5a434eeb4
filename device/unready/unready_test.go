package unready

import (
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A unit that stands in for another is listed, says who it is if that is known, and answers all else NOT READY.
func TestUnready(t *testing.T) {
	for _, nameless := range []bool{false, true} {
		id := scsi.Identity{Type: scsi.TypeDisk, Vendor: "v", Product: "p", Revision: "r", Serial: "S1", NAA: scsi.NAA6("x")}
		lu, err := New(id, nameless)
		if err != nil {
			t.Fatal(err)
		}
		u := target.NewUnit("u", lu)
		tgt, err := target.NewTarget("iqn.2026-11.io.lunette:t", target.Mapping{Unit: u})
		if err != nil {
			t.Fatal(err)
		}
		port, err := tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "p"})
		if err != nil {
			t.Fatal(err)
		}
		arena := buffer.NewArena(1 << 20)
		s := loopback.Login(port, target.Initiator{Name: "i", Port: scsi.ISCSIPort("i", [6]byte{5: 1})}, loopback.Options{Arena: arena})
		do := func(c []byte) (loopback.Result, []byte) {
			t.Helper()
			r, data, err := s.Do(t.Context(), 0, c, nil, 255)
			if err != nil {
				t.Fatal(err)
			}
			return r, data
		}
		want := byte(0)
		if nameless {
			want = 1 << 5
		}
		if _, data := do(cdb.Inquiry{Allocation: 96}.Append(nil)); data[0] != want || string(data[8:9]) != "v" {
			t.Errorf("nameless %v: INQUIRY is %x", nameless, data)
		}
		_, pages := do(cdb.Inquiry{VPD: true, Allocation: 255}.Append(nil))
		r, serial := do(cdb.Inquiry{VPD: true, Page: page.VPDUnitSerial, Allocation: 255}.Append(nil))
		if nameless != (r.Status != scsi.Good) || nameless != (len(pages) == 5) || !nameless && string(serial[4:]) != "S1" {
			t.Errorf("nameless %v: VPD %x %v %x", nameless, pages, r.Status, serial)
		}
		if _, data := do(cdb.ReportLUNs{Allocation: 255}.Append(nil)); len(data) != 16 {
			t.Errorf("REPORT LUNS: %x", data)
		}
		if r, _ := do(cdb.AppendTestUnitReady(nil)); r.Sense != scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset) {
			t.Errorf("the first command: %v", r.Sense)
		}
		for op := range 256 {
			switch scsi.Opcode(op) {
			case scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpRequestSense:
				continue
			}
			if r, _ := do(append([]byte{byte(op)}, make([]byte, 15)...)); r.Sense != scsi.NotReady(scsi.ASCBecomingReady) {
				t.Errorf("command %02x: %v %v", op, r.Status, r.Sense)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	}
}
