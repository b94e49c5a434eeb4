package iscsi

import (
	"encoding/binary"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A catcher is a mover that keeps what is sent.
type catcher struct {
	Mover
	sent *PDU
}

func (m *catcher) Control() *PDU      { return new(PDU) }
func (m *catcher) SendControl(p *PDU) { m.sent = p }

// TestSenseRoom: sense that is longer than an initiator has room for is cut to what reads as
// sense data, and nothing else of the response changes with it.
func TestSenseRoom(t *testing.T) {
	long := scsi.InvalidFieldInCDB(1, 1).WithInfo(1)
	long.CommandSpecific, long.ILI = 1, true
	for _, descriptor := range []bool{false, true} {
		for room := 2 + 8; room <= 130; room++ {
			m := &catcher{}
			c := &Conn{m: m}
			c.params.Store(&login.Params{MaxSendDataSegmentLength: uint32(room)})
			k := &task{itt: 7}
			c.status(k, &target.Response{Status: scsi.CheckCondition, Sense: long, Descriptor: descriptor, Residual: 512})
			b := m.sent.Data
			if len(b) > room || int(binary.BigEndian.Uint16(b)) != len(b)-2 || int(b[2+7]) != len(b)-2-8 {
				t.Fatalf("room for %d: %x", room, b)
			}
			s, err := scsi.ParseSense(b[2:])
			if err != nil || s.Key != scsi.KeyIllegalRequest || (descriptor || room >= 2+14) && s.ASC != scsi.ASCInvalidFieldInCDB {
				t.Fatalf("room for %d: %x, %+v, %v", room, b, s, err)
			}
			if room >= 2+scsi.MaxSenseLen && s != long {
				t.Fatalf("room for %d: %+v was not whole", room, s)
			}
			x, err := pdu.ParseSCSIResponse(&m.sent.BHS)
			if err != nil || x.ITT != 7 || x.Status != uint8(scsi.CheckCondition) || !x.Underflow || x.Residual != 512 {
				t.Fatalf("room for %d: %+v, %v", room, x, err)
			}
		}
	}
}
