package scsi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A TransportID names an initiator port (SPC-5 7.6.4). It is a comparable value:
// iSCSI names are held in lower case, so == is the standard's comparison.
type TransportID struct {
	Protocol Protocol

	// Name is the iSCSI name, lower case, 1 to MaxISCSINameLen bytes; empty otherwise.
	Name string

	// HasISID tells an initiator port (format 1) from a whole iSCSI initiator
	// device (format 0), which stands for all of its ports.
	HasISID bool
	ISID    [6]byte

	// Port is the FCP N_Port name or the SAS address in the first eight bytes, or
	// all sixteen bytes of the SRP initiator port identifier.
	Port [16]byte
}

// MaxISCSINameLen is the longest iSCSI name (RFC 7143 4.2.7.1).
const MaxISCSINameLen = 223

// ErrTransportID is wrapped by every error of [ParseTransportID].
var ErrTransportID = errors.New("invalid TransportID")

// transportIDLen is the length of every TransportID but iSCSI's, and the least of those.
const transportIDLen = 24

// isidSeparator stands between name and ISID (SPC-5 7.6.4.6).
const isidSeparator = ",i,0x"

// FoldISCSIName returns an iSCSI name in the form in which names are compared, which is lower case (RFC
// 7143 4.2.7.2). The letters beyond ASCII whose lower case is in ASCII (the Turkish capital I with a
// dot, and the sign of kelvin) stay as they are, so that a name of ASCII letters, as access lists have
// them, is equal to names of ASCII letters alone.
func FoldISCSIName(name string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r <= unicode.MaxASCII || l > unicode.MaxASCII {
			return l
		}
		return r
	}, name)
}

// ISCSIPort names the initiator port of the session with this ISID.
func ISCSIPort(name string, isid [6]byte) TransportID {
	return TransportID{Protocol: ProtocolISCSI, Name: FoldISCSIName(name), HasISID: true, ISID: isid}
}

// ISCSIDevice names all ports of an iSCSI initiator.
func ISCSIDevice(name string) TransportID {
	return TransportID{Protocol: ProtocolISCSI, Name: FoldISCSIName(name)}
}

// SRPPort names an SRP initiator port.
func SRPPort(id [16]byte) TransportID { return TransportID{Protocol: ProtocolSRP, Port: id} }

// FCPPort names a Fibre Channel N_Port by its port name.
func FCPPort(name [8]byte) TransportID {
	t := TransportID{Protocol: ProtocolFCP}
	copy(t.Port[:], name[:])
	return t
}

// SASPort names a SAS initiator port by its SAS address.
func SASPort(address [8]byte) TransportID {
	t := TransportID{Protocol: ProtocolSAS}
	copy(t.Port[:], address[:])
	return t
}

// Covers reports that port is t, or one of the ports of the iSCSI device t.
func (t TransportID) Covers(port TransportID) bool {
	if t.Protocol == ProtocolISCSI && !t.HasISID {
		return port.Protocol == ProtocolISCSI && port.Name == t.Name
	}
	return t == port
}

// Len returns the number of bytes that Append appends, a multiple of four.
func (t TransportID) Len() int {
	if t.Protocol != ProtocolISCSI {
		return transportIDLen
	}
	n := len(t.Name) + 1
	if t.HasISID {
		n += len(isidSeparator) + 2*len(t.ISID)
	}
	return max(transportIDLen, 4+(n+3)&^3)
}

// Append appends the wire form of t.
func (t TransportID) Append(dst []byte) []byte {
	start, n := len(dst), t.Len()
	switch t.Protocol {
	case ProtocolISCSI:
		format := byte(0)
		if t.HasISID {
			format = 0x40
		}
		dst = append(dst, format|byte(ProtocolISCSI), 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n-4))
		dst = append(dst, t.Name...)
		if t.HasISID {
			dst = hex.AppendEncode(append(dst, isidSeparator...), t.ISID[:])
		}
	case ProtocolSAS:
		dst = append(dst, byte(ProtocolSAS), 0, 0, 0)
		dst = append(dst, t.Port[:8]...)
	default:
		dst = append(dst, byte(t.Protocol&0xf), 0, 0, 0, 0, 0, 0, 0)
		dst = append(dst, t.Port[:]...)
	}
	return append(dst, make([]byte, start+n-len(dst))...)
}

