package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shapes are tapes that are easy to get wrong.
func shapes() map[string]*memoryTape {
	many := make([]int, 0, 3000)
	for i := range 1000 {
		many = append(many, 512, 512+i, 0)
	}
	attributes := tapeOf([]int{10, 0}, []int{20}, nil)
	attributes.about.Partitions[1] = Partition{Capacity: 7, Attributes: []Attribute{{ID: 0x80c, Format: 1, Value: []byte{0, 1, 2}}}}
	attributes.about.WriteProtect = true
	return map[string]*memoryTape{
		"blank":              tapeOf(nil),
		"a block":            tapeOf([]int{1}),
		"a filemark":         tapeOf([]int{0}),
		"filemarks":          tapeOf([]int{0, 0, 0, 5, 0, 0}),
		"an open end":        tapeOf([]int{65536, 65536, 65536, 0, 3, 65536}),
		"many":               tapeOf(many),
		"partitions":         attributes,
		"the largest blocks": tapeOf([]int{MaxBlock, MaxBlock, 1, 0}),
	}
}

func copied(t *testing.T, to Sink, from Source) Report {
	t.Helper()
	r, err := Copy(t.Context(), to, from, false)
	if err := errors.Join(err, to.Close(), from.Close()); err != nil {
		t.Fatal(err)
	}
	return r
}

func opened(t *testing.T) func(Source, error) Source {
	return func(s Source, err error) Source {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func created(t *testing.T) func(Sink, error) Sink {
	return func(s Sink, err error) Sink {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// A tape that goes to files and comes back is the same.
func TestRoundTrips(t *testing.T) {
	for name, want := range shapes() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copied(t, created(t)(CreateDirectory(filepath.Join(dir, "d"))), want)
			copied(t, created(t)(CreateTar(filepath.Join(dir, "t.tar"))), opened(t)(OpenDirectory(filepath.Join(dir, "d"))))
			var got memoryTape
			copied(t, &got, opened(t)(OpenTar(filepath.Join(dir, "t.tar"))))
			same(t, &got, want)
			if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
			if len(want.parts) > 1 {
				return
			}
			copied(t, created(t)(CreateSIMH(filepath.Join(dir, "s.tap"))), want)
			got = memoryTape{}
			copied(t, &got, opened(t)(OpenSIMH(filepath.Join(dir, "s.tap"))))
			got.about = want.about // which a file of SIMH does not have
			same(t, &got, want)
		})
	}
}

// A file of a tape is what backup software has written, without anything around it.
func TestFilesAreReadableAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	copied(t, created(t)(CreateDirectory(dir)), &memoryTape{about: About{Partitions: make([]Partition, 1)}, parts: [][][]byte{{[]byte("ab"), []byte("cd"), []byte("e"), nil}}})
	if text, err := os.ReadFile(filepath.Join(dir, "p0", "00000000.data")); err != nil || string(text) != "abcde" {
		t.Errorf("%q, %v", text, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "p0", "00000000.blocks"))
	if err != nil || !strings.HasPrefix(string(text), "2*2\n1\nfilemark\nsha256 ") {
		t.Errorf("%q, %v", text, err)
	}
}

// What tar itself unpacks and packs again is a tape still.
func TestTarOfOthers(t *testing.T) {
	var b bytes.Buffer
	want := tapeOf([]int{100, 0}, []int{7})
	to := WriteTar(&b)
	copied(t, to, want)
	var again bytes.Buffer
	w := tar.NewWriter(&again)
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if strings.HasSuffix(h.Name, "p1/00000000.blocks") {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "./p1/"}); err != nil {
				t.Fatal(err)
			}
		}
		h.Name = "./" + h.Name
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got memoryTape
	copied(t, &got, opened(t)(ReadTar(&again, nil)))
	same(t, &got, want)
}

