package page

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/scsi"
)

// A Designator is one identifier in VPD page 83h (SPC-5 7.7.6.1).
type Designator struct {
	Protocol    scsi.Protocol // meaningful if PortOf
	PortOf      bool          // PIV: Protocol says how the target port is reached
	CodeSet     CodeSet
	Association Association
	Type        DesignatorType
	Data        []byte // at most 255 bytes
}

// A CodeSet says how a designator's bytes are to be read.
type CodeSet uint8

// Code sets.
const (
	CodeBinary CodeSet = 1
	CodeASCII  CodeSet = 2
	CodeUTF8   CodeSet = 3
)

// An Association says what a designator names.
type Association uint8

// Associations.
const (
	OfUnit   Association = 0
	OfPort   Association = 1
	OfDevice Association = 2
)

// A DesignatorType says what kind of name a designator is.
type DesignatorType uint8

// Designator types (SPC-5 7.7.6.3 to 7.7.6.14).
const (
	DesignatorVendorSpecific DesignatorType = 0x0
	DesignatorT10Vendor      DesignatorType = 0x1
	DesignatorEUI64          DesignatorType = 0x2
	DesignatorNAA            DesignatorType = 0x3
	DesignatorRelativePort   DesignatorType = 0x4
	DesignatorPortGroup      DesignatorType = 0x5
	DesignatorUnitGroup      DesignatorType = 0x6
	DesignatorMD5            DesignatorType = 0x7
	DesignatorSCSIName       DesignatorType = 0x8
	DesignatorProtocolPort   DesignatorType = 0x9
	DesignatorUUID           DesignatorType = 0xa
)

// maxDesignator is the most an eight-bit designator length holds.
const maxDesignator = 255

// NAADesignator is the name of the logical unit hosts go by (SPC-5 7.7.6.6.5).
func NAADesignator(n scsi.NAA) Designator {
	return Designator{CodeSet: CodeBinary, Association: OfUnit, Type: DesignatorNAA, Data: n[:]}
}

// PortNameDesignator is the worldwide name of the target port the command came through (SPC-5 7.7.6.6; FCP-4 and SAM-5 name N_Ports so).
func PortNameDesignator(protocol scsi.Protocol, name [8]byte) Designator {
	return Designator{Protocol: protocol, PortOf: true, CodeSet: CodeBinary, Association: OfPort, Type: DesignatorNAA, Data: name[:]}
}

// T10Designator names the logical unit by vendor and a text of the vendor's,
// such as product and serial number (SPC-5 7.7.6.4).
func T10Designator(vendor, text string) Designator {
	data := append(appendPadded(nil, vendor, 8), text...)
	return Designator{CodeSet: CodeASCII, Association: OfUnit, Type: DesignatorT10Vendor, Data: data}
}

// T10FieldsDesignator names the logical unit by the fields of INQUIRY data, vendor in 8 characters and product in
// 16, and its serial number: as tape drives do, so that it is the same in VPD page 83h and in READ ELEMENT STATUS data.
func T10FieldsDesignator(vendor, product, serial string) Designator {
	return T10Designator(vendor, string(appendPadded(nil, product, 16))+serial)
}

// RelativePortDesignator numbers the target port the command came through (SPC-5 7.7.6.7).
func RelativePortDesignator(protocol scsi.Protocol, port uint16) Designator {
	return portNumber(protocol, DesignatorRelativePort, port)
}

// PortGroupDesignator numbers the target port group of that port (SPC-5 7.7.6.8).
func PortGroupDesignator(protocol scsi.Protocol, group uint16) Designator {
	return portNumber(protocol, DesignatorPortGroup, group)
}

func portNumber(protocol scsi.Protocol, t DesignatorType, n uint16) Designator {
	return Designator{
		Protocol: protocol, PortOf: true, CodeSet: CodeBinary, Association: OfPort, Type: t,
		Data: []byte{0, 0, byte(n >> 8), byte(n)},
	}
}

// SCSINameDesignator is a SCSI name string (SPC-5 7.7.6.11): for iSCSI "iqn…" of
// the device or "iqn…,t,0x0001" of the port. It is ended by NUL and padded to a
// multiple of four bytes. The protocol is told for ports and devices only.
func SCSINameDesignator(a Association, protocol scsi.Protocol, name string) Designator {
	data := append(make([]byte, 0, len(name)+4), name...)
	data = appendZeros(data, 4-len(name)%4)
	return Designator{
		Protocol: protocol, PortOf: a != OfUnit, CodeSet: CodeUTF8, Association: a, Type: DesignatorSCSIName, Data: data,
	}
}

// ErrDesignator is wrapped by every error of [ParseDesignator].
var ErrDesignator = errors.New("malformed designation descriptor")

// Append appends the designation descriptor; data past 255 bytes is left out.
func (d Designator) Append(dst []byte) []byte {
	data := d.Data[:min(len(d.Data), maxDesignator)]
	var protocol byte
	if d.PortOf {
		protocol = byte(d.Protocol) << 4
	}
	dst = append(dst, protocol|byte(d.CodeSet)&0xf,
		flag(d.PortOf, 0x80)|byte(d.Association)&3<<4|byte(d.Type)&0xf, 0, byte(len(data)))
	return append(dst, data...)
}

// ParseDesignator reads the descriptor at the start of b and returns how many
// bytes it takes. Its Data refers to b.
func ParseDesignator(b []byte) (Designator, int, error) {
	if len(b) < 4 || len(b) < 4+int(b[3]) {
		return Designator{}, 0, fmt.Errorf("%w: cut off after %d bytes", ErrDesignator, len(b))
	}
	n := 4 + int(b[3])
	d := Designator{
		PortOf: b[1]&0x80 != 0, CodeSet: CodeSet(b[0] & 0xf), Association: Association(b[1] >> 4 & 3),
		Type: DesignatorType(b[1] & 0xf), Data: b[4:n:n],
	}
	if d.PortOf {
		d.Protocol = scsi.Protocol(b[0] >> 4)
	}
	return d, n, nil
}

// AppendIdentification appends VPD page 83h, Device Identification (SPC-5 7.7.6).
func AppendIdentification(dst []byte, p Peripheral, designators ...Designator) []byte {
	dst, at := startVPD(dst, p, VPDIdentification)
	for _, d := range designators {
		dst = d.Append(dst)
	}
	return setLen16(dst, at)
}

// ParseIdentification returns the designators of a VPD page 83h; their Data
// refers to b. A page shorter than its length says is an error.
func ParseIdentification(b []byte) ([]Designator, error) {
	if len(b) < 4 || b[1] != VPDIdentification || len(b)-4 < int(binary.BigEndian.Uint16(b[2:])) {
		return nil, fmt.Errorf("%w: not a whole page 83h in %d bytes", ErrDesignator, len(b))
	}
	b = b[4 : 4+int(binary.BigEndian.Uint16(b[2:]))]
	var all []Designator
	for len(b) > 0 {
		d, n, err := ParseDesignator(b)
		if err != nil {
			return nil, err
		}
		all, b = append(all, d), b[n:]
	}
	return all, nil
}