// String returns "iqn…,i,0x…" for iSCSI and protocol with hexadecimal port name for the rest.
func (t TransportID) String() string {
	switch t.Protocol {
	case ProtocolISCSI:
		if t.HasISID {
			return t.Name + isidSeparator + hex.EncodeToString(t.ISID[:])
		}
		return t.Name
	case ProtocolFCP, ProtocolSAS:
		return t.Protocol.String() + ":" + hex.EncodeToString(t.Port[:8])
	}
	return t.Protocol.String() + ":" + hex.EncodeToString(t.Port[:])
}

// ParseTransportID reads the TransportID at the start of b and returns how many
// bytes it takes. The result does not refer to b.
func ParseTransportID(b []byte) (TransportID, int, error) {
	if len(b) < transportIDLen {
		return TransportID{}, 0, fmt.Errorf("%w: %d bytes, want at least %d", ErrTransportID, len(b), transportIDLen)
	}
	format, t := b[0]>>6, TransportID{Protocol: Protocol(b[0] & 0xf)}
	if t.Protocol == ProtocolISCSI {
		return parseISCSITransportID(format, b)
	}
	if format != 0 {
		return TransportID{}, 0, fmt.Errorf("%w: format %d for %v", ErrTransportID, format, t.Protocol)
	}
	switch t.Protocol {
	case ProtocolFCP:
		copy(t.Port[:8], b[8:16])
	case ProtocolSRP:
		copy(t.Port[:], b[8:24])
	case ProtocolSAS:
		copy(t.Port[:8], b[4:12])
	default:
		return TransportID{}, 0, fmt.Errorf("%w: %v is not supported", ErrTransportID, t.Protocol)
	}
	return t, transportIDLen, nil
}

func parseISCSITransportID(format byte, b []byte) (TransportID, int, error) {
	fail := func(why string, args ...any) (TransportID, int, error) {
		return TransportID{}, 0, fmt.Errorf("%w: "+why, append([]any{ErrTransportID}, args...)...)
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case format > 1:
		return fail("format %d for iSCSI", format)
	case n < transportIDLen-4 || n%4 != 0:
		return fail("additional length %d for iSCSI", n)
	case n > len(b)-4:
		return fail("additional length %d with %d bytes left", n, len(b)-4)
	}
	text := b[4 : 4+n]
	end := bytes.IndexByte(text, 0)
	if end < 0 {
		return fail("iSCSI name without NUL")
	}
	if !printable(text[:end]) {
		return fail("iSCSI name %q is not printable UTF-8", text[:end])
	}
	name := FoldISCSIName(string(text[:end]))
	var isid [6]byte
	if format == 1 {
		var digits string
		var ok bool
		if name, digits, ok = strings.Cut(name, isidSeparator); !ok {
			return fail("iSCSI name %q without ISID", name)
		}
		if len(digits) != 2*len(isid) {
			return fail("ISID %q is not %d digits", digits, 2*len(isid))
		}
		if _, err := hex.Decode(isid[:], []byte(digits)); err != nil {
			return fail("ISID %q: %v", digits, err)
		}
	}
	if name == "" || len(name) > MaxISCSINameLen {
		return fail("iSCSI name of %d bytes", len(name))
	}
	if format == 1 {
		return ISCSIPort(name, isid), 4 + n, nil
	}
	return ISCSIDevice(name), 4 + n, nil
}

// printable reports text that an iSCSI name may consist of (RFC 7143 4.2.7.2
// leaves out control characters and spaces).
func printable(text []byte) bool {
	return utf8.Valid(text) && !bytes.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r)
	})
}
