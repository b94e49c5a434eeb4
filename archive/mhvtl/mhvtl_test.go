package mhvtl

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// A maker makes the files of a partition as mhvtl does.
type maker struct{ index, data bytes.Buffer }

func (m *maker) record(kind, flags, length, kept, sum uint32) {
	var b [recordSize]byte
	le := binary.LittleEndian
	le.PutUint64(b[:], uint64(m.data.Len()))
	for i, v := range []uint32{kind, flags, uint32(m.index.Len() / recordSize), length, kept, sum} {
		le.PutUint32(b[8+4*i:], v)
	}
	m.index.Write(b[:])
}

func (m *maker) filemark() { m.record(typeFilemark, 0, 0, 0, 0) }

// block adds one, kept as flags say.
func (m *maker) block(flags uint32, text string) {
	kept := []byte(text)
	switch {
	case flags&flagZlib != 0:
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		_, _ = z.Write(kept)
		_ = z.Close()
		kept = b.Bytes()
	case flags&flagLZO != 0: // one run of literals, and the end of the stream
		kept = append(append([]byte{byte(17 + len(text))}, text...), 0x11, 0, 0)
	}
	m.record(typeData, flags|flagChecksum, uint32(len(text)), uint32(len(kept)), checksum([]byte(text)))
	m.data.Write(kept)
}

func (m *maker) write(t *testing.T, dir, end string) {
	t.Helper()
	put(t, filepath.Join(dir, "indx"+end), m.index.Bytes())
	put(t, filepath.Join(dir, "data"+end), m.data.Bytes())
}

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// all reads a partition: a block is its text, a filemark "|", what is lost "!".
func all(t *testing.T, c *Cartridge, partition int) string {
	t.Helper()
	r, err := c.Reader(context.Background(), partition)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for {
		x, err := r.Next(context.Background())
		var lost *archive.LostError
		switch {
		case errors.As(err, &lost):
			b.WriteByte('!')
			if lost.Count == 0 {
				return b.String()
			}
		case errors.Is(err, io.EOF):
			return b.String()
		case err != nil:
			t.Fatal(err)
		case x.Filemark:
			b.WriteByte('|')
		default:
			b.WriteString("<" + string(x.Data) + ">")
		}
	}
}

// Cartridges of older versions, with a memory of fixed places before the list of filemarks.
func TestOldCartridge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "E01001L4")
	var m maker
	m.block(0, "plain")
	m.block(flagZlib, strings.Repeat("zlib", 1000))
	m.filemark()
	m.block(flagLZO, "by lzo")
	m.filemark()
	m.filemark()
	m.write(t, dir, "")
	memory := make([]byte, oldMemory+512)
	memory[0] = 3
	binary.BigEndian.PutUint64(memory[16:], 500<<20)
	copy(memory[250:], "VIRTUAL ")
	copy(memory[258:], "E01001L4_1234567890")
	memory[319], memory[320] = 0x46, 1
	put(t, filepath.Join(dir, "meta"), memory)

	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := archive.About{Barcode: "E01001L4", Serial: "E01001L4_1234567890", Maker: "VIRTUAL", Type: medium.WORM, Capacity: 500 << 20, Partitions: make([]archive.Partition, 1)}
	if got := c.About(); !reflect.DeepEqual(got, want) || c.Density() != 0x46 {
		t.Errorf("%+v", got)
	}
	if got, want := all(t, c, 0), "<plain><"+strings.Repeat("zlib", 1000)+">|<by lzo>||"; got != want {
		t.Errorf("%q", got)
	}
}

