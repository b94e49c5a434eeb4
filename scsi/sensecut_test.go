package scsi_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

// longSense is sense data of n bytes in descriptor format: what s says, and behind it descriptors of
// vendors, each of 2 to 14 bytes.
func longSense(s scsi.Sense, n int) []byte {
	b := s.AppendDescriptor(nil)
	for k := 0; len(b) < n; k++ {
		d := min(n-len(b), 2+k%13)
		if n-len(b)-d == 1 { // no descriptor has one byte
			d++
		}
		b = append(b, 0x80+byte(k%0x7f), byte(d-2))
		b = append(b, bytes.Repeat([]byte{byte(k)}, d-2)...)
	}
	b[7] = byte(len(b) - 8)
	return b
}

// Whatever is left of sense data that is too long, it is as much as there can be, and reads like
// sense data that was never longer.
func TestCutSense(t *testing.T) {
	first := scsi.Sense{Key: scsi.KeyMediumError, ASC: scsi.ASCUnrecoveredReadError, InfoValid: true, Info: 1 << 40, CommandSpecific: 9}
	for _, whole := range []int{32, 124, 125, 126, 127, 128, 129, 130, 252} {
		for n := 8; n <= 260; n++ {
			b := longSense(first, whole)
			if len(b) != whole {
				t.Fatalf("%d bytes", len(b))
			}
			long := bytes.Clone(b)
			got := scsi.CutSense(b[:whole:whole], n)
			where := fmt.Sprintf("%d of %d", n, whole)
			if whole <= n {
				if !bytes.Equal(got, long) {
					t.Fatalf("%s: nothing was to be cut: %x", where, got)
				}
				continue
			}
			if len(got) > n || int(got[7]) != len(got)-8 || got[4] != 0x80 {
				t.Fatalf("%s: %x", where, got)
			}
			if next := int(long[len(got)+1]) + 2; len(got)+next <= n {
				t.Fatalf("%s: another %d bytes would fit behind %d", where, next, len(got))
			}
			if !bytes.Equal(got[8:], long[8:len(got)]) {
				t.Fatalf("%s: descriptors have changed: %x", where, got)
			}
			want := first
			if len(got) < 32 {
				want.CommandSpecific = 0
			}
			if len(got) < 20 {
				want.InfoValid, want.Info = false, 0
			}
			if s, err := scsi.ParseSense(got); err != nil || s != want {
				t.Fatalf("%s: %+v, %v", where, s, err)
			}
		}
	}
	for n := 8; n <= 20; n++ {
		got := scsi.CutSense(first.AppendFixed(nil), n)
		s, err := scsi.ParseSense(got)
		cut := n < scsi.FixedSenseLen
		if err != nil || len(got) != min(n, scsi.FixedSenseLen) || int(got[7]) != len(got)-8 || (got[2]&0x10 != 0) != cut || s.Key != first.Key {
			t.Errorf("fixed, %d: %x, %+v, %v", n, got, s, err)
		}
	}
	for n := -1; n < 8; n++ { // no room for a header: nothing is overrun
		if got := scsi.CutSense(longSense(first, 40), n); len(got) != max(n, 0) {
			t.Errorf("%d: %x", n, got)
		}
	}
	// A descriptor that says that it is longer than all there is.
	if got := scsi.CutSense(append(first.AppendDescriptor(nil), 0x80, 0xff, 1), 34); len(got) != 32 {
		t.Errorf("%x", got)
	}
}

// No sense data that is sent needs more room than initiators over RDMA have: 128 bytes, of which its
// length takes two.
func TestSenseFits(t *testing.T) {
	if scsi.MaxSenseLen > 126 || scsi.FixedSenseLen > 126 {
		t.Errorf("%d and %d bytes", scsi.MaxSenseLen, scsi.FixedSenseLen)
	}
}
