package scsi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// A PeripheralType is the PERIPHERAL DEVICE TYPE of INQUIRY data (SPC-5 6.7.2); five bits.
type PeripheralType uint8

// Peripheral device types.
const (
	TypeDisk      PeripheralType = 0x00
	TypeTape      PeripheralType = 0x01
	TypeOptical   PeripheralType = 0x05 // CD and DVD, MMC
	TypeChanger   PeripheralType = 0x08
	TypeArray     PeripheralType = 0x0c
	TypeZoned     PeripheralType = 0x14
	TypeWellKnown PeripheralType = 0x1e
	TypeUnknown   PeripheralType = 0x1f // no device, or an unknown one
)

// String returns a short word for t.
func (t PeripheralType) String() string {
	switch t {
	case TypeDisk:
		return "disk"
	case TypeTape:
		return "tape"
	case TypeOptical:
		return "optical"
	case TypeChanger:
		return "changer"
	case TypeArray:
		return "array controller"
	case TypeZoned:
		return "zoned disk"
	case TypeWellKnown:
		return "well-known logical unit"
	case TypeUnknown:
		return "unknown"
	}
	return fmt.Sprintf("type %02xh", uint8(t))
}

// A PeripheralQualifier says whether a logical unit is there (SPC-5 6.7.2); three bits.
type PeripheralQualifier uint8

// Peripheral qualifiers.
const (
	Connected    PeripheralQualifier = 0 // a logical unit of the type is accessible
	Disconnected PeripheralQualifier = 1 // the target could have one here, but has not
	Incapable    PeripheralQualifier = 3 // no logical unit can be here: with TypeUnknown, byte 7Fh
)

// A Version is the VERSION byte of INQUIRY data: the standard claimed.
type Version uint8

// Versions.
const (
	VersionSPC2 Version = 0x04
	VersionSPC3 Version = 0x05
	VersionSPC4 Version = 0x06
	VersionSPC5 Version = 0x07
)

// An Identity is what a logical unit calls itself. It is the same through every
// target port and for as long as the data it names lives.
type Identity struct {
	Type     PeripheralType
	Vendor   string // T10 VENDOR IDENTIFICATION, 1 to 8 characters
	Product  string // PRODUCT IDENTIFICATION, 1 to 16 characters
	Revision string // PRODUCT REVISION LEVEL, 1 to 4 characters
	Serial   string // UNIT SERIAL NUMBER, 1 to MaxSerialLen characters
	NAA      NAA    // name of the logical unit, unique in the world

	Removable bool // RMB: the medium can be taken out (tapes, optical media)
}

// MaxSerialLen bounds Identity.Serial, so that it fits a designator with the
// vendor and product in front (SPC-5 7.7.6.4).
const MaxSerialLen = 128

// ErrIdentity is wrapped by every error of [Identity.Validate].
var ErrIdentity = errors.New("invalid SCSI identity")

// Validate reports the first field that SPC-5 does not allow: the texts are
// printable ASCII, left aligned, and fit their fields; the NAA is of format 6.
func (id Identity) Validate() error {
	if id.Type > TypeUnknown {
		return fmt.Errorf("%w: peripheral type %#02x has more than five bits", ErrIdentity, uint8(id.Type))
	}
	for _, f := range [...]struct {
		name, value string
		max         int
	}{
		{"vendor", id.Vendor, 8},
		{"product", id.Product, 16},
		{"revision", id.Revision, 4},
		{"serial number", id.Serial, MaxSerialLen},
	} {
		if err := checkText(f.name, f.value, f.max); err != nil {
			return err
		}
	}
	if id.NAA[0]>>4 != 6 {
		return fmt.Errorf("%w: %v is not of NAA format 6", ErrIdentity, id.NAA)
	}
	return nil
}

func checkText(name, value string, limit int) error {
	switch {
	case value == "":
		return fmt.Errorf("%w: %s is empty", ErrIdentity, name)
	case len(value) > limit:
		return fmt.Errorf("%w: %s %q is longer than %d characters", ErrIdentity, name, value, limit)
	case value[0] == ' ' || value[len(value)-1] == ' ':
		return fmt.Errorf("%w: %s %q starts or ends with a space", ErrIdentity, name, value)
	}
	for i := 0; i < len(value); i++ {
		if value[i] < 0x20 || value[i] > 0x7e {
			return fmt.Errorf("%w: %s %q has a character that is not printable ASCII at %d", ErrIdentity, name, value, i)
		}
	}
	return nil
}

// An NAA is a sixteen-byte name of NAA format 6, IEEE Registered Extended (SPC-5
// 7.7.6.6.5): the one form every host takes for a disk's identity.
type NAA [16]byte

// LocalOUI is the company identifier in names from [NAA6]. Its U/L bit (02h of the
// first byte) marks it as locally administered, so no assigned identifier equals it.
const LocalOUI = 0x024c4e

// NAA6 derives a name from a seed: the same seed gives the same name on every
// host and version. The 100 bits after LocalOUI come from a SHA-256 of the seed.
func NAA6(seed string) NAA {
	sum := sha256.Sum256([]byte("lunette naa6\x00" + seed))
	var n NAA
	copy(n[3:], sum[:13])
	n[0] = 0x60 | LocalOUI>>20
	n[1] = LocalOUI >> 12 & 0xff
	n[2] = LocalOUI >> 4 & 0xff
	n[3] = LocalOUI&0xf<<4 | n[3]&0xf
	return n
}

// ParseNAA reads 32 hexadecimal digits of format 6, with or without "naa." before them.
func ParseNAA(text string) (NAA, error) {
	digits := text
	if len(digits) > 4 && digits[:4] == "naa." {
		digits = digits[4:]
	}
	var n NAA
	if len(digits) != 2*len(n) {
		return NAA{}, fmt.Errorf("%w: NAA %q is not %d hexadecimal digits", ErrIdentity, text, 2*len(n))
	}
	if _, err := hex.Decode(n[:], []byte(digits)); err != nil {
		return NAA{}, fmt.Errorf("%w: NAA %q: %w", ErrIdentity, text, err)
	}
	if n[0]>>4 != 6 {
		return NAA{}, fmt.Errorf("%w: NAA %q does not start with 6", ErrIdentity, text)
	}
	return n, nil
}

// IsZero reports an NAA that was never set.
func (n NAA) IsZero() bool { return n == NAA{} }

// String returns "naa." and 32 hexadecimal digits, as hosts print it.
func (n NAA) String() string { return "naa." + hex.EncodeToString(n[:]) }
