package mad

import "net/netip"

// What RDMA IP CM (annex A11) adds to a REQ: service IDs that name ports, and a header in the private data.

// PortSpaceTCP is the port space of reliable connections.
const PortSpaceTCP = 0x0106

// ServiceID is that of a port of reliable connections.
func ServiceID(port uint16) uint64 { return PortSpaceTCP<<16 | uint64(port) }

// PortOf is the port of a service ID; false: it is no port of reliable connections.
func PortOf(id uint64) (port uint16, ok bool) { return uint16(id), id>>16 == PortSpaceTCP }

// Lengths of the header of IP CM, and of what is left of a REQ's private data.
const (
	IPHeaderLen   = 36
	IPPrivateSize = REQPrivate - IPHeaderLen
)

// An IPHeader is at the start of a REQ's private data (A11.4).
type IPHeader struct {
	Version             uint8 // major and minor, 4 bits each: 0
	SourcePort          uint16
	Source, Destination netip.Addr // both IPv4, or both IPv6
}

// ParseIPHeader reads the header, and returns what follows. false: private is too short, or the version of IP is none.
func ParseIPHeader(private []byte) (h IPHeader, rest []byte, ok bool) {
	b := private
	if len(b) < IPHeaderLen {
		return h, nil, false
	}
	h = IPHeader{Version: b[0], SourcePort: u16(b[2:])}
	switch b[1] >> 4 {
	case 4:
		h.Source, h.Destination = netip.AddrFrom4([4]byte(b[16:20])), netip.AddrFrom4([4]byte(b[32:36]))
	case 6:
		h.Source, h.Destination = netip.AddrFrom16([16]byte(b[4:20])), netip.AddrFrom16([16]byte(b[20:36]))
	default:
		return h, nil, false
	}
	return h, b[IPHeaderLen:], true
}

// Append adds h to b.
func (h *IPHeader) Append(b []byte) []byte {
	v := byte(0x60)
	if h.Source.Is4() {
		v = 0x40
	}
	return appendIP(appendIP(put16(append(b, h.Version, v), h.SourcePort), h.Source), h.Destination)
}

func appendIP(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return append(zeros(b, 12), v[:]...)
	}
	return putGID(b, a)
}
