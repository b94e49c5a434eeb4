// Package ib is the words and the packet headers of InfiniBand (IBTA Architecture Specification, volume 1, release 1.4), as RoCEv2 has them.
package ib

import "net/netip"

// A QPN is the number of a queue pair: 24 bits.
type QPN uint32

// QPNs that are well known.
const (
	QP1 QPN = 1 // the general services interface
)

// A PSN is the sequence number of a packet: 24 bits, which wrap.
type PSN uint32

// Add is the PSN n packets after p; n may be less than 0.
func (p PSN) Add(n int) PSN { return PSN(int64(p)+int64(n)) & 0xFFFFFF }

// Sub is how many packets p is after q: less than 0 if it is before (9.7.1: half of all PSNs are behind).
func (p PSN) Sub(q PSN) int { return int(int32(uint32(p-q)<<8) >> 8) }

// An MSN is the number of messages that a responder has completed (9.7.7.1): 24 bits, which wrap.
type MSN uint32

// Add is the MSN n messages after m; n may be less than 0.
func (m MSN) Add(n int) MSN { return MSN(PSN(m).Add(n)) }

// Sub is how many messages m is after n: less than 0 if it is before.
func (m MSN) Sub(n MSN) int { return PSN(m).Sub(PSN(n)) }

// A Path is two ports: their addresses are their GIDs (an IPv4 address is the GID ::ffff:a.b.c.d).
type Path struct{ Local, Remote netip.Addr }
