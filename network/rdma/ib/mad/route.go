package mad

import (
	"net/netip"

	"github.com/lunette-io/lunette/network/rdma/ib"
)

// PermissiveLID is what stands for the LIDs of ports that have none, or that are behind a router (12.7.21).
const PermissiveLID = 0xFFFF

// A Route is a path as the communication manager writes it (12.7.21 to 12.7.28, 44 bytes).
type Route struct {
	LocalLID, RemoteLID uint16
	Local, Remote       netip.Addr // GIDs; one that is all zero is the zero Addr
	FlowLabel           uint32     // 20 bits
	Rate                uint8      // 6 bits
	TrafficClass        uint8
	HopLimit            uint8
	SL                  uint8 // service level, 4 bits
	SubnetLocal         bool
	Timeout             ib.Timeout // local ACK time-out
}

func parseRoute(b []byte) Route {
	return Route{
		LocalLID: u16(b), RemoteLID: u16(b[2:]), Local: parseGID(b[4:]), Remote: parseGID(b[20:]),
		FlowLabel: u32(b[36:]) >> 12, Rate: b[39] & 0x3F, TrafficClass: b[40], HopLimit: b[41],
		SL: b[42] >> 4, SubnetLocal: b[42]&8 != 0, Timeout: ib.Timeout(b[43] >> 3),
	}
}

func (r *Route) append(b []byte) []byte {
	b = put16(put16(b, r.LocalLID), r.RemoteLID)
	b = putGID(putGID(b, r.Local), r.Remote)
	b = put32(b, r.FlowLabel<<12|uint32(r.Rate&0x3F))
	return append(b, r.TrafficClass, r.HopLimit, r.SL<<4|bit(r.SubnetLocal, 8), byte(r.Timeout)<<3)
}

// parseGID is the address of a GID: IPv4 if it is a mapped one, and none if it is zero.
func parseGID(b []byte) netip.Addr {
	a := netip.AddrFrom16([16]byte(b))
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.Unmap()
}

func putGID(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return zeros(b, 16)
	}
	g := a.As16()
	return append(b, g[:]...)
}
