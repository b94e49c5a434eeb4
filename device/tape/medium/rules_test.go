package medium

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
)

// What is written on a WORM cartridge stays, but for filemarks before the end of data.
func TestWORM(t *testing.T) {
	ctx := context.Background()
	s := spec
	s.Type = WORM
	tape := Memory(s)
	h := tape.Head(0)
	must(t, tape.Format(ctx, []int64{30 << 20, 30 << 20})) // it is blank
	h = tape.Head(0)
	block := pattern(5000, 1, false)
	for range 2 {
		_, err := appendBlocks(t, h, Plain, block)
		must(t, err)
		_, err = h.Filemarks(ctx, 1)
		must(t, err)
	}
	_, err := h.Filemarks(ctx, 2)
	must(t, err)
	for object := range uint64(6) {
		must(t, h.Locate(ctx, object))
		refused := object < 3
		if err := h.Erase(ctx); !errors.Is(err, ErrWORM) {
			t.Errorf("erase at %d: %v", object, err)
		}
		if _, err := h.Filemarks(ctx, 1); refused != errors.Is(err, ErrWORM) {
			t.Errorf("a filemark at %d: %v", object, err)
		}
		if _, err := appendBlocks(t, h, Plain, block); refused != errors.Is(err, ErrWORM) {
			t.Errorf("a block at %d: %v", object, err)
		}
		if !refused {
			break
		}
	}
	if p := h.Position(); p.Object != 5 {
		t.Errorf("it is at %d", p.Object)
	}
	if err := h.Erase(ctx); err != nil {
		t.Errorf("erase at the end: %v", err)
	}
	if err := errors.Join(tape.Format(ctx, []int64{1 << 20})); !errors.Is(err, ErrWORM) {
		t.Errorf("format: %v", err)
	}
	if err := tape.SetCapacity(ctx, 1<<20); !errors.Is(err, ErrWORM) {
		t.Errorf("set capacity: %v", err)
	}
	must(t, tape.Close())
}

// A cartridge with its tab moved, or opened for reading, is not written on; a load still counts on the first.
func TestReadOnly(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "A")
	must(t, Create(dir, spec))
	c, err := Open(dir, Options{})
	must(t, err)
	_, err = appendBlocks(t, c.Head(0), Plain, pattern(100, 1, false))
	must(t, err)
	must(t, c.Close())
	for _, o := range []Options{{ReadOnly: true}, {}} {
		must(t, SetWriteProtect(dir, !o.ReadOnly))
		c, err := Open(dir, o)
		must(t, err)
		if !c.Label().WriteProtect {
			t.Error("its label does not say so")
		}
		h := c.Head(0)
		_, err1 := h.Filemarks(ctx, 1)
		_, err2 := appendBlocks(t, h, Plain, pattern(100, 2, false))
		for i, err := range []error{err1, err2, h.Erase(ctx), c.Format(ctx, []int64{1 << 20}), c.SetAttributes(0, []Attribute{{ID: 0x800, Value: []byte{1}}})} {
			if !errors.Is(err, ErrReadOnly) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if b, err := readBlock(h); err != nil || len(b) != 100 {
			t.Errorf("read: %v", err)
		}
		c.SetUsage(func(u *Usage) { u.Loads++ })
		must(t, c.Sync(ctx))
		must(t, c.Close())
	}
	if i, err := Inspect(dir); err != nil || i.Usage.Loads != 1 || i.Partitions[0].Objects != 1 || !i.Label.WriteProtect {
		t.Errorf("%v, %+v", err, i)
	}
}

// Between early warning and the end there is room for filemarks and short blocks; at the end those are written that fit.
func TestEnd(t *testing.T) {
	ctx := context.Background()
	for _, codec := range []Codec{Plain, Fast} {
		tape := Memory(Spec{Barcode: "A", Capacity: 8 << 20})
		h := tape.Head(0)
		objects := uint64(0)
		room := h.Room()
		if room.Capacity != 8<<20 || room.Warning != 6<<20 || room.Here != 0 {
			t.Errorf("%+v", room)
		}
		for h.Room().Here < room.Warning {
			n, err := appendBlocks(t, h, codec, pattern(64<<10, int(objects), false), pattern(64<<10, int(objects)+1, false))
			must(t, err)
			objects += uint64(n)
		}
		for range 20 {
			_, err := h.Filemarks(ctx, 1)
			must(t, err)
			_, err = appendBlocks(t, h, codec, pattern(80, 1, false))
			must(t, err)
			objects += 2
		}
		short := false
		for i := 0; ; i++ {
			n, err := appendBlocks(t, h, codec, pattern(64<<10, i, true), pattern(64<<10, i, false), pattern(64<<10, i, false))
			objects += uint64(n)
			if short = n < 3; short != errors.Is(err, ErrEndOfPartition) || !short && err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			if short {
				break
			}
		}
		for { // filemarks to the last byte
			n, err := h.Filemarks(ctx, 7)
			objects += uint64(n)
			if errors.Is(err, ErrEndOfPartition) && n < 7 {
				break
			}
			must(t, err)
		}
		if p := h.Position(); p.Object != objects {
			t.Errorf("%d objects, not %d", p.Object, objects)
		}
		if r := h.Room(); r.Here > r.Capacity || r.Here < r.Capacity-frameCharge {
			t.Errorf("%+v", r)
		}
		if n, err := h.Filemarks(ctx, 1); n != 0 || !errors.Is(err, ErrEndOfPartition) {
			t.Errorf("%d, %v", n, err)
		}
		must(t, h.Locate(ctx, 0))
		if n, err := h.Filemarks(ctx, 1); n != 1 || err != nil || h.Room().Data != frameCharge {
			t.Errorf("from the beginning: %d, %v, %+v", n, err, h.Room())
		}
		must(t, tape.Close())
	}
	for capacity, want := range map[int64]int64{1 << 20: 1 << 19, 100 << 20: 5 << 20, 18e12: 1 << 30} {
		if r := reserve(capacity); r != want {
			t.Errorf("of %d it keeps %d", capacity, r)
		}
	}
}

