package kind

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store/memory"
)

// write makes a file of some length with text at an offset.
func write(t *testing.T, name string, size, at int, text string) string {
	t.Helper()
	b := make([]byte, size)
	copy(b[at:], text)
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLookAt(t *testing.T) {
	const descriptor = "\x01CD001\x01" // of a volume of 48 blocks called DISC
	iso := descriptor + strings.Repeat("\x00", 33) + "DISC" + strings.Repeat(" ", 28) + strings.Repeat("\x00", 8) + "\x30\x00\x00\x00" + strings.Repeat("\x00", 44) + "\x00\x08"
	for _, c := range []struct {
		name     string
		path     string
		writable bool
		label    string
		warning  string
		refused  string
	}{
		{"a disc", write(t, "a.iso", 48*2048, 32768, iso), false, "DISC", "", ""},
		{"cut off", write(t, "a.iso", 40*2048, 32768, iso), false, "DISC", "it was cut off", ""},
		{"cut off, and to be written", write(t, "a.iso", 40*2048, 32768, iso), true, "DISC", "", ""},
		{"no file system", write(t, "a.iso", 40*2048, 0, "x"), false, "", "no file system of discs", ""},
		{"nothing on it yet", write(t, "a.img", 40*2048, 0, ""), true, "", "", ""},
		{"compressed", write(t, "a.iso", 4096, 0, "\x1f\x8b\x08"), false, "", "", "gunzip"},
		{"raw sectors", write(t, "a.bin", 8192, 0, "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"+strings.Repeat("x", 2340)+"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"), false, "", "", "bchunk"},
		{"missing", filepath.Join(t.TempDir(), "none"), false, "", "", ""},
		{"a directory", t.TempDir(), false, "", "", ""},
	} {
		v, err := lookAt(c.path)
		switch {
		case c.refused != "":
			if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.HasPrefix(err.Error(), c.path) || !strings.Contains(err.Error(), "the unit's store with the format raw") {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		}
		if got := v.warning(c.writable); v.Label != c.label || (got == "") != (c.warning == "") || !strings.Contains(got, c.warning) {
			t.Errorf("%s: label %q, warning %q", c.name, v.Label, got)
		}
	}
	// A download that did not end has any length, which no store takes: what is wrong is said, and what to do.
	for path, want := range map[string]string{
		write(t, "a.iso", 40*2048+100, 32768, iso): "it was cut off, as by a download", write(t, "b.iso", 48*2048+100, 32768, iso): "truncate -s 98816",
	} {
		if _, err := lookAt(path); err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	// Through a store, of which nothing is refused.
	arena := buffer.NewArena(1 << 20)
	for name, text := range map[string]string{"DISC": iso, "": "\x1f\x8b\x08"} {
		s, err := memory.Open(memory.Config{Size: 48 * 2048})
		if err != nil {
			t.Fatal(err)
		}
		at := int64(32768)
		if name == "" {
			at = 0
		}
		l, err := arena.Get(2048)
		if err != nil {
			t.Fatal(err)
		}
		l.Clear(0, 2048)
		l.Copy(0, []byte(text))
		if err := s.WriteAt(t.Context(), l, at, 0); err != nil {
			t.Fatal(err)
		}
		l.Release()
		v := lookIn(t.Context(), s, "a store", arena)
		if v.Label != name || v.path != "a store" || (v.warning(false) != "") != (name == "") {
			t.Errorf("%+v, %q", v, v.warning(false))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := arena.Close(); err != nil {
		t.Error(err)
	}
	var all volumes
	if v := all.of(""); v.Label != "" {
		t.Error(v)
	}
	v, _ := lookAt(write(t, "a.iso", 48*2048, 32768, iso))
	all.last.Store(&v)
	if all.of(v.path).Label != "DISC" || all.of("other").Label != "" || all.of("").Label != "" {
		t.Error("the volume of another disc")
	}
}
