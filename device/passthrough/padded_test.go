package passthrough

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Transports have room for 16 bytes and fill it up with zeros: the device gets as many as the operation code says, and how much data there is does not follow from zeros.
func TestPaddedCDB(t *testing.T) {
	for _, c := range []struct {
		name   string
		device *sgtest.Device
		cdb    []byte
		out    int
		in     int
	}{
		{"VERIFY(6) with data", sgtest.NewTape(sgtest.Config{}).Device, []byte{0x13, 2, 0, 2, 0, 0}, 512, 0},
		{"VERIFY(16) with data", sgtest.NewTape(sgtest.Config{}).Device, []byte{0x8f, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0}, 512, 0},
		{"WRITE LONG(10)", disk(sgtest.Config{}).Device, []byte{0x3f, 0, 0, 0, 0, 7, 0, 2, 8, 0}, 520, 0},
		{"INQUIRY", disk(sgtest.Config{}).Device, cdb.Inquiry{Allocation: 96}.Append(nil), 0, 96},
		{"a VPD page", disk(sgtest.Config{}).Device, cdb.Inquiry{VPD: true, Page: 0xb0, Allocation: 64}.Append(nil), 0, 64},
		{"REPORT SUPPORTED OPERATION CODES", disk(sgtest.Config{}).Device, cdb.ReportOpcodes{Options: cdb.ReportOpcode, Opcode: scsi.OpRead10, Allocation: 64}.Append(nil), 0, 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			moved := 0
			c.device.Fault(sgtest.Fault{Match: sgtest.Op(0x13, 0x8f, 0x3f), Edit: func(x *sg.Command) { x.Result, moved = sg.Result{}, len(x.Data.Mem) }})
			b := newBench(t, c.device, Config{})
			s := b.login(1, loopback.Options{})
			c.device.Forget()
			b.do(s, append(bytes.Clone(c.cdb), make([]byte, 16-len(c.cdb))...), make([]byte, c.out), c.in)
			for _, e := range c.device.Log(sgtest.Op(scsi.Opcode(c.cdb[0]))) {
				if len(e.CDB) != len(c.cdb) {
					t.Errorf("the device has got % x", e.CDB)
				}
			}
			if moved != c.out {
				t.Errorf("the device has got %d bytes of %d", moved, c.out)
			}
		})
	}
}
