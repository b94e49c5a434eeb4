package scsi_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSenseWire(t *testing.T) {
	for _, c := range []struct {
		name              string
		sense             scsi.Sense
		fixed, descriptor string
	}{
		{"none", scsi.Sense{}, "70 00 00 00000000 0a 00000000 00 00 00 000000", "72 00 00 00 000000 00"},
		{"opcode", scsi.InvalidOpcode(),
			"70 00 05 00000000 0a 00000000 20 00 00 c00000", "72 05 20 00 000000 08 0206 0000 c00000 00"},
		{"field with bit", scsi.InvalidFieldInCDB(2, 6),
			"70 00 05 00000000 0a 00000000 24 00 00 ce0002", "72 05 24 00 000000 08 0206 0000 ce0002 00"},
		{"list field", scsi.InvalidFieldInParameterList(300, -1),
			"70 00 05 00000000 0a 00000000 26 00 00 80012c", "72 05 26 00 000000 08 0206 0000 80012c 00"},
		{"information", scsi.UnrecoveredReadError(0x12345678),
			"f0 00 03 12345678 0a 00000000 11 00 00 000000", "72 03 11 00 000000 0c 000a 8000 0000000012345678"},
		{"deferred write error above 32 bits", scsi.WriteError(1 << 32).AsDeferred(),
			"71 00 03 00000000 0a 00000000 0c 00 00 000000", "73 03 0c 00 000000 0c 000a 8000 0000000100000000"},
		{"progress", scsi.Sense{Key: scsi.KeyNotReady, ASC: scsi.ASCFormatInProgress, ProgressValid: true, Progress: 0x8000},
			"70 00 02 00000000 0a 00000000 04 04 00 808000", "72 02 04 04 000000 08 0206 0000 808000 00"},
		{"long block of a tape", scsi.Sense{ILI: true, InfoValid: true, Info: ^uint64(0)},
			"f0 00 20 ffffffff 0a 00000000 00 00 00 000000", "72 00 00 00 000000 10 000a 8000 ffffffffffffffff 0402 0020"},
		{"filemark", scsi.Sense{ASC: scsi.ASCFilemarkDetected, Filemark: true, EOM: true, CommandSpecific: 7},
			"70 00 c0 00000000 0a 00000007 00 01 00 000000", "72 00 00 01 000000 10 010a 0000 0000000000000007 0402 00c0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, want := c.sense.AppendFixed(nil), unhex(t, c.fixed); !bytes.Equal(got, want) {
				t.Errorf("fixed\n got %x\nwant %x", got, want)
			}
			if got, want := c.sense.AppendDescriptor([]byte{9})[1:], unhex(t, c.descriptor); !bytes.Equal(got, want) {
				t.Errorf("descriptor\n got %x\nwant %x", got, want)
			}
			back, err := scsi.ParseSense(c.sense.AppendDescriptor(nil))
			if err != nil || back != c.sense {
				t.Errorf("parsed descriptor %+v, %v", back, err)
			}
			want := c.sense
			if want.Info > 1<<31 && !want.ILI {
				want.InfoValid, want.Info = false, 0
			}
			if back, err = scsi.ParseSense(c.sense.AppendFixed(nil)); err != nil || back != want {
				t.Errorf("parsed fixed %+v, %v", back, err)
			}
		})
	}
}

func TestSenseTooLongFitsItsBound(t *testing.T) {
	s := scsi.InvalidFieldInCDB(1, 1).WithInfo(1)
	s.CommandSpecific, s.ILI = 1, true
	if n := len(s.AppendDescriptor(nil)); n != 8+12+12+8+4 || n > scsi.MaxSenseLen {
		t.Errorf("%d bytes, bound %d", n, scsi.MaxSenseLen)
	}
}

func TestParseSenseRefuses(t *testing.T) {
	for _, c := range []string{"", "00", "7000", "720500", "7f0000000000000000", "720500000000000402ff0000"} {
		if s, err := scsi.ParseSense(unhex(t, c)); !errors.Is(err, scsi.ErrSense) {
			t.Errorf("%s: %+v, %v", c, s, err)
		}
	}
	// Cut short by an allocation length: what is there counts.
	s, err := scsi.ParseSense(scsi.InvalidFieldInCDB(2, -1).AppendFixed(nil)[:14])
	if want := scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB); err != nil || s != want {
		t.Errorf("cut: %+v, %v", s, err)
	}
}

func TestSenseIsAnError(t *testing.T) {
	err := fmt.Errorf("write: %w", scsi.SpaceAllocationFailed())
	if got := scsi.SenseOf(err); got != scsi.SpaceAllocationFailed() {
		t.Errorf("SenseOf gives %v", got)
	}
	if got := scsi.SenseOf(errors.New("other")); got != scsi.InternalTargetFailure() {
		t.Errorf("SenseOf of a foreign error gives %v", got)
	}
	if !scsi.SenseOf(nil).IsZero() || scsi.InvalidOpcode().IsZero() {
		t.Error("IsZero")
	}
	want := "ILLEGAL REQUEST: invalid field in CDB (5/24/00), CDB byte 3 bit 4"
	if got := scsi.InvalidFieldInCDB(3, 4).Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := scsi.ASC(0xfefe).String(); got != "additional sense fe/fe" {
		t.Errorf("unknown code reads %q", got)
	}
	if got := scsi.ASCSpaceAllocationFailed.String(); got != "space allocation failed write protect" {
		t.Errorf("27/07 reads %q", got)
	}
}

func TestSenseAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 64)
	s := scsi.Miscompare(512)
	if n := testing.AllocsPerRun(100, func() { buf = s.AppendDescriptor(s.AppendFixed(buf[:0])) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseSense(f *testing.F) {
	f.Add(scsi.InvalidFieldInCDB(1, 2).AppendFixed(nil))
	f.Add(scsi.Miscompare(1 << 40).AppendDescriptor(nil))
	f.Add([]byte("\xf31000000\x0a\x0a0000000000")) // a descriptor that says nothing
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := scsi.ParseSense(b)
		if err != nil {
			return
		}
		if s.ProgressValid && s.Field.Valid {
			t.Fatal("both a field and progress")
		}
		again, err := scsi.ParseSense(s.AppendDescriptor(nil))
		if err != nil || again != s {
			t.Fatalf("%x: %+v becomes %+v, %v", b, s, again, err)
		}
	})
}
