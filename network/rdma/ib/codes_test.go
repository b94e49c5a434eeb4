package ib

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// rnr is the table of RNR timers (9.7.5.2.8), in units of 10 us.
var rnr = []time.Duration{65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152}

// credit is the table of end-to-end credits (9.7.7.2).
var credit = []int{0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768}

func TestSyndromes(t *testing.T) {
	for code, d := range rnr {
		d *= 10 * time.Microsecond
		s := Syndrome(0x20 | code)
		if !s.IsRNR() || s.IsAck() || s.IsNAK() || s.Delay() != d {
			t.Errorf("%#x: %v, want %v", s, s.Delay(), d)
		}
		if _, limited := s.Credits(); limited {
			t.Errorf("%#x has credits", s)
		}
		if RNR(d) != s {
			t.Errorf("%v is %#x, want %#x", d, RNR(d), s)
		}
	}
	if RNR(time.Hour) != 0x20 || RNR(0) != 0x21 || RNR(491521*time.Microsecond) != 0x20 {
		t.Error("delays that are not in the table")
	}
	for code, n := range credit {
		s := Syndrome(code)
		if got, limited := s.Credits(); !s.IsAck() || !limited || got != n {
			t.Errorf("%#x: %d credits, want %d", s, got, n)
		}
		if AckCredits(n) != s {
			t.Errorf("%d credits are %#x, want %#x", n, AckCredits(n), s)
		}
	}
	if AckCredits(5) != 4 || AckCredits(-1) != 0 || AckCredits(1<<20) != 30 {
		t.Error("credits that are not in the table")
	}
	if _, limited := AckUnlimited.Credits(); limited || !AckUnlimited.IsAck() {
		t.Error("credits without flow control")
	}
	for _, s := range []Syndrome{NAKSequence, NAKInvalid, NAKAccess, NAKOperation, NAKDatagram} {
		if !s.IsNAK() || s.IsAck() || s.IsRNR() {
			t.Errorf("%#x is no NAK", s)
		}
	}
	if s := Syndrome(0x45); s.IsNAK() || s.IsAck() || s.IsRNR() {
		t.Error("a reserved syndrome means something")
	}
}

func TestCodes(t *testing.T) {
	for m, n := range map[MTU]int{0: 0, 1: 256, 2: 512, 3: 1024, 4: 2048, 5: 4096, 6: 0, 15: 0} {
		if m.Bytes() != n {
			t.Errorf("MTU %d has %d bytes", m, m.Bytes())
		}
	}
	for n, m := range map[int]MTU{-1: 0, 255: 0, 256: 1, 1023: 2, 1024: 3, 4095: 4, 4096: 5, 9000: 5} {
		if MTUOf(n) != m {
			t.Errorf("%d bytes are MTU %d", n, MTUOf(n))
		}
	}
	if d := Timeout(19).Duration(); d != 4096*time.Nanosecond<<19 {
		t.Errorf("code 19 is %v", d)
	}
	for c := Timeout(0); c < 32; c++ {
		if TimeoutOf(c.Duration()) != c || c < 31 && TimeoutOf(c.Duration()+1) != c+1 {
			t.Errorf("code %d", c)
		}
	}
	if TimeoutOf(1<<62) != 31 || TimeoutOf(0) != 0 {
		t.Error("times that are not in the table")
	}
}

func TestPSN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := PSN(rapid.Uint32Range(0, 0xFFFFFF).Draw(t, "p"))
		n := rapid.IntRange(-1<<23, 1<<23-1).Draw(t, "n")
		q := p.Add(n)
		if q > 0xFFFFFF || q.Sub(p) != n || q.Add(-n) != p {
			t.Fatalf("%d and %d is %d, and back %d", p, n, q, q.Sub(p))
		}
		if m := MSN(p); m.Add(n) != MSN(q) || m.Add(n).Sub(m) != n {
			t.Fatal("MSNs are otherwise")
		}
	})
}