// Newer formats are refused, and the error says what to do.
func TestNewer(t *testing.T) {
	for _, name := range []string{"label.json", "state", "p0.1/header"} {
		d, _ := filled(t, small)
		f := d.files[name]
		b := make([]byte, f.n)
		_, err := readAt(f, b, 0)
		must(t, err)
		switch name {
		case "label.json":
			b = bytes.Replace(b, []byte(`"version": 1`), []byte(`"version": 9`), 1)
		case "state":
			b = bytes.Replace(b, []byte(stateMagic+" 1"), []byte(stateMagic+" 9"), 1)
		default:
			x, err := readHeader(f)
			must(t, err)
			at := int64(x.sequence%2) * headerSlot
			s := b[at : at+headerLen]
			s[7] = 9
			sum := sumOf(s[:headerLen-4])
			copy(s[headerLen-4:], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
		}
		must(t, writeAt(f, b, 0))
		_, err = openIn(d, Options{}, small, nil)
		if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "version 9") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What makes, names and removes cartridges does so as a whole, and refuses what it should.
func TestDirectories(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "A")
	for _, s := range []Spec{{Barcode: ""}, {Barcode: "A/B", Capacity: 1}, {Barcode: " A", Capacity: 1}, {Barcode: "A"}, {Barcode: "A", Capacity: 1, Type: 7},
		{Barcode: strings.Repeat("A", 33), Capacity: 1}, {Barcode: "A", Capacity: -1}} {
		if err := Create(dir, s); err == nil {
			t.Errorf("%+v is made", s)
		}
	}
	if all, err := os.ReadDir(parent); len(all) > 0 || err != nil {
		t.Errorf("%v is left, %v", all, err)
	}
	must(t, Create(dir, spec))
	if err := Create(dir, spec); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	must(t, Create(filepath.Join(parent, "CLN1"), Spec{Barcode: "CLN1", Type: Cleaning}))
	c, err := Open(dir, Options{})
	must(t, err)
	for i, err := range []error{Delete(dir), Relabel(dir, "B"), SetWriteProtect(dir, true), Compact(context.Background(), dir)} {
		if !errors.Is(err, ErrLocked) {
			t.Errorf("%d while it is used: %v", i, err)
		}
	}
	if _, err := Verify(context.Background(), dir, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("verify while it is used: %v", err)
	}
	if i, err := Inspect(dir); err != nil || i.Label.Barcode != spec.Barcode || i.Partitions[0].Capacity != spec.Capacity || len(i.Label.Serial) == 0 {
		t.Errorf("inspect while it is used: %v, %+v", err, i)
	}
	must(t, c.Close())
	must(t, Relabel(dir, "B"))
	if i, err := Inspect(dir); err != nil || i.Label.Barcode != "B" {
		t.Errorf("%v, %+v", err, i)
	}
	must(t, os.Mkdir(filepath.Join(parent, ".new-X-1"), 0o700))
	must(t, os.Mkdir(filepath.Join(parent, "other"), 0o700))
	if err := Delete(filepath.Join(parent, "other")); err == nil {
		t.Error("a directory that is no cartridge is removed")
	}
	if _, err := Open(filepath.Join(parent, "other"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is no cartridge: %v", err)
	}
	must(t, Sweep(parent))
	must(t, Delete(dir))
	if all, err := os.ReadDir(parent); len(all) != 2 || err != nil {
		t.Errorf("%v is left, %v", all, err)
	}
}

// What is in memory does not grow with what is written, nor with how: many blocks, or filemarks alone.
func TestMemoryIsFlat(t *testing.T) {
	ctx := context.Background()
	cfg := defaults()
	cfg.saveBytes, cfg.saveEntries = 32<<20, 1<<10
	d := newMemFolder()
	must(t, createIn(d, Spec{Barcode: "A", Capacity: 1 << 50}))
	c, err := openIn(d, Options{}, cfg, nil)
	must(t, err)
	h := c.heads[0]
	l := buffer.Of(pattern(64<<10, 1, true))
	check := func() {
		if n := max(len(h.index.pending), len(h.marks.pending)); n > 2*cfg.saveEntries || h.end.offset-h.saved.offset > 3*cfg.saveBytes {
			t.Fatalf("%d entries and %d bytes wait at %d", n, h.end.offset-h.saved.offset, h.pos.Object)
		}
	}
	for range 20000 {
		f, err := h.Pack(Blocks{Data: l, Len: l.Len(), Count: 1, Codec: Fast})
		must(t, err)
		_, err = h.Append(ctx, f)
		must(t, err)
		check()
	}
	for range 20000 {
		_, err := h.Filemarks(ctx, 1)
		must(t, err)
		check()
	}
	for _, object := range []uint64{39999, 0, 20000, 777} {
		must(t, h.Locate(ctx, object))
		_, err := h.Next(ctx)
		must(t, err)
		if n := len(h.win.frames); n > windowFrames {
			t.Errorf("a window of %d frames", n)
		}
	}
	must(t, c.Close())
}

// Long work ends with its context.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d, _ := filled(t, small)
	c, err := openIn(d, Options{}, small, nil)
	must(t, err)
	if _, err := c.verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
	if err := c.compact(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("compact: %v", err)
	}
	must(t, c.Close())
	if _, err := reindexIn(ctx, d, small); !errors.Is(err, context.Canceled) {
		t.Errorf("reindex: %v", err)
	}
}

// Raw gives what is kept: of a frame that is compressed or sealed, all of it at its first block.
func TestRaw(t *testing.T) {
	ctx := context.Background()
	tape := Memory(spec)
	h := tape.Head(0)
	blocks := [][]byte{pattern(5000, 1, true), pattern(5000, 2, true)}
	_, err := appendBlocks(t, h, Plain, blocks...)
	must(t, err)
	_, err = appendBlocks(t, h, Zstd, blocks...)
	must(t, err)
	f, err := h.Pack(Blocks{Data: buffer.Of(blocks[0]), Len: 5000, Count: 1, Cipher: toy(3)})
	must(t, err)
	_, err = h.Append(ctx, f)
	must(t, err)
	must(t, h.Locate(ctx, 0))
	l := buffer.Of(make([]byte, 8000))
	for i, want := range []struct {
		length int64
		object uint64
	}{{5000, 1}, {5000, 2}, {0, 4}, {5004, 5}} {
		n, err := h.Raw(ctx, l, 0, l.Len())
		if want.length == 0 && n > 0 && n < 5000 {
			want.length = n // compressed
		}
		if err != nil || n != want.length || h.Position().Object != want.object {
			t.Errorf("%d: %d bytes, %v, at %v", i, n, err, h.Position())
		}
	}
	if plain, err := toy(3).Open(nil, l.At(0)[:5004], toy(3).Header()); err != nil || !bytes.Equal(plain, blocks[0]) {
		t.Errorf("what is sealed is other than it was: %v", err)
	}
	must(t, h.Locate(ctx, 3))
	if _, err := h.Raw(ctx, l, 0, l.Len()); err == nil {
		t.Error("the second block of a compressed frame is read raw")
	}
	must(t, tape.Close())
	for i, err := range []error{h.Locate(ctx, 0), h.Erase(ctx)} {
		if err == nil {
			t.Errorf("%d: a head of a closed cartridge works", i)
		}
	}
	h.Room()
}

// A full disk keeps nobody from taking out a cartridge that was only read: what it has counted is kept when there is room again.
func TestUsageOnAFullDisk(t *testing.T) {
	ctx := context.Background()
	d := newLossy(rand.New(rand.NewPCG(1, 1)))
	must(t, createIn(d, spec))
	c, err := openIn(d, Options{}, defaults(), nil)
	must(t, err)
	_, err = appendBlocks(t, c.Head(0), Plain, pattern(100, 1, false))
	must(t, err)
	must(t, c.Sync(ctx))
	d.set(-1, 1)
	c.SetUsage(func(u *Usage) { u.Loads++ })
	must(t, c.Sync(ctx))
	if err := c.SetAttributes(0, []Attribute{{ID: 0x800, Value: []byte{1}}}); !errors.Is(err, ErrNoSpace) {
		t.Errorf("attributes: %v", err)
	}
	d.set(-1, 0)
	must(t, c.Sync(ctx))
	d.killed()
	if c, err = openIn(d, Options{}, defaults(), nil); err != nil || c.Usage().Loads != 1 {
		t.Errorf("%v, %+v", err, c.Usage())
	}
	must(t, c.Close())
}
