package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"disk.img\n": "disk.img\n", "a\tb": "a\tb", "Übung ①": "Übung ①", "a\x1b[2Jb": `a\x1b[2Jb`, "a\xffb": `a\xffb`, "a\u202eb": `a\u202eb`,
		"\u009b": `\u009b`, "\r": `\r`, "\ufffd": "\ufffd", "\x7f": `\x7f`, "a'\"\\": "a'\"\\",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What is printed in JSON is the same to programs, and plain to terminals.
func FuzzPlainJSON(f *testing.F) {
	f.Add("a\x1b[2J\x7f\u009b\u202e\U000e0001")
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		if err := encode(&b, []string{text}); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got[0] != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Fatalf("%q is %q: %v", text, &b, err)
		}
		if printable(b.String()) != b.String() {
			t.Fatalf("%q is printed as %q", text, &b)
		}
	})
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[2J\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got := printable(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			t.Fatalf("%q is printed as %q", text, got)
		}
		if again := printable(got); again != got {
			t.Fatalf("%q is printed as %q, and that as %q", text, got, again)
		}
	})
}

// Names of files are bytes: they reach the store as they are, and the terminal as it can have them.
func TestFileNamesAreBytes(t *testing.T) {
	sandbox(t)
	const name = "bad\xff\x1b.img"
	if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
		t.Skipf("not tested here: the file system does not take the name: %v", err)
	}
	s := serve(t, name, "--target", "iqn.2026-11.io.lunette:m", "--portal", "127.0.0.1:0")
	if text := s.stdout.String(); !strings.Contains(text, `on file bad\xff\x1b.img`) || strings.Contains(text, "\x1b") || !utf8.ValidString(text) {
		t.Errorf("the start-up lines are %q", text)
	}
	var stdout, stderr bytes.Buffer
	if run(t.Context(), []string{"units", "--socket", s.socket}, &stdout, &stderr) != exitOK || strings.Contains(stdout.String(), "\x1b") || !utf8.Valid(stdout.Bytes()) {
		t.Errorf("units: %q, %s", &stdout, &stderr)
	}
	stderr.Reset()
	status := run(t.Context(), []string{"serve", "no\xff\x1b.img", "--socket", s.socket + "2"}, &stdout, &stderr)
	if want := `lunette: no\xff\x1b.img: there is no such file`; status != exitUsage || !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("%d, %q, want %q", status, &stderr, want)
	}
	stderr.Reset()
	if err := os.WriteFile("conf\xff", []byte("version: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status := run(t.Context(), []string{"check", "--config", "conf\xff"}, &stdout, &stderr); status != exitUsage || !strings.Contains(stderr.String(), `conf\xff:1:10: version`) {
		t.Errorf("%d, %q", status, &stderr)
	}
}
