package page

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// PerformanceHeaderLen and PerformanceLen are the lengths of what GET PERFORMANCE data begins with, and of each of the descriptors here.
const (
	PerformanceHeaderLen = 8
	PerformanceLen       = 16
)

// A Performance is a nominal performance descriptor (MMC-6 6.8.3.2). Speeds are in kilobytes (1000) a second.
type Performance struct{ First, FirstSpeed, Last, LastSpeed uint32 }

// AppendPerformance appends GET PERFORMANCE data of type 0, nominal, for writing if write is set.
func AppendPerformance(dst []byte, write bool, all ...Performance) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0, flag(write, 0x02), 0, 0, 0)
	for _, p := range all {
		for _, v := range [...]uint32{p.First, p.FirstSpeed, p.Last, p.LastSpeed} {
			dst = binary.BigEndian.AppendUint32(dst, v)
		}
	}
	return setLen32(dst, at)
}

// AppendNoExceptions appends GET PERFORMANCE data of type 0 with exceptions, of which there are none.
func AppendNoExceptions(dst []byte, write bool) []byte {
	return append(dst, 0, 0, 0, PerformanceHeaderLen-4, flag(write, 0x02)|0x01, 0, 0, 0)
}

// A WriteSpeed is a write speed descriptor (MMC-6 6.8.3.5). Speeds are in kilobytes (1000) a second.
type WriteSpeed struct {
	Rotation    uint8 // WRC, 0 to 3
	Default     bool  // RDD
	Exact       bool
	Mixed       bool // MRW
	Last        uint32
	Read, Write uint32
}

// AppendWriteSpeeds appends GET PERFORMANCE data of type 3.
func AppendWriteSpeeds(dst []byte, all ...WriteSpeed) []byte {
	at := len(dst)
	dst = appendZeros(dst, PerformanceHeaderLen)
	for _, w := range all {
		dst = append(dst, w.Rotation&3<<3|flag(w.Default, 0x04)|flag(w.Exact, 0x02)|flag(w.Mixed, 0x01), 0, 0, 0)
		for _, v := range [...]uint32{w.Last, w.Read, w.Write} {
			dst = binary.BigEndian.AppendUint32(dst, v)
		}
	}
	return setLen32(dst, at)
}

// ErrPerformance is wrapped by every error of [ParsePerformance] and [ParseWriteSpeeds].
var ErrPerformance = errors.New("malformed GET PERFORMANCE data")

// ParsePerformance reads GET PERFORMANCE data of type 0, nominal: for initiators and tests.
func ParsePerformance(b []byte) (all []Performance, write bool, err error) {
	if err := checkPerformance(b); err != nil {
		return nil, false, err
	}
	write = b[4]&0x02 != 0
	for b = b[PerformanceHeaderLen:]; len(b) > 0; b = b[PerformanceLen:] {
		at := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
		all = append(all, Performance{at(0), at(4), at(8), at(12)})
	}
	return all, write, nil
}

// ParseWriteSpeeds reads GET PERFORMANCE data of type 3: for initiators and tests.
func ParseWriteSpeeds(b []byte) (all []WriteSpeed, err error) {
	if err := checkPerformance(b); err != nil {
		return nil, err
	}
	for b = b[PerformanceHeaderLen:]; len(b) > 0; b = b[PerformanceLen:] {
		at := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
		all = append(all, WriteSpeed{b[0] >> 3 & 3, b[0]&0x04 != 0, b[0]&0x02 != 0, b[0]&0x01 != 0, at(4), at(8), at(12)})
	}
	return all, nil
}

func checkPerformance(b []byte) error {
	if len(b) < PerformanceHeaderLen || uint64(binary.BigEndian.Uint32(b)) != uint64(len(b)-4) || (len(b)-PerformanceHeaderLen)%PerformanceLen != 0 {
		return fmt.Errorf("%w: %d bytes", ErrPerformance, len(b))
	}
	return nil
}
