package transporttest

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

// partBlocks sends commands for which the initiator has less data than their CDBs say, and no
// whole number of blocks: the part of a block can neither be written nor be forgotten, so that
// nothing is written and the command fails (FCP-4 9.4.2, and what iSCSI and SRP have
// residuals for). More data than the CDB says does not matter. A parameter list that does not
// come whole fails in its own way.
func partBlocks(t *testing.T, do func(cdb, out []byte, in int) Outcome) {
	t.Helper()
	long := func(op scsi.Opcode, flags byte) func(blocks int) []byte {
		return func(blocks int) []byte {
			c := make([]byte, 16)
			c[0], c[1] = byte(op), flags
			binary.BigEndian.PutUint32(c[10:], uint32(blocks))
			return c
		}
	}
	short := func(op scsi.Opcode, flags byte) func(blocks int) []byte {
		return func(blocks int) []byte {
			c := CDB10(op, 0, uint16(blocks), 0)
			c[1] = flags
			return c
		}
	}
	const most = 160 << 10
	old := bytes.Repeat([]byte{0x11}, most)
	for name, c := range map[string]struct {
		cdb  func(blocks int) []byte
		more scsi.Status // with more data than the CDB says: VERIFY finds a difference
	}{
		"WRITE(10)":            {short(scsi.OpWrite10, 0), scsi.Good},
		"WRITE(16)":            {long(scsi.OpWrite16, 0), scsi.Good},
		"WRITE AND VERIFY(10)": {short(scsi.OpWriteAndVerify10, 0), scsi.Good},
		"VERIFY(10)":           {short(scsi.OpVerify10, 2), scsi.CheckCondition},
		"VERIFY(16)":           {long(scsi.OpVerify16, 2), scsi.CheckCondition},
		"ORWRITE(16)":          {long(scsi.OpORWrite16, 0), scsi.Good},
	} {
		for _, n := range []int{200, 512 + 200, 4000, 100, 9000, 70000, 150000} {
			blocks := n/512 + 1
			if o := do(CDB10(scsi.OpWrite10, 0, most/512, 0), old, 0); o.Status != scsi.Good {
				t.Fatalf("%v %v", o.Status, o.Sense)
			}
			o := do(c.cdb(blocks), bytes.Repeat([]byte{0x22}, n), 0)
			if o.Status != scsi.CheckCondition || o.Sense.Key != scsi.KeyIllegalRequest || o.Sense.ASC != scsi.ASCInvalidFieldInCommandIU || !o.left(int64(n-512*blocks)) {
				t.Errorf("%s of %d blocks with %d bytes: %v %v, residual %d", name, blocks, n, o.Status, o.Sense, o.Residual)
			}
			if got := do(CDB10(scsi.OpRead10, 0, most/512, 0), nil, most); !bytes.Equal(got.In, old) {
				t.Errorf("%s of %d blocks with %d bytes has written something", name, blocks, n)
			}
			if o := do(c.cdb(blocks-1), bytes.Repeat([]byte{0x22}, n), 0); blocks > 1 && o.Status != c.more {
				t.Errorf("%s of %d blocks with %d bytes: %v %v", name, blocks-1, n, o.Status, o.Sense)
			}
		}
	}
	for name, c := range map[string][]byte{
		"UNMAP":                  {byte(scsi.OpUnmap), 8: 24, 9: 0},
		"MODE SELECT(10)":        {byte(scsi.OpModeSelect10), 0x10, 8: 24, 9: 0},
		"PERSISTENT RESERVE OUT": {byte(scsi.OpPersistentReserveOut), 8: 24, 9: 0},
	} {
		if o := do(c, make([]byte, 20), 0); o.Status != scsi.CheckCondition || o.Sense.ASC != scsi.ASCParameterListLengthError {
			t.Errorf("%s of a list of 24 bytes, of which 20 come: %v %v", name, o.Status, o.Sense)
		}
	}
	for name, c := range map[string][]byte{
		"WRITE SAME(16)":    {byte(scsi.OpWriteSame16), 13: 8, 15: 0},
		"COMPARE AND WRITE": {byte(scsi.OpCompareAndWrite), 13: 1, 15: 0},
	} {
		if o := do(c, make([]byte, 500), 0); o.Status != scsi.CheckCondition || o.Sense.Key != scsi.KeyIllegalRequest {
			t.Errorf("%s with 500 bytes: %v %v", name, o.Status, o.Sense)
		}
	}
}
