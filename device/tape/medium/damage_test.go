package medium

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lunette-io/lunette/buffer"
)

// filled is a closed cartridge in memory with some of everything, and what is on it.
func filled(t testing.TB, cfg config) (*memFolder, []thing) {
	t.Helper()
	ctx := context.Background()
	d := newMemFolder()
	must(t, createIn(d, Spec{Barcode: "A", Capacity: 8 << 20}))
	c, err := openIn(d, Options{}, cfg, nil)
	must(t, err)
	h := c.Head(0)
	var all []thing
	for i := range 60 {
		blocks := [][]byte{pattern(4096+i*100, 2*i, i%2 > 0), pattern(4096+i*100, 2*i+1, i%2 > 0)}
		if i%5 == 4 {
			blocks = [][]byte{pattern(100+i, 2*i, false), pattern(100+i, 2*i+1, false)}
		}
		_, err := appendBlocks(t, h, Codec(i%3), blocks...)
		must(t, err)
		all = append(all, thing{data: blocks[0]}, thing{data: blocks[1]})
		if i%7 == 6 {
			_, err := h.Filemarks(ctx, 2)
			must(t, err)
			all = append(all, thing{mark: true}, thing{mark: true})
		}
		if i%11 == 10 { // in the middle of the last frame
			at := len(all) - 1
			must(t, h.Locate(ctx, uint64(at)))
			all = all[:at]
		}
	}
	if h.Position().Object != uint64(h.(*head).end.object) {
		must(t, h.Erase(ctx))
	}
	must(t, c.Close())
	return d, all
}

// readsRight reads all that a cartridge has: each object is what it was, or is damaged. It returns those that are damaged.
func readsRight(t *testing.T, what string, c *Cartridge, all []thing) (damaged []uint64) {
	t.Helper()
	ctx := context.Background()
	h := c.Head(0)
	must(t, h.Locate(ctx, 0))
	for i := range all {
		if p := h.Position(); p.Object != uint64(i) {
			t.Fatalf("%s: it is at %d, not %d", what, p.Object, i)
		}
		l := buffer.Of(make([]byte, 32<<10))
		n, err := h.Read(ctx, l, 0, l.Len(), nil)
		bad := (*CorruptError)(nil)
		switch {
		case errors.As(err, &bad):
			if bad.Object != uint64(i) {
				t.Errorf("%s: object %d: %v", what, i, err)
			}
			damaged = append(damaged, uint64(i))
			_, err := h.Space(ctx, 1)
			if err != nil && !errors.Is(err, ErrFilemark) {
				t.Fatalf("%s: over object %d: %v", what, i, err)
			}
		case errors.Is(err, ErrFilemark) && all[i].mark:
		case err != nil, all[i].mark, !bytes.Equal(l.At(0)[:n], all[i].data):
			t.Fatalf("%s: object %d: %d bytes, %v", what, i, n, err)
		}
	}
	if _, err := h.Read(ctx, buffer.Of(make([]byte, 10)), 0, 10, nil); !errors.Is(err, ErrEndOfData) {
		t.Errorf("%s: at the end: %v", what, err)
	}
	return damaged
}

// Whatever byte of the data is wrong: what is damaged is said so, by Verify as well, and all the rest is right.
func TestDamage(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(3, 3))
	d, all := filled(t, small)
	for _, seg := range []string{"p0.1/data.000000", "p0.1/data.000001", "p0.1/data.000002"} {
		f := d.files[seg]
		if f == nil {
			t.Fatalf("there is no %s", seg)
		}
		for range 60 {
			at := r.Int64N(f.n)
			b := make([]byte, 1)
			_, err := readAt(f, b, at)
			must(t, err)
			must(t, writeAt(f, []byte{b[0] ^ 0x40}, at))
			what := fmt.Sprintf("%s, byte %d", seg, at)
			c, err := openIn(d, Options{ReadOnly: true}, small, nil)
			must(t, err)
			damaged := readsRight(t, what, c, all)
			report, err := c.verify(ctx, nil)
			must(t, err)
			var said []uint64
			for _, x := range report.Damaged {
				for i := range x.Count {
					said = append(said, x.Object+i)
				}
			}
			if fmt.Sprint(said) != fmt.Sprint(damaged) {
				t.Errorf("%s: damaged are %v, verify says %v", what, damaged, said)
			}
			must(t, c.Close())
			must(t, writeAt(f, b, at))
		}
	}
}

// Whatever byte of an index is wrong: all is right, or says that the index is damaged; Reindex makes it good.
func TestDamagedIndex(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(4, 3))
	d, all := filled(t, small)
	for _, name := range []string{"p0.1/index", "p0.1/marks", "p0.1/header"} {
		for range 40 {
			f := d.files[name]
			at := r.Int64N(f.n)
			b := make([]byte, 1)
			_, err := readAt(f, b, at)
			must(t, err)
			must(t, writeAt(f, []byte{b[0] ^ 0x40}, at))
			what := fmt.Sprintf("%s, byte %d", name, at)
			if c, err := openIn(d, Options{ReadOnly: true}, small, nil); err == nil {
				h := c.Head(0)
				if name != "p0.1/marks" { // to read on needs no filemark index, but to space does
					if bad := readsRight(t, what, c, all); len(bad) > 0 {
						t.Errorf("%s: damaged are %v", what, bad)
					}
				}
				for i := range all {
					must(t, h.Locate(ctx, uint64(i)))
					file := h.Position().File
					for range 5 {
						if _, err := h.SpaceFilemarks(ctx, 1); err != nil {
							if bad := (*CorruptError)(nil); !errors.As(err, &bad) && !errors.Is(err, ErrEndOfData) {
								t.Fatalf("%s: %v", what, err)
							}
							break
						}
						if file++; h.Position().File != file || !all[h.Position().Object-1].mark {
							t.Fatalf("%s: behind filemark %d it is at %v", what, file, h.Position())
						}
					}
				}
				must(t, c.Close())
			} else if name != "p0.1/header" {
				t.Fatalf("%s: %v", what, err)
			}
			_, err = reindexIn(ctx, d, small)
			must(t, err)
			c, err := openIn(d, Options{ReadOnly: true}, small, nil)
			must(t, err)
			if bad := readsRight(t, what, c, all); len(bad) > 0 {
				t.Errorf("%s: damaged are %v after reindex", what, bad)
			}
			if report, err := c.verify(ctx, nil); err != nil || !report.Whole() {
				t.Errorf("%s: after reindex: %v, %+v", what, err, report)
			}
			must(t, c.Close())
		}
	}
}

// A file of the data that is gone, or ends early, takes its objects with it, and no others.
func TestLostSegment(t *testing.T) {
	for _, how := range []string{"gone", "short"} {
		d, all := filled(t, small)
		if how == "gone" {
			must(t, d.remove("p0.1/data.000001"))
		} else {
			must(t, d.files["p0.1/data.000001"].truncate(5000))
		}
		c, err := openIn(d, Options{ReadOnly: true}, small, nil)
		must(t, err)
		bad := readsRight(t, how, c, all)
		if len(bad) == 0 || len(bad) > len(all)*2/3 {
			t.Errorf("%s: %d of %d objects are damaged", how, len(bad), len(all))
		}
		must(t, c.Close())
	}
}