func attribute(id uint16, value string) []byte {
	b := binary.LittleEndian.AppendUint16(nil, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// Cartridges of newer versions have partitions, and a memory of attributes.
func TestNewCartridge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "X00001L7")
	var m, n maker
	m.block(flagZlib, "index")
	n.block(0, "data")
	n.filemark()
	m.write(t, dir, ".0")
	n.write(t, dir, ".1")
	mam := []byte{6, 0, 0, 0, 1, 0, 0, 0}
	for _, a := range [][]byte{
		attribute(0x0001, "\x00\x00\x00\x00\x40\x00\x00\x00"), attribute(0x0405, "\x5c"), attribute(0x0408, "\x00"),
		attribute(0x0800, "LTFS    "), attribute(0x0803, strings.Repeat("\x00", 160)), attribute(0x0806, "X00001L7"), attribute(0x080c, "\x04coherent"),
		attribute(0x7777, "what nobody knows"), {1, 2},
	} {
		mam = append(mam, a...)
	}
	put(t, filepath.Join(dir, "mam"), mam)
	put(t, filepath.Join(dir, "mhvtl_data"), append(attribute(0x0a, "\x05coherent"), attribute(0x0e, "\x00\x00\x00\x00\x20\x00\x00\x00")...))

	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := archive.About{Barcode: "X00001L7", Capacity: 1 << 30, Partitions: []archive.Partition{
		{Attributes: []archive.Attribute{{ID: 0x800, Format: 1, Value: []byte("LTFS    ")}, {ID: 0x80c, Value: []byte("\x04coherent")}}},
		{Capacity: 1 << 29, Attributes: []archive.Attribute{{ID: 0x80c, Value: []byte("\x05coherent")}}},
	}}
	if got := c.About(); !reflect.DeepEqual(got, want) || c.Density() != 0x5c {
		t.Errorf("%+v", got)
	}
	if got := all(t, c, 0) + " " + all(t, c, 1); got != "<index> <data>|" {
		t.Errorf("%q", got)
	}
}

// What cannot be read is told, block by block.
func TestDamagedCartridge(t *testing.T) {
	for name, x := range map[string]struct {
		make func(m *maker)
		want string
	}{
		"a checksum":              {func(m *maker) { m.block(0, "a"); m.data.Bytes()[0] = 'b'; m.block(0, "c") }, "!<c>"},
		"no zlib":                 {func(m *maker) { m.block(flagZlib, "a"); m.data.Bytes()[0] = 0; m.block(0, "c") }, "!<c>"},
		"no lzo":                  {func(m *maker) { m.block(flagLZO, "abcde"); m.data.Bytes()[6] = 0xff; m.block(0, "c") }, "!<c>"},
		"another type":            {func(m *maker) { m.record(77, 0, 1, 1, 0); m.filemark() }, "!|"},
		"nothing":                 {func(m *maker) { m.record(typeNothing, 0, 0, 0, 0); m.filemark() }, "|"},
		"the end":                 {func(m *maker) { m.record(typeEnd, 0, 0, 0, 0); m.filemark() }, ""},
		"a large block":           {func(m *maker) { m.record(typeData, 0, 1<<30, 1<<30, 0); m.filemark() }, "!|"},
		"a block of 0":            {func(m *maker) { m.record(typeData, 0, 0, 0, 0); m.filemark() }, "!|"},
		"two lengths":             {func(m *maker) { m.record(typeData, 0, 1, 2, 0); m.data.WriteString("ab") }, "!"},
		"no data":                 {func(m *maker) { m.record(typeData, 0, 3, 3, 0); m.filemark() }, "!|"},
		"half a record":           {func(m *maker) { m.filemark(); m.index.WriteByte(0) }, "|!"},
		"longer than it is":       {func(m *maker) { m.block(flagZlib, "abc"); m.index.Bytes()[20] = 2 }, "!"},
		"lzo, shorter than it is": {func(m *maker) { m.block(flagLZO, "abcde"); m.index.Bytes()[20] = 9 }, "!"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var m maker
			x.make(&m)
			m.write(t, dir, "")
			c, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := all(t, c, 0); got != x.want {
				t.Errorf("%q, not %q", got, x.want)
			}
		})
	}
}

// Encrypted blocks are refused before anything is read.
func TestEncrypted(t *testing.T) {
	dir := t.TempDir()
	var m maker
	m.block(0, "a")
	m.block(flagEncrypted, "b")
	m.write(t, dir, "")
	if _, err := Open(dir); !errors.Is(err, ErrEncrypted) {
		t.Errorf("%v", err)
	}
}

func TestNoCartridge(t *testing.T) {
	dir := t.TempDir()
	if IsCartridge(dir) {
		t.Error("it is one")
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "there is no cartridge of mhvtl") {
		t.Errorf("%v", err)
	}
}

