// Package cdb reads and builds command descriptor blocks and the parameter lists that come with them, one file per command family.
//
// Parsers read in place, keep nothing of what they are given and do not
// allocate unless they fail. Their errors are always a [scsi.Sense] that can go
// to the initiator as it is. They check shape only: whether a value is
// acceptable (a protection field, a page code) is the device's to say, and
// reserved bits are found by [CheckUsage]. Append methods are for initiators;
// a value too wide for its field is cut to it.
package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Length returns the length of a CDB by the group code in the top three bits of
// its operation code (SPC-5 4.2.5.1): 6, 10, 12 or 16. It is 0 for the variable
// length and the vendor specific groups, whose length the code does not tell.
func Length(op scsi.Opcode) int {
	switch op >> 5 {
	case 0:
		return 6
	case 1, 2:
		return 10
	case 4:
		return 16
	case 5:
		return 12
	}
	return 0
}

// FullLength returns the length that c claims by its first bytes, variable
// length CDBs (7Fh) included, and whether c has one and is at least that long.
func FullLength(c []byte) (int, bool) {
	if len(c) == 0 {
		return 0, false
	}
	n := Length(scsi.Opcode(c[0]))
	if scsi.Opcode(c[0]) == scsi.OpVariableLength {
		if len(c) < 8 {
			return 0, false
		}
		n = 8 + int(c[7])
	}
	return n, n > 0 && len(c) >= n
}

// Opcode returns the operation code of c; 0 when c is empty.
func Opcode(c []byte) scsi.Opcode {
	if len(c) == 0 {
		return 0
	}
	return scsi.Opcode(c[0])
}

// Action returns the service action of c, and false when its operation code has
// none or c is too short to hold it (SPC-5 4.2.5.3).
func Action(c []byte) (scsi.ServiceAction, bool) {
	op := Opcode(c)
	switch {
	case !op.HasServiceActions():
		return 0, false
	case op == scsi.OpVariableLength:
		if len(c) < 10 {
			return 0, false
		}
		return scsi.ServiceAction(binary.BigEndian.Uint16(c[8:])), true
	case len(c) < 2:
		return 0, false
	}
	return scsi.ServiceAction(c[1] & 0x1f), true
}

// Control returns the CONTROL byte of c (SAM-5 5.2), 0 when c is too short.
func Control(c []byte) byte {
	switch n, ok := FullLength(c); {
	case !ok:
		return 0
	case scsi.Opcode(c[0]) == scsi.OpVariableLength:
		return c[1]
	default:
		return c[n-1]
	}
}

// ControlNACA is the bit of CONTROL that asks for an auto contingent allegiance.
const ControlNACA = 0x04

// RangeOK reports that n blocks from lba lie within capacity blocks. No sum of
// the arguments overflows; n = 0 is fine up to and at the end.
func RangeOK(lba, n, capacity uint64) bool { return n <= capacity && lba <= capacity-n }

// Extent returns how many blocks a command covers whose count 0 means "up to the
// last one" (SYNCHRONIZE CACHE, PRE-FETCH, WRITE SAME), and whether they lie
// within capacity blocks.
func Extent(lba uint64, blocks uint32, capacity uint64) (uint64, bool) {
	if blocks != 0 {
		return uint64(blocks), RangeOK(lba, uint64(blocks), capacity)
	}
	if lba > capacity {
		return 0, false
	}
	return capacity - lba, true
}

// need refuses a CDB that is not at least n bytes long, pointing at the first
// byte that is missing.
func need(c []byte, n int) error {
	if len(c) < n {
		return scsi.InvalidFieldInCDB(len(c), -1)
	}
	return nil
}

// needOp is need for CDBs of one operation code.
func needOp(c []byte, op scsi.Opcode) error {
	if len(c) == 0 || scsi.Opcode(c[0]) != op {
		return scsi.InvalidOpcode()
	}
	return need(c, Length(op))
}

// needAction is needOp for one service action.
func needAction(c []byte, op scsi.Opcode, a scsi.ServiceAction) error {
	if err := needOp(c, op); err != nil {
		return err
	}
	if scsi.ServiceAction(c[1]&0x1f) != a {
		return scsi.InvalidFieldInCDB(1, 4)
	}
	return nil
}

// flag returns bit if on, else 0.
func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}
