package page

import "encoding/binary"

// A Density is a density support data block descriptor of REPORT DENSITY SUPPORT data (SSC-5 7.11.2).
type Density struct {
	Primary, Secondary uint8
	Writable           bool   // WRTOK
	Duplicate          bool   // DUP
	Default            bool   // DEFLT
	BitsPerMM          uint32 // 24 bits
	Width              uint16 // tenths of a millimetre
	Tracks             uint16
	Capacity           uint32 // megabytes (10^6)
	Organization, Name string // up to 8 characters
	Description        string // up to 20 characters
}

// Append appends the descriptor, 52 bytes.
func (d Density) Append(dst []byte) []byte {
	dst = append(dst, d.Primary, d.Secondary, flag(d.Writable, 0x80)|flag(d.Duplicate, 0x40)|flag(d.Default, 0x20), 0, 0,
		byte(d.BitsPerMM>>16), byte(d.BitsPerMM>>8), byte(d.BitsPerMM))
	dst = binary.BigEndian.AppendUint16(dst, d.Width)
	dst = binary.BigEndian.AppendUint16(dst, d.Tracks)
	dst = binary.BigEndian.AppendUint32(dst, d.Capacity)
	dst = appendPadded(dst, d.Organization, 8)
	dst = appendPadded(dst, d.Name, 8)
	return appendPadded(dst, d.Description, 20)
}

// AppendDensities appends REPORT DENSITY SUPPORT data of densities, in the order given, which is to be ascending.
func AppendDensities(dst []byte, all ...Density) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, d := range all {
		dst = d.Append(dst)
	}
	return setLen16(dst, at)
}

// A MediumType is a medium type descriptor of REPORT DENSITY SUPPORT data (SSC-5 7.11.3).
type MediumType struct {
	Type               uint8
	Densities          []byte // primary density codes; 9 at the most, more are left out
	Width              uint16 // tenths of a millimetre
	Length             uint16 // metres
	Organization, Name string // up to 8 characters
	Description        string // up to 20 characters
}

// Append appends the descriptor, 56 bytes.
func (m MediumType) Append(dst []byte) []byte {
	codes := m.Densities[:min(len(m.Densities), 9)]
	dst = append(dst, m.Type, 0, 0, 52, byte(len(codes)))
	dst = appendZeros(append(dst, codes...), 9-len(codes))
	dst = binary.BigEndian.AppendUint16(dst, m.Width)
	dst = binary.BigEndian.AppendUint16(dst, m.Length)
	dst = appendZeros(dst, 2)
	dst = appendPadded(dst, m.Organization, 8)
	dst = appendPadded(dst, m.Name, 8)
	return appendPadded(dst, m.Description, 20)
}

// AppendMediumTypes appends REPORT DENSITY SUPPORT data of medium types.
func AppendMediumTypes(dst []byte, all ...MediumType) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, m := range all {
		dst = m.Append(dst)
	}
	return setLen16(dst, at)
}
