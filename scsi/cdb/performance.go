package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Types of GET PERFORMANCE, and of SET STREAMING, which has PerformanceData alone and others than these.
const (
	PerformanceData        = 0
	PerformanceUnusable    = 1
	PerformanceDefects     = 2
	PerformanceWriteSpeeds = 3
	PerformanceDBI         = 4
	PerformanceDBICache    = 5
)

// Bits of GetPerformance.Data for type 0.
const (
	PerformanceExcept    = 0x03 // 0 nominal, 1 all, 2 exceptions
	PerformanceWrite     = 0x04
	PerformanceTolerance = 0x18 // 2 is ten per cent nominal, twenty for exceptions: the only one
)

// A GetPerformance is GET PERFORMANCE (MMC-6 6.8).
type GetPerformance struct {
	Data    uint8 // DATA TYPE, 0 to 1Fh
	LBA     uint32
	Maximum uint16 // of descriptors
	Type    uint8
}

// ParseGetPerformance reads GET PERFORMANCE.
func ParseGetPerformance(c []byte) (GetPerformance, error) {
	if err := needOp(c, scsi.OpGetPerformance); err != nil {
		return GetPerformance{}, err
	}
	return GetPerformance{Data: c[1] & 0x1f, LBA: binary.BigEndian.Uint32(c[2:]), Maximum: binary.BigEndian.Uint16(c[8:]), Type: c[10]}, nil
}

// Append appends the CDB.
func (g GetPerformance) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, byte(scsi.OpGetPerformance), g.Data&0x1f), g.LBA)
	return append(binary.BigEndian.AppendUint16(append(dst, 0, 0), g.Maximum), g.Type, 0)
}

// A SetStreaming is SET STREAMING (MMC-5 6.39).
type SetStreaming struct {
	Type   uint8
	Length uint16
}

// ParseSetStreaming reads SET STREAMING.
func ParseSetStreaming(c []byte) (SetStreaming, error) {
	if err := needOp(c, scsi.OpSetStreaming); err != nil {
		return SetStreaming{}, err
	}
	return SetStreaming{Type: c[8], Length: binary.BigEndian.Uint16(c[9:])}, nil
}

// Append appends the CDB.
func (s SetStreaming) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpSetStreaming), 0, 0, 0, 0, 0, 0, 0, s.Type)
	return append(binary.BigEndian.AppendUint16(dst, s.Length), 0)
}

// StreamListLen is the length of a performance descriptor of SET STREAMING.
const StreamListLen = 28

// A StreamList is the performance descriptor of SET STREAMING (MMC-5 6.39.3). Sizes are in kilobytes (1000), times in milliseconds.
type StreamList struct {
	Options              byte // RDD, Exact, RA, WRC: see the Stream bits
	First, Last          uint32
	ReadSize, ReadTime   uint32
	WriteSize, WriteTime uint32
}

// Bits of StreamList.Options.
const (
	StreamRandom  = 0x01 // RA
	StreamExact   = 0x02
	StreamDefault = 0x04 // RDD: back to what the drive does by itself
	StreamControl = 0x18 // WRC: rotation
)

// ParseStreamList reads the parameter list.
func ParseStreamList(b []byte) (StreamList, error) {
	if len(b) != StreamListLen {
		return StreamList{}, scsi.ParameterListLengthError()
	}
	at := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
	return StreamList{b[0], at(4), at(8), at(12), at(16), at(20), at(24)}, nil
}

// Append appends the list.
func (s StreamList) Append(dst []byte) []byte {
	dst = append(dst, s.Options, 0, 0, 0)
	for _, v := range [...]uint32{s.First, s.Last, s.ReadSize, s.ReadTime, s.WriteSize, s.WriteTime} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

// A SetCDSpeed is SET CD SPEED (MMC-5 6.37). Speeds are in kilobytes (1000) a second; FFFFh is the best.
type SetCDSpeed struct {
	Rotation    uint8 // ROTATIONAL CONTROL, 0 to 3
	Read, Write uint16
}

// ParseSetCDSpeed reads SET CD SPEED.
func ParseSetCDSpeed(c []byte) (SetCDSpeed, error) {
	if err := needOp(c, scsi.OpSetCDSpeed); err != nil {
		return SetCDSpeed{}, err
	}
	return SetCDSpeed{c[1] & 3, binary.BigEndian.Uint16(c[2:]), binary.BigEndian.Uint16(c[4:])}, nil
}

// Append appends the CDB.
func (s SetCDSpeed) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, byte(scsi.OpSetCDSpeed), s.Rotation&3), s.Read)
	return append(binary.BigEndian.AppendUint16(dst, s.Write), 0, 0, 0, 0, 0, 0)
}
