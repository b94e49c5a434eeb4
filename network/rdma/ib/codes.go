package ib

import "time"

// An MTU is the code of a maximum transfer unit: the payload of a packet (9.2): 1 is 256 bytes, 5 is 4096.
type MTU uint8

// MTUs.
const (
	MTU256 MTU = iota + 1
	MTU512
	MTU1024
	MTU2048
	MTU4096
)

// Bytes is the payload of a packet; 0: the code is none.
func (m MTU) Bytes() int {
	if m < MTU256 || m > MTU4096 {
		return 0
	}
	return 128 << m
}

// MTUOf is the largest MTU that has n bytes at the most; 0: there is none.
func MTUOf(n int) MTU {
	m := MTU4096
	for m > 0 && 128<<m > n {
		m--
	}
	return m
}

// A Timeout is the code of a time: 4.096 us times 2 to the power of the code, 0 to 31. As local ACK time-out 0 is: never (9.7.6.1.3).
type Timeout uint8

// Duration is the time of a code.
func (t Timeout) Duration() time.Duration { return 4096 << (t & 31) }

// TimeoutOf is the code of the shortest time that is not less than d.
func TimeoutOf(d time.Duration) Timeout {
	t := Timeout(0)
	for t < 31 && t.Duration() < d {
		t++
	}
	return t
}
