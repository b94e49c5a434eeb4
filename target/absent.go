package target

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
)

// executeAbsent answers for a LUN without a unit (SPC-5 5.x, SAM-5 4.7.4): initiators
// scan, so INQUIRY and REPORT LUNS work everywhere, REQUEST SENSE says what is wrong.
func executeAbsent(t *Task) {
	var data []byte
	var room int64
	switch scsi.Opcode(t.CDB[0]) {
	case scsi.OpInquiry:
		if t.CDB[1]&0x01 != 0 || t.CDB[2] != 0 {
			t.Fail(scsi.LogicalUnitNotSupported())
			return
		}
		// Peripheral qualifier 011b, type 1Fh: no unit can be here. SPC-4, 36 bytes.
		data = make([]byte, 36)
		data[0], data[2], data[3], data[4], data[7] = 0x7f, byte(scsi.VersionSPC4), 0x02, 31, 0x02
		copy(data[8:], "lunette                 ")
		room = int64(t.CDB[3])<<8 | int64(t.CDB[4])
	case scsi.OpReportLUNs:
		if len(t.CDB) < 12 {
			t.Fail(scsi.InvalidOpcode())
			return
		}
		data = t.Nexus().AppendLUNs(nil, t.CDB[2])
		room = int64(t.CDB[6])<<24 | int64(t.CDB[7])<<16 | int64(t.CDB[8])<<8 | int64(t.CDB[9])
	case scsi.OpRequestSense:
		if t.CDB[1]&1 != 0 {
			data = scsi.LogicalUnitNotSupported().AppendDescriptor(nil)
		} else {
			data = scsi.LogicalUnitNotSupported().AppendFixed(nil)
		}
		room = int64(t.CDB[4])
	default:
		t.Fail(scsi.LogicalUnitNotSupported())
		return
	}
	if int64(len(data)) > room {
		data = data[:room]
	}
	t.Respond(Response{Moves: int64(len(data)), DataIn: buffer.Of(data)})
}

// AppendLUNs appends the parameter data of REPORT LUNS (SPC-5 6.33) for SELECT
// REPORT sel: 00h and 02h all units, 01h well-known ones (there are none).
func (n *Nexus) AppendLUNs(dst []byte, sel byte) []byte {
	var luns []scsi.LUN
	if sel != 0x01 && sel < 0x10 {
		luns = n.LUNs()
	}
	size := 8 * len(luns)
	dst = append(dst, byte(size>>24), byte(size>>16), byte(size>>8), byte(size), 0, 0, 0, 0)
	for _, l := range luns {
		dst = l.Append(dst)
	}
	return dst
}
