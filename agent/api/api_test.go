package api

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type nothing struct{}

func (nothing) Version() Version    { return Version{} }
func (nothing) Targets() []Target   { return []Target{} }
func (nothing) Units() []Unit       { return []Unit{{Name: "box/a"}} }
func (nothing) Sessions() []Session { return []Session{} }

func TestHandler(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/v1/targets", 200, "[]"},
		{"GET", "/v1/units", 200, `[`},
		{"GET", "/v1/units/box/a", 200, `{`},
		{"GET", "/v1/units/b", 404, `there is no unit \"b\"`},
		{"GET", "/v1/targets/b", 404, `there is no target \"b\"`},
		{"GET", "/v1/version", 200, `"version"`},
		{"GET", "/v1/disks", 404, "there is no GET /v1/disks"},
		{"GET", "/", 404, "there is no GET /"},
		{"POST", "/v1/units", 405, "there is no POST /v1/units"},
		{"DELETE", "/x", 405, "there is no DELETE /x"},
	} {
		w := httptest.NewRecorder()
		Handler(nothing{}).ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, w.Code, w.Body, test.status, test.body)
		}
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", test.method, test.path)
		}
	}
}

func TestListenReplacesADeadSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	s, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Path() != path {
		t.Errorf("path is %s", s.Path())
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		_ = c.Close()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                          "is no socket",
		filepath.Join(dir, "no", "s"): "there is no directory",
		dir + "/":                     "no file name",
		filepath.Join(dir, strings.Repeat("x", 100)): "too long",
	} {
		if _, err := Listen(path, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Listen(%q) = %v, want an error with %q", path, err, want)
		}
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file has %q", text)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
