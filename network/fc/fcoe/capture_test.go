package fcoe

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc"
)

// captured is the FCoE frames of Linux with itself.
func captured(t testing.TB) (all [][]byte) {
	t.Helper()
	f, err := os.Open("../testdata/fcoe-vn2vn.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(z); s.Scan(); {
		_, digits, _ := strings.Cut(s.Text(), " ")
		b, err := hex.DecodeString(digits)
		if err == nil && len(b) > ethernet.HeaderLen && ethernet.Type(binary.BigEndian.Uint16(b[12:])) == typeFCoE {
			all = append(all, b)
		}
	}
	return all
}

// What Linux has sent is good, and is made the same, byte for byte, of what it says.
func TestCapture(t *testing.T) {
	all := captured(t)
	if len(all) < 1000 {
		t.Fatalf("%d frames", len(all))
	}
	for i, b := range all {
		var f fc.Frame
		if v := decode(b, &f); v != good {
			t.Fatalf("frame %d is not good: %d", i, v)
		}
		fill := len(b) - wholeHead - pduTail - len(f.Payload)
		p := fc.Part{Header: f.Header, First: f.First, Last: f.Last}
		var m trimmings
		putHead(&m.head, ethernet.MAC(b[:6]), ethernet.MAC(b[6:12]), &p)
		half := int64(len(f.Payload) / 2)
		e := ethernet.Frame{Head: m.head[:], Body: f.Payload[:half], Data: buffer.Of(f.Payload), At: half, Len: int64(len(f.Payload)) - half}
		e.Tail = putTail(&m.tail, checksum(&e, fill), fill, f.Last)
		if got := e.Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("frame %d\nis   %x\nmade %x", i, b, got)
		}
	}
}

// A wire that loses, doubles, changes the order and damages: what is delivered is right, the rest is counted.
func TestFaults(t *testing.T) {
	for seed := range uint64(5) {
		withEnds(t, func(t *testing.T, n *sim.Network, a, b *dataEnd) {
			faults := sim.Random(seed, sim.Rates{Drop: 0.02, Double: 0.02, Reorder: 0.05, Damage: 0.05})
			dropped, doubled, damaged := int64(0), int64(0), int64(0)
			n.Break(func(e sim.Event) sim.Fate {
				f := faults(e)
				times := int64(1)
				if f.Double {
					times = 2
				}
				if f.Drop {
					dropped++
					return f
				}
				doubled += times - 1
				if f.Damage > 0 {
					damaged += times
				}
				return f
			})
			l, all := leaseOf(1 << 20)
			a.o.post(testSequence(2, 1, 1, nil, l, 0, 1<<20))
			a.x.flush()
			time.Sleep(time.Second) // those that are late arrive
			synctest.Wait()
			for _, f := range b.got {
				at := int(f.Parameter) - 1000
				if !bytes.Equal(f.Payload, all[at:at+len(f.Payload)]) {
					t.Fatalf("%d bytes at %d are wrong", len(f.Payload), at)
				}
			}
			frames := a.o.frames
			// What is damaged in bytes that mean nothing is taken.
			if got, bad := int64(len(b.got)), b.r.dropped(); got+bad != frames-dropped+doubled || bad > damaged || bad < damaged*3/4 {
				t.Errorf("%d frames: %d have come, %d thrown away; %d dropped, %d doubled, %d damaged", frames, got, bad, dropped, doubled, damaged)
			}
		})
	}
}
