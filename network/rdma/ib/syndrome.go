package ib

import "time"

// A Syndrome says whether an AETH acknowledges, and how many credits there are or why not (9.3.5).
type Syndrome uint8

// Syndromes.
const (
	// AckUnlimited acknowledges; there is no flow control end to end.
	AckUnlimited Syndrome = 0x1F
	NAKSequence  Syndrome = 0x60 // a packet before is missing
	NAKInvalid   Syndrome = 0x61 // invalid request
	NAKAccess    Syndrome = 0x62 // remote access error
	NAKOperation Syndrome = 0x63 // remote operational error
	NAKDatagram  Syndrome = 0x64 // invalid RD request
)

// IsAck reports that s acknowledges, IsRNR that the receiver was not ready, IsNAK any other refusal. A syndrome that is reserved is none of them.
func (s Syndrome) IsAck() bool { return s>>5 == 0 }

// IsRNR reports a receiver that was not ready.
func (s Syndrome) IsRNR() bool { return s>>5 == 1 }

// IsNAK reports a negative acknowledgement that is not one of a receiver that was not ready.
func (s Syndrome) IsNAK() bool { return s>>5 == 3 }

// Credits are how many messages the peer has room for after the one that is acknowledged (9.7.7.2); false: it does not count them.
func (s Syndrome) Credits() (n int, limited bool) {
	code := s & 31
	if !s.IsAck() || code == 31 {
		return 0, false
	}
	return credits(int(code)), true
}

// credits is the value of a credit code: 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, up to 32768.
func credits(code int) int {
	if code < 2 {
		return code
	}
	return (2 + code&1) << (code/2 - 1)
}

// AckCredits acknowledges, with the largest credit that is not more than n.
func AckCredits(n int) Syndrome {
	code := 0
	for code < 30 && credits(code+1) <= n {
		code++
	}
	return Syndrome(code)
}

// RNR says that the receiver is not ready, for d at the least: the shortest delay of the table that is not less (the longest, 655.36 ms, if there is none).
func RNR(d time.Duration) Syndrome { return 0x20 | Syndrome(RNRCode(d)) }

// RNRCode is the code of a delay: the shortest of the table that is not less than d.
func RNRCode(d time.Duration) uint8 {
	for code := uint8(1); code < 32; code++ {
		if delay(code) >= d {
			return code
		}
	}
	return 0
}

// Delay is how long the sender of a message waits after an RNR NAK (9.7.5.2.8).
func (s Syndrome) Delay() time.Duration { return delay(uint8(s & 31)) }

// delay is the time of an RNR timer code (9.7.5.2.8): 1 is 10 us, 2 and 3 are 20 and 30, then each two steps are twice as long; 0 is the longest.
func delay(code uint8) time.Duration {
	const unit = 10 * time.Microsecond
	switch code {
	case 0:
		return 65536 * unit
	case 1:
		return unit
	}
	return time.Duration(2+code&1) * unit << (code/2 - 1)
}
