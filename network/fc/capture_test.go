package fc_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fip"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// capture is frames of Linux with itself, as they were on the wire.
func capture(t *testing.T, name string) (all [][]byte) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(z)
	for s.Scan() {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		_, digits, _ := strings.Cut(s.Text(), " ")
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// appended is what every element appends.
type appended interface{ Append(dst []byte) []byte }

// element is what a payload says; nil, and no error, for those that are bytes to everybody.
func element(h fc.Header, b []byte) (appended, error) {
	switch {
	case h.Type == fc.TypeFCP && h.RCtl == fc.RCtlCommand:
		x, err := iu.ParseCommand(b)
		return &x, err
	case h.Type == fc.TypeFCP && h.RCtl == fc.RCtlDataDescriptor:
		return of(iu.ParseReady(b))
	case h.Type == fc.TypeFCP && h.RCtl == fc.RCtlStatus:
		x, err := iu.ParseResponse(b)
		return &x, err
	case h.Type != fc.TypeELS:
		return nil, nil
	}
	switch c := els.CommandOf(b); {
	case len(b) == els.LoginLen:
		x, err := els.ParseLogin(b)
		return &x, err
	case c == els.LOGO:
		return of(els.ParseLogout(b))
	case c == els.PRLI, len(b) == els.PRLILen:
		return of(els.ParsePRLI(b))
	case c == els.RTV:
		return appendOf(els.AppendRTV), els.ParseRTV(b)
	case c == els.LSAcc && len(b) == els.TimeoutLen:
		return of(els.ParseTimeouts(b))
	case c == els.LSAcc:
		return appendOf(els.AppendAccept), els.CheckAccept(b)
	default:
		return of(els.ParseReject(b))
	}
}

func of[T appended](x T, err error) (appended, error) { return x, err }

type appendOf func(dst []byte) []byte

func (f appendOf) Append(dst []byte) []byte { return f(dst) }

// TestCaptures: every frame is parsed, and comes out of that as it was.
func TestCaptures(t *testing.T) {
	for name, want := range map[string]struct{ fip, fcoe, elements int }{
		"fcoe-vn2vn.txt.gz":        {19, 1783, 218},
		"fcoe-fabric-nofcf.txt.gz": {1, 1, 1},
		"fcoe-ptp-nofip.txt.gz":    {2, 33, 33},
	} {
		fips, fcoes, elements := 0, 0, 0
		check := func(i int, h fc.Header, payload []byte) {
			x, err := element(h, payload)
			switch {
			case err != nil:
				t.Fatalf("%s %d: %v: %v", name, i, &h, err)
			case x == nil && h.RCtl != fc.RCtlData:
				t.Fatalf("%s %d: %v: nothing is known of it", name, i, &h)
			case x != nil:
				elements++
				if got := x.Append(nil); !bytes.Equal(got, payload) {
					t.Fatalf("%s %d: %v: %x became %x", name, i, &h, payload, got)
				}
			}
		}
		for i, b := range capture(t, name) {
			var out []byte
			switch binary.BigEndian.Uint16(b[12:]) {
			case uint16(fip.EtherType):
				fips++
				var f fip.Frame
				if err := f.Parse(b[14:]); err != nil {
					t.Fatalf("%s %d: %v", name, i, err)
				}
				out = f.Append(b[:14:14])
				if f.Kind == fip.ClaimResponse {
					out = fip.Pad(out, 14, fip.PayloadOf(int(f.MaxSize))+46)
				}
				if f.Type() != 0 {
					check(i, f.Link.Header, f.Link.Payload)
				}
			case uint16(fip.FCoEType):
				fcoes++
				sof, end := fc.SOF(b[27]), len(b)-8
				h, err := fc.ParseHeader(b[28:end])
				if err != nil {
					t.Fatalf("%s %d: %v", name, i, err)
				}
				payload := b[28+fc.HeaderLen : end]
				if c := fc.CRC(0).Add(b[28:end]); c != fc.CRCAt(b[end:]) {
					t.Fatalf("%s %d: CRC %08x", name, i, c)
				}
				eof := fc.EOF(b[end+4])
				if !sof.Class3() || !eof.Valid() || eof.Last() != (h.FCtl&fc.FCtlEndSequence != 0) || sof.First() != (h.SeqCnt == 0) {
					t.Fatalf("%s %d: %v, %v of %v", name, i, sof, eof, &h)
				}
				out = append(out, b[:14]...)
				out = append(append(out, make([]byte, 13)...), byte(sof))
				out = append(h.Append(out), payload...)
				var crc [fc.CRCLen]byte
				fc.CRC(0).Add(out[28 : 28+fc.HeaderLen]).Add(payload).Put(crc[:])
				out = append(append(out, crc[:]...), byte(eof), 0, 0, 0)
				check(i, h, payload[:len(payload)-int(h.FCtl&fc.FCtlFill)])
			default:
				t.Fatalf("%s %d: %x", name, i, b)
			}
			if !bytes.Equal(out, b) {
				t.Fatalf("%s %d: %x became %x", name, i, b, out)
			}
		}
		if fips != want.fip || fcoes != want.fcoe {
			t.Errorf("%s: %d frames of FIP, %d of FCoE", name, fips, fcoes)
		}
		if elements != want.elements {
			t.Errorf("%s: %d elements", name, elements)
		}
	}
}
