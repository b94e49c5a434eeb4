package iu

import (
	"encoding/binary"
	"strings"
)

// CommandLen is the length of an FCP_CMND IU with a CDB of up to 16 bytes that moves data one way at most.
const CommandLen = 32

// Where the fields of an FCP_CMND are.
const (
	commandCDB   = 12
	commandFixed = 28 // up to the additional CDB
)

// Task attributes (FCP-4 9.1.2.4).
const (
	AttrSimple      = 0
	AttrHeadOfQueue = 1
	AttrOrdered     = 2
	AttrACA         = 4
)

// Management is the task management flags (FCP-4 9.1.2.5): one bit says that the IU is a request of task management.
type Management uint8

// Task management flags.
const (
	QueryAsyncEvent Management = 0x01
	AbortTaskSet    Management = 0x02
	ClearTaskSet    Management = 0x04
	QueryTaskSet    Management = 0x08
	LUReset         Management = 0x10
	TargetReset     Management = 0x20 // obsolete
	ClearACA        Management = 0x40
)

// One reports that there is one flag at most.
func (m Management) One() bool { return m&(m-1) == 0 }

// String is the names of the flags.
func (m Management) String() string {
	if m == 0 {
		return "none"
	}
	var all []string
	for i, name := range []string{
		"QUERY ASYNCHRONOUS EVENT", "ABORT TASK SET", "CLEAR TASK SET", "QUERY TASK SET",
		"LOGICAL UNIT RESET", "TARGET RESET", "CLEAR ACA", "reserved",
	} {
		if m>>i&1 != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, " and ")
}

// A Command is an FCP_CMND IU (FCP-4 9.1).
type Command struct {
	LUN      uint64
	CRN      uint8
	Priority uint8 // four bits
	Attr     uint8 // three
	TM       Management
	// Read and Write say which way data goes: RDDATA and WRDATA. Both: a bidirectional command.
	Read, Write bool
	CDB         [16]byte
	Additional  []byte // more bytes of the CDB, in fours; at most 252
	// Len is FCP_DL: the length of the data buffer; of a bidirectional command that of data-out, and ReadLen that of data-in.
	Len, ReadLen uint32
}

// ParseCommand reads an FCP_CMND; Additional refers to b. The fields up to the CDB are filled even if there is an error, unless b
// has fewer than CommandLen bytes. More bytes than there have to be are not looked at.
func ParseCommand(b []byte) (x Command, err error) {
	if len(b) < CommandLen {
		return x, ErrShort
	}
	x.LUN = binary.BigEndian.Uint64(b)
	x.CRN, x.Priority, x.Attr, x.TM = b[8], b[9]>>3&15, b[9]&7, Management(b[10])
	x.Read, x.Write = b[11]&2 != 0, b[11]&1 != 0
	copy(x.CDB[:], b[commandCDB:])
	at := commandFixed + int(b[11]&^3)
	want := at + 4
	if x.Read && x.Write {
		want += 4
	}
	if len(b) < want {
		return x, ErrShort
	}
	if at > commandFixed {
		x.Additional = b[commandFixed:at:at]
	}
	x.Len = binary.BigEndian.Uint32(b[at:])
	if x.Read && x.Write {
		x.ReadLen = binary.BigEndian.Uint32(b[at+4:])
	}
	return x, nil
}

// Append appends the IU.
func (x *Command) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, x.LUN)
	dst = append(dst, x.CRN, x.Priority&15<<3|x.Attr&7, byte(x.TM), byte(len(x.Additional))&^3|bit(x.Read, 2)|bit(x.Write, 1))
	dst = append(dst, x.CDB[:]...)
	dst = append(dst, x.Additional[:len(x.Additional)&0xfc]...)
	dst = binary.BigEndian.AppendUint32(dst, x.Len)
	if x.Read && x.Write {
		dst = binary.BigEndian.AppendUint32(dst, x.ReadLen)
	}
	return dst
}
