package disk_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// READ CAPACITY (10) with bits set in reserved byte 8 is answered as without them, and READ (10) and
// WRITE (10) take the obsolete FUA_NV (docs/design/generosity.md). Reserved bits of commands that no
// initiator is known to set are refused.
func TestReservedBits(t *testing.T) {
	b := newBench(t, memoryStore(t, 1<<20), nil)
	s := b.login(1, loopback.Options{})
	capacity := []byte{byte(scsi.OpReadCapacity10), 0, 0, 0, 0, 0, 0, 0, 0, 0}
	want := do(t, s, capacity, nil, 8, scsi.Sense{})
	for bit := byte(0x02); bit != 0; bit <<= 1 {
		capacity[8] = bit
		if got := do(t, s, capacity, nil, 8, scsi.Sense{}); !bytes.Equal(got, want) {
			t.Errorf("byte 8 %#02x: % x instead of % x", bit, got, want)
		}
	}
	for i, bits := range map[int]byte{1: 0x02, 6: 0x01, 7: 0x80} {
		c := []byte{byte(scsi.OpReadCapacity10), 0, 0, 0, 0, 0, 0, 0, 0, 0}
		c[i] = bits
		do(t, s, c, nil, 8, badField)
	}
	for _, x := range []struct {
		op   scsi.Opcode
		bits byte
		want scsi.Sense
	}{
		{scsi.OpRead10, 0x02, scsi.Sense{}}, {scsi.OpWrite10, 0x02, scsi.Sense{}}, {scsi.OpRead10, 0x04, badField}, {scsi.OpSynchronizeCache10, 0x01, badField},
	} {
		c := cdb.ReadWrite{Opcode: x.op, Blocks: 1}.Append(nil)
		c[1] |= x.bits
		out, in := []byte(nil), 512
		if x.op == scsi.OpWrite10 {
			out, in = make([]byte, 512), 0
		} else if x.op == scsi.OpSynchronizeCache10 {
			in = 0
		}
		do(t, s, c, out, in, x.want)
	}
}
