package fc

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// An ID is the address of a port, N_Port_ID: 24 bits.
type ID uint32

// MaxID is the highest address.
const MaxID = 0xffffff

// Well-known addresses (FC-FS-5): services of a fabric.
const (
	FabricPort       ID = 0xfffffe // where ports log in: FLOGI, FDISC
	FabricController ID = 0xfffffd // state changes: SCR, RSCN
	NameServer       ID = 0xfffffc
	ManagementServer ID = 0xfffffa
	Broadcast        ID = 0xffffff
)

// WellKnown reports that the address is that of a service: those from FFFFF0 on are.
func (i ID) WellKnown() bool { return i&0xfffff0 == 0xfffff0 }

// Domain, Area and Port are the three bytes of an address in a fabric.
func (i ID) Domain() uint8 { return uint8(i >> 16) }

// Area is the second byte.
func (i ID) Area() uint8 { return uint8(i >> 8) }

// Port is the last byte.
func (i ID) Port() uint8 { return uint8(i) }

// String is 0x and six digits, as fcoeadm and sysfs have it.
func (i ID) String() string { return fmt.Sprintf("0x%06x", uint32(i)&MaxID) }

// ParseID reads what String writes; the digits alone too, and three bytes with dots or colons between them, as in 01.02.03.
func ParseID(s string) (ID, error) {
	digits := strings.TrimPrefix(strings.ToLower(s), "0x")
	if len(digits) == 8 && (digits[2] == '.' || digits[2] == ':') && digits[2] == digits[5] {
		digits = digits[:2] + digits[3:5] + digits[6:]
	}
	n, err := strconv.ParseUint(digits, 16, 24)
	if err != nil || len(digits) != 6 {
		return 0, fmt.Errorf("%q is not the address of a Fibre Channel port, such as 0x010203", s)
	}
	return ID(n), nil
}

// MarshalText is String.
func (i ID) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText is ParseID.
func (i *ID) UnmarshalText(b []byte) (err error) {
	*i, err = ParseID(string(b))
	return err
}

// Put24 writes the address to three bytes.
func (i ID) Put24(b []byte) { b[0], b[1], b[2] = byte(i>>16), byte(i>>8), byte(i) }

// ID24 reads an address of three bytes.
func ID24(b []byte) ID { return ID(b[0])<<16 | ID(b[1])<<8 | ID(b[2]) }

// A Name is a worldwide name, of a port or a node.
type Name uint64

// ParseName reads a name of 16 hexadecimal digits: as String has them, with bytes parted by colons, or plain, or after 0x or naa.
func ParseName(s string) (Name, error) {
	digits := strings.ToLower(s)
	for _, p := range []string{"naa.", "0x"} {
		if rest, ok := strings.CutPrefix(digits, p); ok {
			digits = rest
			break
		}
	}
	wrong := func() (Name, error) {
		return 0, fmt.Errorf("%q is not a worldwide name: it is 16 hexadecimal digits, as in 20:00:00:1b:21:00:00:01", s)
	}
	if len(digits) == 23 {
		for i := 2; i < len(digits); i += 3 {
			if digits[i] != ':' {
				return wrong()
			}
		}
		digits = strings.ReplaceAll(digits, ":", "")
	}
	var b [8]byte
	if len(digits) != 16 {
		return wrong()
	}
	if _, err := hex.Decode(b[:], []byte(digits)); err != nil {
		return wrong()
	}
	return Name(binary.BigEndian.Uint64(b[:])), nil
}

// String is the bytes of the name with colons between them: 20:00:00:1b:21:00:00:01.
func (n Name) String() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	out := make([]byte, 0, 23)
	for i, x := range b {
		if i > 0 {
			out = append(out, ':')
		}
		out = hex.AppendEncode(out, []byte{x})
	}
	return string(out)
}

// MarshalText is String.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText is ParseName.
func (n *Name) UnmarshalText(b []byte) (err error) {
	*n, err = ParseName(string(b))
	return err
}
