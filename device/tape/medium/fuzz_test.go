package medium

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/lunette-io/lunette/buffer"
)

// The header of a frame: what is read is written as it was.
func FuzzFrameHeader(f *testing.F) {
	seed := seedOf(7)
	var b [maxHead]byte
	for _, x := range []frame{
		{kind: kindBlocks, count: 3, all: 3, length: 5000, stored: 15000, epoch: 2, at: position{1, 2, 1, 3, 4}},
		{kind: kindBlocks, count: 1, all: 1, length: 5000, stored: 300, codec: Zstd},
		{kind: kindBlocks, count: 1, all: 1, length: 50, stored: 66, sealed: true, key: 3},
		{kind: kindMarks, count: 9, all: 9},
	} {
		f.Add(bytes.Clone(x.put(b[:], seed, make([]byte, x.key), make([]uint32, x.sums()))), x.at.offset)
	}
	f.Fuzz(func(t *testing.T, b []byte, offset int64) {
		x, ok := takeFixed(b)
		if !ok {
			return
		}
		n := x.head()
		if n > maxHead || x.stored > maxStored || x.sums() < 0 || x.after().offset < x.at.offset {
			t.Fatalf("%+v", x)
		}
		if n > int64(len(b)) || !checkHead(b[:n], &x, seed, offset) {
			return
		}
		var out [maxHead]byte
		sums := make([]uint32, x.sums())
		for i := range sums {
			sums[i] = binary.BigEndian.Uint32(b[frameFixed+int(x.key)+4*i:])
		}
		if got := x.put(out[:], seed, b[frameFixed:frameFixed+int(x.key)], sums); !bytes.Equal(got, b[:n]) {
			t.Fatalf("%x is written as %x", b[:n], got)
		}
	})
}

func FuzzPartitionHeader(f *testing.F) {
	h := header{sequence: 1, salt: 2, capacity: 3, epoch: 4, saved: position{5, 6, 4, 8, 9}, index: 10, marks: 11}
	f.Add(h.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(b)
		if err != nil {
			return
		}
		if again, err := decodeHeader(h.encode()); err != nil || again != h {
			t.Fatalf("%+v is %+v, %v", h, again, err)
		}
	})
}

func FuzzEntry(f *testing.F) {
	var b [entryLen]byte
	e := entry{position{5, 6, 4, 8, 9}, 3}
	e.put(b[:], 1, 2)
	f.Add(b[:], int64(2))
	f.Fuzz(func(t *testing.T, b []byte, i int64) {
		if e, ok := takeEntry(b, 1, i); ok {
			var out [entryLen]byte
			if e.put(out[:], 1, i); !bytes.Equal(out[:], b[:entryLen]) {
				t.Fatalf("%x is %x", b, out)
			}
		}
	})
}

func FuzzLabel(f *testing.F) {
	f.Add([]byte(`{"version":1,"barcode":"A","serial":"B","format":"L8","maker":"M","type":128,"capacity":5}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLabel(b)
		if err != nil {
			return
		}
		out, err := l.encode()
		must(t, err)
		if again, err := decodeLabel(out); err != nil || again != l {
			t.Fatalf("%+v is %+v, %v", l, again, err)
		}
	})
}

func FuzzState(f *testing.F) {
	s := state{Generation: 3, Partitions: []partition{{Dir: "p0.3", Salt: 1, Capacity: 5, Attributes: []Attribute{{1, 2, []byte("x")}}}}}
	b, err := s.encode()
	must(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		out, err := s.encode()
		must(t, err)
		if _, err := decodeState(out); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzPartition: whatever stands in the files of a partition, all that can be done with it ends, with an error or without. Its blocks are right, or
// are said to be damaged.
func FuzzPartition(f *testing.F) {
	d, _ := filled(f, small)
	names := []string{"p0.1/data.000000", "p0.1/data.000001", "p0.1/index", "p0.1/marks", "p0.1/header"}
	for i, n := range names {
		b := make([]byte, min(d.files[n].n, 4000))
		_, err := readAt(d.files[n], b, 0)
		must(f, err)
		f.Add(uint8(i), uint16(0), b, true)
		f.Add(uint8(i), uint16(200), b[100:], false)
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, b []byte, cut bool) {
		ctx := context.Background()
		m := d.clone()
		file := m.files[names[int(which)%len(names)]]
		if cut {
			must(t, file.truncate(min(int64(at), file.n)))
		}
		must(t, writeAt(file, b, int64(at)))
		for _, o := range []Options{{ReadOnly: true}, {}} {
			c, err := openIn(m, o, small, nil)
			if err != nil {
				continue
			}
			h := c.Head(0)
			l := buffer.Of(make([]byte, 16<<10))
			for range 200 {
				_, err := h.Read(ctx, l, 0, l.Len(), nil)
				if bad := (*CorruptError)(nil); errors.As(err, &bad) {
					_, err = h.Space(ctx, 1)
				}
				if err != nil && !errors.Is(err, ErrFilemark) {
					break
				}
				h.Room()
			}
			for _, n := range []int64{-3, 5, -100, 100} {
				_, _ = h.SpaceFilemarks(ctx, n)
				_, _ = h.Space(ctx, -n)
			}
			_ = h.LocateFile(ctx, 3)
			_ = h.Locate(ctx, 50)
			if _, err := c.verify(ctx, nil); err != nil && ctx.Err() != nil {
				t.Fatal(err)
			}
			if !o.ReadOnly {
				_ = c.compact(ctx)
				if h := c.Head(0); h != nil {
					_ = h.Locate(ctx, 20)
					_, _ = h.Filemarks(ctx, 1)
				}
			}
			_ = c.Close()
		}
		_, _ = reindexIn(ctx, m, small)
		_, _ = inspectIn(m, small)
	})
}

// clone is another folder with the same in it.
func (d *memFolder) clone() *memFolder {
	m := newMemFolder()
	for n := range d.dirs {
		m.dirs[n] = true
	}
	for n, f := range d.files {
		g := &memFile{n: f.n}
		for _, c := range f.chunks {
			g.chunks = append(g.chunks, bytes.Clone(c))
		}
		m.files[n] = g
	}
	return m
}

// sumOf is CRC32C.
func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
