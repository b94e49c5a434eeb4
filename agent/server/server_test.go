package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/api"
)

type nothing struct{}

func (nothing) Version() api.Version    { return api.Version{} }
func (nothing) Targets() []api.Target   { return []api.Target{} }
func (nothing) Units() []api.Unit       { return []api.Unit{{Name: "box/a"}} }
func (nothing) Sessions() []api.Session { return []api.Session{} }

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
		Handler(Config{Source: nothing{}}).ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, w.Code, w.Body, test.status, test.body)
		}
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", test.method, test.path)
		}
	}
}
