package st

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A fake is a drive as the driver st shows it: a nil block is a filemark.
type fake struct {
	bits    uint64
	tape    [][]byte
	at      int
	file    int64
	room    int  // objects until the end
	warn    bool // the next write near the end is refused
	writing bool
	bad     map[int]bool // objects that cannot be read
	ops     []int16
	closed  bool
}

func (f *fake) Read(p []byte) (int, error) {
	if f.bad[f.at] {
		return 0, syscall.EIO
	}
	if f.at == len(f.tape) { // the driver tells the end of data only behind a filemark
		if f.bits&statusEndOfData != 0 || f.at == 0 || f.tape[f.at-1] != nil {
			return 0, syscall.EIO
		}
		f.bits |= statusEndOfData
		return 0, nil
	}
	b := f.tape[f.at]
	if b == nil {
		f.at++
		f.file++
		return 0, nil
	}
	if len(b) > len(p) {
		return 0, syscall.ENOMEM
	}
	f.at++
	return copy(p, b), nil
}

func (f *fake) Write(p []byte) (int, error) {
	if left := f.room - f.at; left <= 2 {
		if f.warn = !f.warn; f.warn || left <= 0 {
			return -1, syscall.ENOSPC
		}
	}
	f.put(bytes.Clone(p))
	f.writing = true
	return len(p), nil
}

func (f *fake) put(b []byte) {
	f.tape = append(f.tape[:f.at], b)
	f.at++
}

func (f *fake) operate(op int16, count int32) error {
	f.ops = append(f.ops, op)
	switch op {
	case opFilemarks:
		for range count {
			f.put(nil)
			f.file++
		}
	case opRewind:
		f.end()
		f.at, f.file = 0, 0
		f.bits &^= statusEndOfData
	case opEnd:
		f.at = len(f.tape)
	}
	f.writing = false
	return nil
}

// end is what the driver does behind a block when the tape is to be rewound.
func (f *fake) end() {
	if f.writing {
		f.put(nil)
	}
}

func (f *fake) position() (int64, error) { return int64(f.at), nil }
func (f *fake) status() (status, error)  { return status{f.bits, f.file}, nil }
func (f *fake) Close() error             { f.end(); f.closed = true; return nil }

// read reads all of a tape: a block is its text, a filemark "|".
func read(t *testing.T, d *Drive) string {
	t.Helper()
	var b strings.Builder
	p := make([]byte, 16)
	for {
		n, err := d.Read(p)
		switch {
		case errors.Is(err, io.EOF):
			return b.String()
		case errors.Is(err, ErrFilemark):
			b.WriteByte('|')
		case err != nil:
			t.Fatal(err)
		default:
			b.WriteString("<" + string(p[:n]) + ">")
		}
	}
}

func TestReadAndWrite(t *testing.T) {
	for _, want := range []string{"", "|", "<a>", "<a>|", "<a><bb>|<c>", "<a>||<b>|||", "|<a>"} {
		f := &fake{bits: statusOnline, room: 100}
		d, err := open(f, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range strings.FieldsFunc(strings.ReplaceAll(want, "|", ">|>"), func(r rune) bool { return r == '<' || r == '>' }) {
			if x == "|" {
				err = d.Filemark()
			} else {
				err = d.Write([]byte(x))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil || !f.closed {
			t.Fatal(err)
		}
		if d, err = open(f, false); err != nil {
			t.Fatal(err)
		}
		if got := read(t, d); got != want {
			t.Errorf("%q came back as %q", want, got)
		}
	}
}

// Near the end each second write is refused; the end is where two are.
func TestEndOfTape(t *testing.T) {
	f := &fake{bits: statusOnline, room: 5}
	d, err := open(f, true)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		if err := d.Write([]byte("x")); err != nil {
			t.Fatalf("block %d: %v", n, err)
		}
	}
	if err := d.Write([]byte("x")); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
}

func TestLongBlock(t *testing.T) {
	d, err := open(&fake{bits: statusOnline, tape: [][]byte{make([]byte, 17)}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(make([]byte, 16)); err == nil || !strings.Contains(err.Error(), "longer than 16 bytes") {
		t.Errorf("%v", err)
	}
}

// A block that cannot be read is not taken for the end of data.
func TestBadBlock(t *testing.T) {
	d, err := open(&fake{bits: statusOnline, tape: [][]byte{{1}, {2}, {3}}, bad: map[int]bool{1: true}}, false)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 16)
	if n, err := d.Read(p); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := d.Read(p); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
}

func TestNoTape(t *testing.T) {
	for name, bits := range map[string]uint64{"there is no tape": statusDoor, "no tape in the drive": 0, "write protected": statusOnline | statusWriteProtect} {
		if _, err := open(&fake{bits: bits}, true); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is no drive is told as that.
func TestNoDrive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if IsDrive(path) || !IsDrive("/dev/null") {
		t.Error("what is a device, and what is none, is mixed up")
	}
	for _, path := range []string{path, "/dev/null"} {
		if _, err := Open(path, false); err == nil || !strings.Contains(err.Error(), "it is no tape drive") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