const devices = `
VERSION: 5

# a comment
Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00
 Vendor identification: STK
 Product identification: L700
 Product revision level: 550V
 Unit serial number: XYZZY_A
 NAA: 10:22:33:44:ab:00:00:00
 Home directory: /opt/mhvtl
 PERSIST: True

Drive: 12 CHANNEL: 00 TARGET: 02 LUN: 00
 Library ID: 10 Slot: 02
 Vendor identification: IBM
 Product identification: ULT3580-TD8
 Unit serial number: XYZZY_A2

Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00
 Library ID: 10 Slot: 01
 Vendor identification: IBM
 Product identification: ULT3580-TD8
 Product revision level: 2160
 Unit serial number: XYZZY_A1

Drive: 99 CHANNEL: 00 TARGET: 01 LUN: 00
 Vendor identification: of no library
`

const inventory = `VERSION: 2

Drive 1: XYZZY_A1
Drive 2:
Picker 1:
MAP 1:
MAP 2: MAP001L8
# Slot 9: COMMENTED
Slot 2:
Slot 1: LUN001L8
Slot 3: LUN003L8 # and words behind it
`

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "device.conf"), []byte(devices))
	if _, err := ReadConfig(dir); err == nil || !strings.Contains(err.Error(), "library_contents.10") {
		t.Errorf("%v", err)
	}
	put(t, filepath.Join(dir, "library_contents.10"), []byte(inventory))
	got, err := ReadConfig(dir)
	want := []Library{{
		ID: 10, Vendor: "STK", Product: "L700", Revision: "550V", Serial: "XYZZY_A", Home: "/opt/mhvtl", Persist: true,
		Drives: []Drive{
			{ID: 11, Library: 10, Slot: 1, Vendor: "IBM", Product: "ULT3580-TD8", Revision: "2160", Serial: "XYZZY_A1"},
			{ID: 12, Library: 10, Slot: 2, Vendor: "IBM", Product: "ULT3580-TD8", Serial: "XYZZY_A2"},
		},
		Slots: []Element{{1, "LUN001L8"}, {2, ""}, {3, "LUN003L8"}},
		Mail:  []Element{{1, ""}, {2, "MAP001L8"}},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if b := got[0].Barcodes(); !reflect.DeepEqual(b, []string{"LUN001L8", "LUN003L8", "MAP001L8"}) {
		t.Errorf("%v", b)
	}
	// What was there when it stopped goes before what was there at first.
	put(t, filepath.Join(dir, "library_contents.10.persist"), []byte("Slot 1: \nSlot 2: LUN001L8\n"))
	if got, err := ReadConfig(dir); err != nil || got[0].Slots[1].Barcode != "LUN001L8" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWrongConfig(t *testing.T) {
	for text, says := range map[string]string{
		"":             "there is no Library in it",
		"Library: x\n": `line 1: Library: "x" is no number`,
		"Library:\n":   "a number is missing",
		"Library: 1\n\nDrive: 2\n Library ID: -1 Slot: 1\n": "is no number",
	} {
		if _, err := parseDevices(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := parseContents(strings.NewReader("Slot x: a\n")); err == nil {
		t.Error("a slot without a number was taken")
	}
}

// Nothing that stands in files makes a reader do anything but end.
func FuzzFiles(f *testing.F) {
	var m maker
	m.block(flagZlib, "zlib")
	m.block(flagLZO, "lzo")
	f.Add(m.index.Bytes(), m.data.Bytes(), []byte{6, 0, 0, 0, 1, 0, 0, 0, 1, 8, 1, 0, 65})
	f.Add([]byte(devices), []byte(inventory), []byte{3})
	f.Fuzz(func(t *testing.T, index, data, mam []byte) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "indx"), index)
		put(t, filepath.Join(dir, "data"), data)
		put(t, filepath.Join(dir, "mam"), mam)
		if c, err := Open(dir); err == nil {
			_ = all(t, c, 0)
		}
		_, _ = parseDevices(bytes.NewReader(index))
		_, _ = parseContents(bytes.NewReader(data))
	})
}
