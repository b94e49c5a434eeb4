package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProfile(t *testing.T) {
	s := serve(t, "--memory", "1M", "--portal", "127.0.0.1:0")
	dir := t.TempDir()
	t.Chdir(dir)
	for _, test := range []struct{ args, file string }{
		{"--time 50ms", "lunette-cpu.pprof"}, {"heap -o heap.pprof", "heap.pprof"}, {"goroutine", "lunette-goroutine.pprof"},
	} {
		var stdout, stderr bytes.Buffer
		args := append([]string{"profile", "--socket", s.socket}, strings.Fields(test.args)...)
		if status := run(t.Context(), args, &stdout, &stderr); status != exitOK || !strings.Contains(stdout.String(), "go tool pprof "+test.file) {
			t.Errorf("%s: status %d, %s%s", test.args, status, &stdout, &stderr)
			continue
		}
		text, err := os.ReadFile(test.file)
		if err != nil {
			t.Error(err)
			continue
		}
		unpack(t, text)
	}
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"profile", "heap", "-o", "-", "--socket", s.socket}, &stdout, &stderr); status != exitOK {
		t.Errorf("status %d, %s", status, &stderr)
	}
	unpack(t, stdout.Bytes())
}

func unpack(t *testing.T, text []byte) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Error(err)
		return
	}
	if text, err = io.ReadAll(z); err != nil || len(text) == 0 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// What has failed leaves what was there.
func TestProfileFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "old")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]struct {
		status int
		text   string
	}{
		"heap --socket " + dir + "/none -o " + path: {exitFailed, "no daemon answers"},
		"disk":          {exitUsage, "must be one of"},
		"cpu --time 0s": {exitUsage, "--time: 0s is not a time"},
		"cpu --time 1h": {exitUsage, "--time: 1h0m0s is not a time"},
		"heap --socket " + dir + "/none -o " + dir + "/no/x": {exitFailed, "no such file or directory"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append([]string{"profile"}, strings.Fields(args)...), &stdout, &stderr)
		if status != want.status || !strings.Contains(stderr.String(), want.text) || stdout.Len() > 0 {
			t.Errorf("%s: status %d, %s", args, status, &stderr)
		}
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file has %q", text)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
