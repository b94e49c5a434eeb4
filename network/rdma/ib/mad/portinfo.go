package mad

import (
	"net/netip"

	"github.com/lunette-io/lunette/network/rdma/ib"
)

// ClassPortInfoLen is the length of a ClassPortInfo; zeros follow it.
const ClassPortInfoLen = 72

// A Referral is where datagrams of a class are to be sent.
type Referral struct {
	GID          netip.Addr
	TrafficClass uint8
	SL           uint8  // 4 bits
	FlowLabel    uint32 // 20 bits
	LID          uint16
	PKey         uint16
	HopLimit     uint8 // of traps alone
	QPN          ib.QPN
	QKey         uint32
}

// A ClassPortInfo says what a class of management is at a port (13.4.8.1).
type ClassPortInfo struct {
	BaseVersion, ClassVersion uint8
	Capabilities              uint16
	Capabilities2             uint32     // 27 bits
	Timeout                   ib.Timeout // until it answers
	Redirect, Trap            Referral
}

// ParseClassPortInfo reads a ClassPortInfo. false: b is too short.
func ParseClassPortInfo(b []byte) (m ClassPortInfo, ok bool) {
	if len(b) < ClassPortInfoLen {
		return m, false
	}
	return ClassPortInfo{
		BaseVersion: b[0], ClassVersion: b[1], Capabilities: u16(b[2:]), Capabilities2: u32(b[4:]) >> 5, Timeout: ib.Timeout(b[7] & 31),
		Redirect: parseReferral(b[8:]), Trap: parseReferral(b[40:]),
	}, true
}

// Append adds m to b, with zeros behind: [DataLen] bytes.
func (m *ClassPortInfo) Append(b []byte) []byte {
	b = put16(append(b, m.BaseVersion, m.ClassVersion), m.Capabilities)
	b = put32(b, m.Capabilities2<<5|uint32(m.Timeout&31))
	return zeros(m.Trap.append(m.Redirect.append(b)), DataLen-ClassPortInfoLen)
}

func parseReferral(b []byte) Referral {
	v := u32(b[16:])
	return Referral{
		GID: parseGID(b), TrafficClass: byte(v >> 24), SL: byte(v >> 20 & 15), FlowLabel: v & 0xFFFFF,
		LID: u16(b[20:]), PKey: u16(b[22:]), HopLimit: b[24], QPN: ib.QPN(u32(b[24:]) & 0xFFFFFF), QKey: u32(b[28:]),
	}
}

func (r *Referral) append(b []byte) []byte {
	b = put32(putGID(b, r.GID), uint32(r.TrafficClass)<<24|uint32(r.SL&15)<<20|r.FlowLabel&0xFFFFF)
	b = put16(put16(b, r.LID), r.PKey)
	b = put32(b, uint32(r.HopLimit)<<24|uint32(r.QPN)&0xFFFFFF)
	return put32(b, r.QKey)
}