// Damage is told, and nothing else is taken for a tape.
func TestDamagedFiles(t *testing.T) {
	for name, x := range map[string]struct{ file, text, says string }{
		"data changed":       {"p0/00000000.data", "abXde", "the checksum is another one"},
		"data cut":           {"p0/00000000.data", "abc", "its data ends before its blocks do"},
		"data more":          {"p0/00000000.data", "abcdef", "its data goes on"},
		"list cut":           {"p0/00000000.blocks", "2*2\n", "was not written whole"},
		"list without sum":   {"p0/00000000.blocks", "2*2\n1\nfilemark\n", "was not written whole"},
		"a long line":        {"p0/00000000.blocks", strings.Repeat("1", 1000), "too long"},
		"a length of 0":      {"p0/00000000.blocks", "0\n", "is no length of a block"},
		"a large length":     {"p0/00000000.blocks", "99999999\n", "is no length of a block"},
		"a count of 0":       {"p0/00000000.blocks", "2*0\n", "is no number of blocks"},
		"no list":            {"p0/00000000.blocks", "x\n", "is no length of a block"},
		"another version":    {"tape.json", `{"version": 2, "partitions": [{}]}`, "version 2"},
		"no partition":       {"tape.json", `{"version": 1, "partitions": []}`, "0 partitions"},
		"no manifest":        {"tape.json", `[]`, "cannot unmarshal"},
		"a capacity below 0": {"tape.json", `{"version": 1, "capacity": -1, "partitions": [{}]}`, "below 0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			copied(t, created(t)(CreateDirectory(dir)), &memoryTape{about: About{Partitions: make([]Partition, 1)}, parts: [][][]byte{{[]byte("ab"), []byte("cd"), []byte("e"), nil}}})
			if err := os.WriteFile(filepath.Join(dir, x.file), []byte(x.text), 0o600); err != nil {
				t.Fatal(err)
			}
			from, err := OpenDirectory(dir)
			if err == nil {
				_, err = Copy(t.Context(), new(memoryTape), from, true)
			}
			if err == nil || !strings.Contains(err.Error(), x.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What cannot be read ends a copy, or is left out and reported.
func TestSalvage(t *testing.T) {
	from := tapeOf([]int{1, 2, 0, 3})
	from.lost = map[uint64]error{1: errors.New("scratched")}
	if _, err := Copy(t.Context(), new(memoryTape), from, false); err == nil || err.Error() != "partition 0, object 1: scratched" {
		t.Errorf("%v", err)
	}
	var got memoryTape
	r, err := Copy(t.Context(), &got, from, true)
	if err != nil || r.Losses != 1 || r.Blocks != 2 || r.Filemarks != 1 || r.Bytes != 4 || len(got.parts[0]) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A copy ends when it is told to.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := Copy(ctx, new(memoryTape), tapeOf([]int{1}), false); err == nil || err.Error() != "enough" {
		t.Errorf("%v", err)
	}
}

// A file that was not written whole is not there.
func TestUnfinished(t *testing.T) {
	dir := t.TempDir()
	for name, create := range map[string]func(string) (Sink, error){"t.tar": CreateTar, "s.tap": CreateSIMH} {
		to := created(t)(create(filepath.Join(dir, name)))
		from := tapeOf([]int{1, 2})
		from.lost = map[uint64]error{1: errors.New("scratched")}
		if _, err := Copy(t.Context(), to, from, false); err == nil {
			t.Error("it was copied")
		}
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	}
	if some, _ := os.ReadDir(dir); len(some) > 0 {
		t.Errorf("%v is left", some)
	}
}

// What is there is not written over.
func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, create := range []func(string) (Sink, error){CreateTar, CreateSIMH} {
		if _, err := create(filepath.Join(dir, "x")); err == nil {
			t.Error("it was written over")
		}
	}
	if _, err := CreateDirectory(dir); err == nil {
		t.Error("a directory with something in it was taken")
	}
}

// A file of SIMH may end without a mark, have gaps, and blocks that were read with an error.
func TestSIMH(t *testing.T) {
	for name, x := range map[string]struct {
		text   string
		blocks uint64
		lost   uint64
		says   string
	}{
		"no end":        {"\x01\x00\x00\x00a\x00\x01\x00\x00\x00", 1, 0, ""},
		"a gap":         {"\xfe\xff\xff\xff\x02\x00\x00\x00ab\x02\x00\x00\x00", 1, 0, ""},
		"an error":      {"\x02\x00\x00\x80ab\x02\x00\x00\x80\x02\x00\x00\x00ab\x02\x00\x00\x00", 1, 1, ""},
		"cut":           {"\x02\x00\x00\x00a", 0, 0, "ends in the middle of a block"},
		"two lengths":   {"\x02\x00\x00\x00ab\x03\x00\x00\x00", 0, 0, "the file is damaged"},
		"another class": {"\x02\x00\x00\x70ab\x02\x00\x00\x70", 0, 0, "is no length of a block"},
		"half a length": {"\x02\x00", 0, 0, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.tap")
			if err := os.WriteFile(path, []byte(x.text), 0o600); err != nil {
				t.Fatal(err)
			}
			from := opened(t)(OpenSIMH(path))
			r, err := Copy(t.Context(), new(memoryTape), from, true)
			if r.Blocks != x.blocks || r.Losses != x.lost || (err == nil) != (x.says == "") || err != nil && !strings.Contains(err.Error(), x.says) {
				t.Errorf("%+v, %v", r, err)
			}
			if err := from.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// No list of blocks, and no file of SIMH, makes a reader do anything but end.
func FuzzReaders(f *testing.F) {
	f.Add([]byte("2*2\n1\nfilemark\nsha256 00\n"), []byte("abcde"))
	f.Add([]byte("\x02\x00\x00\x00ab\x02\x00\x00\x00"), []byte{})
	f.Fuzz(func(t *testing.T, list, data []byte) {
		done := false
		j := &joiner{open: func(int) (io.Reader, io.Reader, error) {
			if done {
				return nil, nil, io.EOF
			}
			done = true
			return bytes.NewReader(list), bytes.NewReader(data), nil
		}}
		drain(t, j, len(data)+2)
		path := filepath.Join(t.TempDir(), "x.tap")
		if err := os.WriteFile(path, list, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenSIMH(path)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := s.Reader(t.Context(), 0)
		drain(t, r, len(list)+2)
		_ = s.Close()
		if s, err := ReadTar(bytes.NewReader(list), nil); err == nil {
			_ = s.Close()
		}
	})
}

// drain reads until there is nothing more.
func drain(t *testing.T, r Reader, most int) {
	t.Helper()
	for range most {
		if _, err := r.Next(t.Context()); err != nil && !errors.As(err, new(*LostError)) {
			return
		}
	}
	t.Errorf("there are more than %d objects", most)
}
