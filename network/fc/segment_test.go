package fc_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
)

// The bits of F_CTL, written down once more.
const (
	first    fc.FCtl = 0x200000
	last     fc.FCtl = 0x100000
	end      fc.FCtl = 0x080000
	transfer fc.FCtl = 0x010000
	offset   fc.FCtl = 0x000008
)

// Every length of head and data at every limit: the frames are the payload, each is as long as may be, and
// what is on the last frame is there alone.
func TestPart(t *testing.T) {
	data := make([]byte, 3*fc.MaxPayload+7)
	for i := range data {
		data[i] = byte(i*31 + i>>8)
	}
	lease := buffer.Of(data)
	for _, limits := range [][3]int{ // the network's, the other port's, the lesser
		{2112, 2112, 2112}, {2112, 0, 2112}, {1452, 2112, 1452}, {2112, 512, 512}, {511, 600, 511}, {600, 511, 511},
		{256, 2112, 256}, {1024, 1024, 1024}, {257, 258, 257}, {0, 0, 256}, {9000, 9000, 2112}, {2112, 1, 256},
	} {
		limit := limits[2]
		whole := int64(limit / 512 * 512)
		if whole == 0 {
			whole = int64(limit / 4 * 4)
		}
		for _, head := range []int{0, 1, 4, 16, 24, 255, 256} {
			for size := 0; size+5 < len(data); size += 1 + size/97*3 {
				s := &fc.Sequence{
					Header:     fc.Header{FCtl: first | last | end | transfer | offset, SeqCnt: 0xfffe, Parameter: 0x1000},
					Head:       data[:head],
					At:         5,
					Len:        int64(size),
					MaxPayload: limits[1],
				}
				if size > 0 {
					s.Data = lease
				}
				want := append(bytes.Clone(data[:head]), data[5:5+size]...)
				if s.Size() != int64(len(want)) {
					t.Fatalf("a size of %d, want %d", s.Size(), len(want))
				}
				if err := check(s, limits[0], limit, whole, want); err != nil {
					t.Fatalf("limits %v, head %d, data %d: %v", limits, head, size, err)
				}
			}
		}
	}
}

func check(s *fc.Sequence, limit, lesser int, whole int64, want []byte) error {
	var got []byte
	for n := 0; ; n++ {
		p := s.Part(limit, int64(len(got)))
		rest := int64(len(want) - len(got))
		isLast := rest <= int64(lesser)
		length := whole
		if isLast {
			length = rest
		}
		ctl, fill := first|offset, 0
		if isLast {
			fill = int((4 - rest%4) % 4)
			ctl |= last | end | transfer | fc.FCtl(fill)
		}
		switch {
		case p.First != (n == 0) || p.Last != isLast:
			return fmt.Errorf("frame %d: first %v, last %v", n, p.First, p.Last)
		case p.Payload() != length:
			return fmt.Errorf("frame %d has %d bytes, want %d", n, p.Payload(), length)
		case p.FCtl != ctl || p.Fill != fill:
			return fmt.Errorf("frame %d: F_CTL %06x, fill %d, want %06x, %d", n, p.FCtl, p.Fill, ctl, fill)
		case p.SeqCnt != uint16(0xfffe+n):
			return fmt.Errorf("frame %d: SEQ_CNT %04x", n, p.SeqCnt)
		case p.Parameter != 0x1000+uint32(len(got)):
			return fmt.Errorf("frame %d: parameter %x", n, p.Parameter)
		}
		got = append(got, p.Head...)
		for at, left := p.At, p.Len; left > 0; {
			b := s.Data.At(at)
			b = b[:min(int64(len(b)), left)]
			got = append(got, b...)
			at, left = at+int64(len(b)), left-int64(len(b))
		}
		if p.Last {
			if s.Frames(limit) != int64(n+1) {
				return fmt.Errorf("%d frames, and it says %d", n+1, s.Frames(limit))
			}
			break
		}
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d other bytes", len(got))
	}
	return nil
}

// Without RELATIVE OFFSET PRESENT the parameter is the same in all frames, and fill that the poster has set does not count.
func TestPartParameter(t *testing.T) {
	s := &fc.Sequence{Header: fc.Header{FCtl: end | 3, Parameter: 7}, Data: buffer.Of(make([]byte, 5000)), Len: 5000}
	for moved := int64(0); ; {
		p := s.Part(2112, moved)
		if p.Parameter != 7 {
			t.Errorf("parameter %d", p.Parameter)
		}
		moved += p.Payload()
		if p.Last {
			if p.FCtl != end {
				t.Errorf("F_CTL %06x", p.FCtl)
			}
			return
		}
		if p.FCtl != 0 {
			t.Errorf("F_CTL %06x", p.FCtl)
		}
	}
}

func TestPartAllocates(t *testing.T) {
	s := &fc.Sequence{Head: make([]byte, 16), Data: buffer.Of(make([]byte, 5000)), Len: 5000}
	if n := testing.AllocsPerRun(100, func() {
		for moved, over := int64(0), false; !over; {
			p := s.Part(2112, moved)
			moved, over = moved+p.Payload(), p.Last
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
