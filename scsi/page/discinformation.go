package page

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// States of a session and of a disc.
const (
	DiscEmpty      = 0
	DiscIncomplete = 1
	DiscComplete   = 2 // of a disc: finalized
	DiscOther      = 3 // of a disc
	SessionWhole   = 3 // of a session: complete
)

// Types of discs of [DiscInformation.Kind].
const (
	DiscKindCDROM   = 0x00
	DiscKindXA      = 0x20
	DiscKindUnknown = 0xff
)

// Lengths of READ DISC INFORMATION and READ TRACK INFORMATION data.
const (
	DiscInformationLen  = 34
	TrackInformationLen = 48
)

// A DiscInformation is READ DISC INFORMATION data of the standard type (MMC-6 6.21.3.1), without OPC tables.
type DiscInformation struct {
	Erasable     bool
	Session      uint8 // state of the last session
	Status       uint8
	First        uint8 // number of the first track on the disc
	Sessions     uint16
	FirstOfLast  uint16 // first track in the last session
	LastOfLast   uint16
	Unrestricted bool  // URU
	Background   uint8 // BG FORMAT STATUS, 0 to 3: 3 is complete
	Kind         uint8 // DISC TYPE
	LastLeadIn   uint32
	LastLeadOut  uint32 // LAST POSSIBLE LEAD-OUT START ADDRESS
	Identified   bool   // DID_V
	Identity     uint32
	CodeValid    bool  // DAC_V
	Application  uint8 // DISC APPLICATION CODE
}

// Append appends the data, 34 bytes.
func (d DiscInformation) Append(dst []byte) []byte {
	dst = append(dst, 0, DiscInformationLen-2, flag(d.Erasable, 0x10)|d.Session&3<<2|d.Status&3, d.First,
		byte(d.Sessions), byte(d.FirstOfLast), byte(d.LastOfLast),
		flag(d.Identified, 0x80)|flag(d.Unrestricted, 0x20)|flag(d.CodeValid, 0x10)|d.Background&3,
		d.Kind, byte(d.Sessions>>8), byte(d.FirstOfLast>>8), byte(d.LastOfLast>>8))
	for _, v := range [...]uint32{d.Identity, d.LastLeadIn, d.LastLeadOut} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	dst = appendZeros(dst, 8)
	return append(dst, d.Application, 0)
}

// ErrDiscInformation is wrapped by every error of [ParseDiscInformation] and [ParseTrackInformation].
var ErrDiscInformation = errors.New("malformed disc information")

// ParseDiscInformation reads READ DISC INFORMATION data of the standard type: for initiators and tests.
func ParseDiscInformation(b []byte) (DiscInformation, error) {
	if len(b) < DiscInformationLen || binary.BigEndian.Uint16(b) != DiscInformationLen-2 || b[2]&0xe0 != 0 {
		return DiscInformation{}, fmt.Errorf("%w: %d bytes", ErrDiscInformation, len(b))
	}
	wide := func(high, low int) uint16 { return uint16(b[high])<<8 | uint16(b[low]) }
	return DiscInformation{
		Erasable: b[2]&0x10 != 0, Session: b[2] >> 2 & 3, Status: b[2] & 3, First: b[3],
		Sessions: wide(9, 4), FirstOfLast: wide(10, 5), LastOfLast: wide(11, 6),
		Identified: b[7]&0x80 != 0, Unrestricted: b[7]&0x20 != 0, CodeValid: b[7]&0x10 != 0, Background: b[7] & 3, Kind: b[8],
		Identity: binary.BigEndian.Uint32(b[12:]), LastLeadIn: binary.BigEndian.Uint32(b[16:]), LastLeadOut: binary.BigEndian.Uint32(b[20:]),
		Application: b[32],
	}, nil
}

// Data modes of TrackInformation.
const (
	DataMode1       = 1
	DataMode2       = 2
	DataModeUnknown = 0xf
)

// A TrackInformation is READ TRACK INFORMATION data (MMC-6 6.26.3).
type TrackInformation struct {
	Track, Session uint16
	Damage         bool
	Copy           bool
	Mode           uint8 // TRACK MODE: the CONTROL of a CD's track, 4 for data
	Reserved       bool  // RT
	Blank          bool
	Packet         bool // PACKET/INC
	FixedPacket    bool // FP
	DataMode       uint8
	Start          uint32
	NextWritable   uint32
	NextValid      bool // NWA_V
	Free           uint32
	Blocking       uint32 // FIXED PACKET SIZE/BLOCKING FACTOR
	Size           uint32
	LastRecorded   uint32
	LastValid      bool // LRA_V
	ReadCompatible uint32
}

// Append appends the data, 48 bytes.
func (t TrackInformation) Append(dst []byte) []byte {
	dst = append(dst, 0, TrackInformationLen-2, byte(t.Track), byte(t.Session), 0, flag(t.Damage, 0x20)|flag(t.Copy, 0x10)|t.Mode&0xf,
		flag(t.Reserved, 0x80)|flag(t.Blank, 0x40)|flag(t.Packet, 0x20)|flag(t.FixedPacket, 0x10)|t.DataMode&0xf,
		flag(t.LastValid, 0x02)|flag(t.NextValid, 0x01))
	for _, v := range [...]uint32{t.Start, t.NextWritable, t.Free, t.Blocking, t.Size, t.LastRecorded} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	dst = append(dst, byte(t.Track>>8), byte(t.Session>>8), 0, 0)
	return appendZeros(binary.BigEndian.AppendUint32(dst, t.ReadCompatible), 8)
}

// ParseTrackInformation reads READ TRACK INFORMATION data: for initiators and tests.
func ParseTrackInformation(b []byte) (TrackInformation, error) {
	if len(b) < TrackInformationLen || binary.BigEndian.Uint16(b) != TrackInformationLen-2 {
		return TrackInformation{}, fmt.Errorf("%w: %d bytes", ErrDiscInformation, len(b))
	}
	at := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
	return TrackInformation{
		Track: uint16(b[32])<<8 | uint16(b[2]), Session: uint16(b[33])<<8 | uint16(b[3]),
		Damage: b[5]&0x20 != 0, Copy: b[5]&0x10 != 0, Mode: b[5] & 0xf,
		Reserved: b[6]&0x80 != 0, Blank: b[6]&0x40 != 0, Packet: b[6]&0x20 != 0, FixedPacket: b[6]&0x10 != 0, DataMode: b[6] & 0xf,
		LastValid: b[7]&0x02 != 0, NextValid: b[7]&0x01 != 0,
		Start: at(8), NextWritable: at(12), Free: at(16), Blocking: at(20), Size: at(24), LastRecorded: at(28), ReadCompatible: at(36),
	}, nil
}
