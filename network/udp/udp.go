// Package udp is datagrams in batches. What every provider of them does is said here: package socket has the sockets of this host,
// package sim a network inside the process, with faults.
package udp

import (
	"context"
	"errors"
	"net/netip"
)

// Errors; what is returned wraps one of them.
var (
	// ErrDenied: the process lacks a capability for what was asked.
	ErrDenied = errors.New("udp: not permitted")
	// ErrTooLong: a datagram is longer than the way to its destination takes.
	ErrTooLong = errors.New("udp: datagram too long")
	// ErrUnreachable: there is no way to the destination, or none from this address.
	ErrUnreachable = errors.New("udp: unreachable")
	// ErrUncut: a message of several datagrams of IPv4 cannot be cut on the way to its destination, as [Message] has it. It is lost, but for its first
	// datagram; others will be. Datagrams have to be messages of their own there.
	ErrUncut = errors.New("udp: messages are not cut")
	// ErrClosed: the socket is closed.
	ErrClosed = errors.New("udp: closed")
)

// A Host has addresses.
type Host interface {
	// Open binds a socket. A port that is taken is syscall.EADDRINUSE, an address that this host has not syscall.EADDRNOTAVAIL. Port 0 is one that is free.
	Open(ctx context.Context, c Config) (Socket, error)
	// MTU is how long an IP packet may be on the way from local to remote, header included, and local itself: a local that is unspecified is
	// replaced by the address that packets to remote are from. No way is [ErrUnreachable].
	MTU(local, remote netip.Addr) (netip.Addr, int, error)
}

// Config says what is opened.
type Config struct {
	Local netip.AddrPort // its address may be unspecified: all addresses of its family, and of that alone
	// Lanes is how many goroutines receive, each with a socket of its own on the same port. Which of them has a datagram
	// is said by 32 bits of its payload at Word, big endian: (word & Mask) % Lanes. Datagrams that are too short are in lane 0.
	Lanes      int
	Word       int
	Mask       uint32
	Longest    int   // bytes of payload of the longest datagram that is received; longer ones are thrown away, and counted. 1 to [MaxPayload]
	Receives   int64 // bytes that may wait to be handed over, for each lane; as many as the system allows
	Capable    bool  // datagrams that are sent are marked ECT(0) (RFC 3168)
	Identified bool  // the IPv4 identification of what comes is wanted ([Packet].Identified). It is [ErrDenied] if that takes a capability that the process lacks
}

// A Socket is an address and port. Its methods may be called from any goroutine, and Send from a handler.
type Socket interface {
	// Start lets h have what comes. It is called once.
	Start(h Handler)
	// Send sends messages in order. It waits for room in the socket for a short while; what does not fit then is lost as it may
	// be in the network, and counted. Their memory is not written to, and free when it returns. An error is about the first message that could
	// not be sent; those behind it were tried as well.
	Send(batch []Message) error
	// Local is what it is bound to, with the port that was found.
	Local() netip.AddrPort
	// Stats is what it has done.
	Stats() Stats
	// Close ends it: no call to the handler is under way or comes when it returns. It is not called from the handler. A second call does nothing.
	Close() error
}

// A Handler is the user of a socket. Calls for one lane come one at a time.
type Handler interface {
	// Received delivers what came to a lane, in order. It borrows batch and all in it.
	Received(lane int, batch []Packet)
}

// A Packet is a datagram that came. Addresses of IPv4 are never mapped into IPv6; link-local addresses have their zone, which is the name of the interface.
type Packet struct {
	Local, Remote netip.AddrPort
	Data          []byte
	Congested     bool // marked CE on its way
	// Identified: ID and Fragment are those of the IPv4 header (fragment with the flags). Sockets that were asked for them know them, but of IPv6, and
	// not any more after something has come from a sender on the same host or in a guest of it, without a wire in between. The first of what such a sender sends
	// may come in one piece, as one datagram that makes no sense, or twice, or not at all.
	Identified   bool
	ID, Fragment uint16
}

// A Message is one datagram, or several of equal length (but for the last) in one piece, to one destination.
type Message struct {
	Local, Remote netip.AddrPort // Local's address is one of the host's, never unspecified; its port is the socket's, and not looked at
	Vec           [][]byte       // the payload, in pieces
	// Segment: the payload is cut into datagrams of Segment bytes, the last one may be shorter, not empty. 0: it is one. At most [MaxSegments],
	// and [MaxPayload] in all.
	// IPv4: the i-th datagram has the identification i (from 0 on), and Don't Fragment.
	Segment int
}

// Limits of one message: what every Linux kernel with UDP_SEGMENT takes.
const (
	MaxSegments = 64
	MaxPayload  = 65535 - 40 - 8
)

// Stats count what a socket has done.
type Stats struct {
	PacketsIn, PacketsOut int64
	BytesIn, BytesOut     int64
	Receives, Sends       int64 // system calls
	Lost                  int64 // that were to be sent, and for which there was no room
	TooLong               int64 // that came and were longer than is received
	Damaged               int64 // that came with a header or a checksum that is wrong, if that is looked at here
	Overflowed            int64 // that came and for which there was no room here, if the system says so
}
