package archive

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// toNew copies a tape to a new cartridge, whose directory it returns.
func toNew(t *testing.T, from Source, w Wish) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), w.Barcode)
	to := ToCartridge(dir)
	to.Spec = SpecFor(w)
	copied(t, to, from)
	return dir
}

func cartridgeAt(t *testing.T, dir string) *Cartridge {
	t.Helper()
	c, err := OpenCartridge(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A tape that goes to a cartridge and comes back is the same.
func TestCartridges(t *testing.T) {
	for name, want := range shapes() {
		t.Run(name, func(t *testing.T) {
			want.about.WriteProtect, want.about.Partitions[0].Capacity = false, 0
			for i := range want.about.Partitions { // what is on it needs room
				want.about.Partitions[i].Capacity = want.about.Capacity / int64(len(want.parts))
			}
			dir := toNew(t, want, Wish{Barcode: want.about.Barcode})
			var got memoryTape
			copied(t, &got, cartridgeAt(t, dir))
			got.about.Serial, got.about.Maker, want.about.Maker = "", "", ""
			for i := range got.about.Partitions {
				got.about.Partitions[i].Capacity = want.about.Partitions[i].Capacity // which is rounded
			}
			same(t, &got, want)
		})
	}
}

// A cartridge with something on it is written over only if that is wanted.
func TestOverwrite(t *testing.T) {
	dir := toNew(t, tapeOf([]int{1, 0}), Wish{Barcode: "LUN001L8", Capacity: 64 << 20})
	to := ToCartridge(dir)
	_, err := Copy(t.Context(), to, tapeOf([]int{2}), false)
	if !errors.As(err, new(*OverwriteError)) {
		t.Errorf("%v", err)
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
	to = ToCartridge(dir)
	to.Overwrite = true
	copied(t, to, tapeOf([]int{2}, []int{3, 0}))
	var got memoryTape
	copied(t, &got, cartridgeAt(t, dir))
	if len(got.parts) != 2 || len(got.parts[0]) != 1 || len(got.parts[1]) != 2 {
		t.Errorf("%d partitions", len(got.parts))
	}
	if err := Erase(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	got = memoryTape{}
	copied(t, &got, cartridgeAt(t, dir))
	if len(got.parts) != 1 || len(got.parts[0]) != 0 {
		t.Errorf("it is not blank: %d partitions", len(got.parts))
	}
}

// A cartridge that somebody has is refused in words, and one that does not come to its end is not there.
func TestInUse(t *testing.T) {
	dir := toNew(t, tapeOf([]int{1}), Wish{Barcode: "LUN001L8", Capacity: 64 << 20})
	busy, err := medium.Open(dir, medium.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCartridge(dir); !errors.Is(err, medium.ErrLocked) || !strings.Contains(err.Error(), "lunette vtl unload") {
		t.Errorf("%v", err)
	}
	if err := Erase(t.Context(), dir); !errors.Is(err, medium.ErrLocked) {
		t.Errorf("%v", err)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "LUN002L8")
	to := ToCartridge(dir)
	to.Spec = SpecFor(Wish{Barcode: "LUN002L8"})
	from := tapeOf([]int{1, 2})
	from.lost = map[uint64]error{1: errors.New("scratched")}
	if _, err := Copy(t.Context(), to, from, false); err == nil {
		t.Error("it was copied")
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
	if IsCartridge(dir) {
		t.Error("it is there")
	}
}

// What does not fit is told.
func TestFull(t *testing.T) {
	to := ToCartridge(filepath.Join(t.TempDir(), "LUN001L8"))
	to.Spec, to.Codec = SpecFor(Wish{Barcode: "LUN001L8", Capacity: 4 << 20}), medium.Plain
	_, err := Copy(t.Context(), to, tapeOf([]int{1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20}), false)
	if !errors.Is(err, medium.ErrEndOfPartition) || !strings.Contains(err.Error(), "full") {
		t.Errorf("%v", err)
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
}

// sealing encrypts with a key that nobody knows.
type sealing struct{ cipher.AEAD }

func (s sealing) Seal(dst, plain []byte) []byte {
	return s.AEAD.Seal(dst, make([]byte, s.NonceSize()), plain, nil)
}
func (s sealing) Header() []byte { return []byte("whose key it is") }

// Encrypted blocks are told, and have their length still.
func TestSealedBlocks(t *testing.T) {
	tape := medium.Memory(medium.Spec{Barcode: "LUN001L8", Format: "L8", Capacity: 64 << 20})
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	h := tape.Head(0)
	for _, c := range []medium.Cipher{nil, sealing{seal}, nil} {
		f, err := h.Pack(medium.Blocks{Data: buffer.Of(bytes.Repeat([]byte("x"), 100)), Len: 100, Count: 1, Cipher: c})
		if err == nil {
			_, err = h.Append(context.Background(), f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c := FromTape(tape)
	var got memoryTape
	r, err := Copy(t.Context(), &got, c, true)
	if err != nil || r.Losses != 1 || len(got.parts[0]) != 2 || !errors.Is(r.Lost[0], medium.ErrKey) || r.Lost[0].Object != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, fast := range []bool{false, true} {
		c.Sealed, c.Lengths = true, fast
		s, err := ScanTape(t.Context(), c)
		want := []ScanFile{{Blocks: 3, Bytes: 300, Sealed: 1, Runs: []Run{{100, 3}}}}
		if err != nil || s.Losses != 0 || !reflect.DeepEqual(s.Partitions[0].Files, want) {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func TestScan(t *testing.T) {
	from := tapeOf([]int{0, 5, 5, 7, 0, 3})
	from.lost = map[uint64]error{2: errors.New("scratched")}
	s, err := ScanTape(t.Context(), from)
	want := []ScanFile{
		{File: 0, Runs: []Run{}, Filemark: true},
		{File: 1, Object: 1, Blocks: 2, Bytes: 12, Runs: []Run{{5, 1}, {7, 1}}, Filemark: true},
		{File: 2, Object: 5, Blocks: 1, Bytes: 3, Runs: []Run{{3, 1}}},
	}
	if err != nil || !reflect.DeepEqual(s.Partitions[0].Files, want) || s.Losses != 1 || s.Partitions[0].Objects != 6 || s.Partitions[0].Bytes != 15 {
		t.Errorf("%+v, %v", s, err)
	}
}

// What is read again from a file has no more than its blocks.
func TestFileOfCartridge(t *testing.T) {
	c := cartridgeAt(t, toNew(t, tapeOf([]int{1, 0, 2, 3, 0}), Wish{Barcode: "LUN001L8"}))
	r, err := c.File(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if x, err := r.Next(t.Context()); err != nil || len(x.Data) != 2 {
		t.Errorf("%v, %v", x, err)
	}
	if _, err := c.File(t.Context(), 0, 7); err == nil {
		t.Error("there is a file 7")
	}
	if _, err := c.File(t.Context(), 1, 0); err == nil || !strings.Contains(err.Error(), "there is no partition 1") {
		t.Errorf("%v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestSpec(t *testing.T) {
	set, err := personality.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		about  About
		wish   Wish
		format string
		kind   medium.Type
		size   int64
		says   string
	}{
		"of the barcode":     {About{}, Wish{Barcode: "LUN001L8"}, "L8", medium.Data, 12e12, ""},
		"WORM":               {About{}, Wish{Barcode: "LUN001LY"}, "L8", medium.WORM, 12e12, ""},
		"of the tape":        {About{Format: "L6", Capacity: 5}, Wish{Barcode: "X"}, "L6", medium.Data, 5, ""},
		"the barcode first":  {About{Format: "L6"}, Wish{Barcode: "LUN001L8"}, "L8", medium.Data, 12e12, ""},
		"as wanted":          {About{Format: "L6", Capacity: 5}, Wish{Barcode: "X", Format: "LY", Capacity: 6}, "L8", medium.WORM, 6, ""},
		"nobody knows":       {About{}, Wish{Barcode: "X"}, "", 0, 0, "does not end with a media format"},
		"no format":          {About{}, Wish{Barcode: "X", Format: "L99"}, "", 0, 0, "L99"},
		"a capacity below 0": {About{}, Wish{Barcode: "LUN001L8", Capacity: -1}, "", 0, 0, "below 0"},
	} {
		s, err := SpecOf(set, x.about, x.wish)
		switch {
		case x.says != "":
			if err == nil || !strings.Contains(err.Error(), x.says) {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil || s.Format != x.format || s.Type != x.kind || s.Capacity != x.size || s.Barcode != x.wish.Barcode:
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}
