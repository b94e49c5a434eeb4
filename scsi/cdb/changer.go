package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// CDB usage data of medium changers (SMC-3), whose operation codes mean something else for other device types, or are
// the vendor's. INVERT has no meaning: no medium has two sides.
const (
	UsageInitializeElementStatus          Usage = "\x07\x00\x00\x00\x00\x00"
	UsageInitializeElementStatusWithRange Usage = "\x37\x03\xff\xff\x00\x00\xff\xff\x00\x00"
	UsageInitializeElementStatusVendor    Usage = "\xe7\x03\xff\xff\x00\x00\xff\xff\x00\x00"
	UsageImportExportElement              Usage = "\x1b\x00\xff\xff\x1f\x00"
	UsagePositionToElement                Usage = "\x2b\x00\xff\xff\xff\xff\x00\x00\x00\x00"
	UsageRequestVolumeElementAddress      Usage = "\xb5\x1f\xff\xff\xff\xff\x00\xff\xff\xff\x00\x00"
)

// An ElementRange is INITIALIZE ELEMENT STATUS WITH RANGE (SMC-3 6.5), also with the vendor's operation code E7h.
type ElementRange struct {
	Opcode scsi.Opcode
	Fast   bool // what is known already need not be looked at
	Range  bool // only Count elements from Start on; else all
	Start  uint16
	Count  uint16
}

// ParseElementRange reads INITIALIZE ELEMENT STATUS WITH RANGE.
func ParseElementRange(c []byte) (ElementRange, error) {
	op := Opcode(c)
	if op != scsi.OpInitializeElementStatusWithRange && op != scsi.OpInitializeElementStatusVendor {
		return ElementRange{}, scsi.InvalidOpcode()
	}
	if err := need(c, 10); err != nil {
		return ElementRange{}, err
	}
	return ElementRange{
		Opcode: op, Fast: c[1]&0x02 != 0, Range: c[1]&0x01 != 0,
		Start: binary.BigEndian.Uint16(c[2:]), Count: binary.BigEndian.Uint16(c[6:]),
	}, nil
}

// Append appends the CDB.
func (e ElementRange) Append(dst []byte) []byte {
	dst = append(dst, byte(e.Opcode), flag(e.Fast, 0x02)|flag(e.Range, 0x01))
	dst = append(binary.BigEndian.AppendUint16(dst, e.Start), 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, e.Count), 0, 0)
}

// Action codes of OPEN/CLOSE IMPORT/EXPORT ELEMENT.
const (
	OpenElement  = 0
	CloseElement = 1
)

// An ImportExport is OPEN/CLOSE IMPORT/EXPORT ELEMENT (SMC-3 6.9).
type ImportExport struct {
	Element uint16
	Action  uint8 // 0 to 1Fh
}

// ParseImportExport reads OPEN/CLOSE IMPORT/EXPORT ELEMENT.
func ParseImportExport(c []byte) (ImportExport, error) {
	if err := needOp(c, scsi.OpImportExportElement); err != nil {
		return ImportExport{}, err
	}
	return ImportExport{Element: binary.BigEndian.Uint16(c[2:]), Action: c[4] & 0x1f}, nil
}

// Append appends the CDB.
func (i ImportExport) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, byte(scsi.OpImportExportElement), 0), i.Element)
	return append(dst, i.Action&0x1f, 0)
}

// A PositionToElement is POSITION TO ELEMENT (SMC-3 6.10).
type PositionToElement struct{ Transport, Destination uint16 }

// ParsePositionToElement reads POSITION TO ELEMENT.
func ParsePositionToElement(c []byte) (PositionToElement, error) {
	if err := needOp(c, scsi.OpPositionToElement); err != nil {
		return PositionToElement{}, err
	}
	return PositionToElement{binary.BigEndian.Uint16(c[2:]), binary.BigEndian.Uint16(c[4:])}, nil
}

// Append appends the CDB.
func (p PositionToElement) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, byte(scsi.OpPositionToElement), 0), p.Transport)
	return append(binary.BigEndian.AppendUint16(dst, p.Destination), 0, 0, 0, 0)
}

// A MoveMedium is MOVE MEDIUM (SMC-3 6.8). A Transport of 0 is the default one.
type MoveMedium struct{ Transport, Source, Destination uint16 }

// ParseMoveMedium reads MOVE MEDIUM.
func ParseMoveMedium(c []byte) (MoveMedium, error) {
	if err := needOp(c, scsi.OpMoveMedium); err != nil {
		return MoveMedium{}, err
	}
	at := func(i int) uint16 { return binary.BigEndian.Uint16(c[i:]) }
	return MoveMedium{at(2), at(4), at(6)}, nil
}

