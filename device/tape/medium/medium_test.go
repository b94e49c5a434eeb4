package medium

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/buffer"
)

var spec = Spec{Barcode: "LUN001L8", Format: "L8", Maker: "LUNETTE", Capacity: 64 << 20}

// pattern is a block of n bytes that no other has; compressible, or not.
func pattern(n, seed int, compressible bool) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	for i := range b {
		if !compressible || i%64 < 8 {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

// appendBlocks writes blocks of one length.
func appendBlocks(t testing.TB, h Head, codec Codec, blocks ...[]byte) (int, error) {
	t.Helper()
	l := buffer.Of(bytes.Join(blocks, nil))
	f, err := h.Pack(Blocks{Data: l, Len: int64(len(blocks[0])), Count: len(blocks), Codec: codec})
	if err != nil {
		t.Fatal(err)
	}
	return h.Append(context.Background(), f)
}

// readBlock reads the next block.
func readBlock(h Head) ([]byte, error) {
	l := buffer.Of(make([]byte, 2<<20))
	n, err := h.Read(context.Background(), l, 0, l.Len(), nil)
	return l.At(0)[:n], err
}

func must(t interface {
	Helper()
	Fatal(...any)
}, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Blocks of all codecs, filemarks, closed and opened again: read forwards, with everything where it was.
func TestWriteAndRead(t *testing.T) {
	ctx := context.Background()
	for _, where := range []string{"memory", "files"} {
		t.Run(where, func(t *testing.T) {
			var tape Tape
			dir := filepath.Join(t.TempDir(), spec.Barcode)
			if where == "memory" {
				tape = Memory(spec)
			} else {
				must(t, Create(dir, spec))
				c, err := Open(dir, Options{})
				must(t, err)
				tape = c
				if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
					t.Errorf("opened twice: %v", err)
				}
			}
			h := tape.Head(0)
			var want [][]byte
			for i := range 40 {
				b := [][]byte{pattern(5000+i, 2*i, i%3 > 0), pattern(5000+i, 2*i+1, i%3 > 0)}
				if i%4 == 3 {
					b = [][]byte{pattern(300+i, 3*i, true), pattern(300+i, 3*i+1, true), pattern(300+i, 3*i+2, true)}
				}
				n, err := appendBlocks(t, h, Codec(i%3), b...)
				if n != len(b) || err != nil {
					t.Fatalf("%d, %v", n, err)
				}
				want = append(want, b...)
				if i%10 == 9 {
					_, err := h.Filemarks(ctx, 2)
					must(t, err)
					want = append(want, nil, nil)
				}
			}
			check := func() {
				must(t, h.Locate(ctx, 0))
				for i, w := range want {
					if p := h.Position(); p.Object != uint64(i) {
						t.Fatalf("at %d, not %d", p.Object, i)
					}
					b, err := readBlock(h)
					if w == nil && errors.Is(err, ErrFilemark) {
						continue
					}
					if err != nil || !bytes.Equal(b, w) {
						t.Fatalf("object %d: %d bytes of %d, %v", i, len(b), len(w), err)
					}
				}
				if _, err := readBlock(h); !errors.Is(err, ErrEndOfData) {
					t.Errorf("at the end: %v", err)
				}
			}
			check()
			must(t, tape.Close())
			if where == "memory" {
				again, err := Reopen(tape, Options{})
				must(t, err)
				tape = again
			} else {
				c, err := Open(dir, Options{ReadOnly: true})
				must(t, err)
				tape = c
				if i, err := os.Stat(filepath.Join(dir, "state")); err != nil || i.Mode().Perm() != 0o600 {
					t.Errorf("%v, %v", i, err)
				}
			}
			h = tape.Head(0)
			if len(tape.Recovered()) > 0 {
				t.Errorf("recovered %v", tape.Recovered())
			}
			check()
			must(t, tape.Close())
		})
	}
}