// Append appends the CDB.
func (m MoveMedium) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpMoveMedium), 0)
	for _, v := range [...]uint16{m.Transport, m.Source, m.Destination} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	return append(dst, 0, 0, 0, 0)
}

// An ExchangeMedium is EXCHANGE MEDIUM (SMC-3 6.4): Source goes to First, and what was there to Second.
type ExchangeMedium struct{ Transport, Source, First, Second uint16 }

// ParseExchangeMedium reads EXCHANGE MEDIUM.
func ParseExchangeMedium(c []byte) (ExchangeMedium, error) {
	if err := needOp(c, scsi.OpExchangeMedium); err != nil {
		return ExchangeMedium{}, err
	}
	at := func(i int) uint16 { return binary.BigEndian.Uint16(c[i:]) }
	return ExchangeMedium{at(2), at(4), at(6), at(8)}, nil
}

// Append appends the CDB.
func (e ExchangeMedium) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpExchangeMedium), 0)
	for _, v := range [...]uint16{e.Transport, e.Source, e.First, e.Second} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	return append(dst, 0, 0)
}

// A ReadElementStatus is READ ELEMENT STATUS (SMC-3 6.11).
type ReadElementStatus struct {
	Tags        bool   // VOLTAG: with volume tags
	Type        uint8  // element type code, 0 to 0Fh; 0 is all types
	Start       uint16 // the first element that is reported has this address or the next
	Count       uint16 // how many are reported at the most
	Current     bool   // CURDATA: nothing moves for it
	Identifiers bool   // DVCID: with identifiers of drives
	Allocation  uint32 // bytes, 24 bits
}

// ParseReadElementStatus reads READ ELEMENT STATUS.
func ParseReadElementStatus(c []byte) (ReadElementStatus, error) {
	if err := needOp(c, scsi.OpReadElementStatus); err != nil {
		return ReadElementStatus{}, err
	}
	return ReadElementStatus{
		Tags: c[1]&0x10 != 0, Type: c[1] & 0xf, Start: binary.BigEndian.Uint16(c[2:]), Count: binary.BigEndian.Uint16(c[4:]),
		Current: c[6]&0x02 != 0, Identifiers: c[6]&0x01 != 0, Allocation: binary.BigEndian.Uint32(c[6:]) & 0xffffff,
	}, nil
}

// Append appends the CDB.
func (r ReadElementStatus) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpReadElementStatus), flag(r.Tags, 0x10)|r.Type&0xf)
	dst = binary.BigEndian.AppendUint16(dst, r.Start)
	dst = binary.BigEndian.AppendUint16(dst, r.Count)
	return append(dst, flag(r.Current, 0x02)|flag(r.Identifiers, 0x01),
		byte(r.Allocation>>16), byte(r.Allocation>>8), byte(r.Allocation), 0, 0)
}

// A RequestVolumeElementAddress is REQUEST VOLUME ELEMENT ADDRESS (SMC-3 6.13).
type RequestVolumeElementAddress struct {
	Tags       bool // VOLTAG
	Type       uint8
	Start      uint16
	Count      uint16
	Allocation uint32 // bytes, 24 bits
}

// ParseRequestVolumeElementAddress reads REQUEST VOLUME ELEMENT ADDRESS.
func ParseRequestVolumeElementAddress(c []byte) (RequestVolumeElementAddress, error) {
	if err := needOp(c, scsi.OpRequestVolumeElementAddress); err != nil {
		return RequestVolumeElementAddress{}, err
	}
	return RequestVolumeElementAddress{
		Tags: c[1]&0x10 != 0, Type: c[1] & 0xf, Start: binary.BigEndian.Uint16(c[2:]), Count: binary.BigEndian.Uint16(c[4:]),
		Allocation: binary.BigEndian.Uint32(c[6:]) & 0xffffff,
	}, nil
}

// Append appends the CDB.
func (r RequestVolumeElementAddress) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpRequestVolumeElementAddress), flag(r.Tags, 0x10)|r.Type&0xf)
	dst = binary.BigEndian.AppendUint16(dst, r.Start)
	dst = binary.BigEndian.AppendUint16(dst, r.Count)
	return append(dst, 0, byte(r.Allocation>>16), byte(r.Allocation>>8), byte(r.Allocation), 0, 0)
}
