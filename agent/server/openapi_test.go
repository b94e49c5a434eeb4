package server

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

func withTimes(c Config) Config {
	c.times = usual()
	return c
}

// cut is a context that has ended: streams and profiles do too.
func cut(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// A path of the description, with a method.
type documented struct {
	method, path string
	op           *huma.Operation
}

// sample is a path that the route is for.
func (d documented) sample() string {
	return strings.NewReplacer("{generation}", "7", "{id}", "1", "{kind}", "goroutine", "{transport}", "t", "{name}", "box%2Fa", "{action}", "turn").Replace(d.path)
}

// methods are in the order in which people read them.
var methods = []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete}

// described are all operations of the description that the server gives to clients.
func described(t *testing.T, s *service) []documented {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil))
	var o struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil || o.OpenAPI != "3.1.0" {
		t.Fatalf("%q, %v", o.OpenAPI, err)
	}
	var all []documented
	for path, item := range o.Paths {
		own := s.api.OpenAPI().Paths[path]
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: own.Get, http.MethodPut: own.Put, http.MethodPost: own.Post, http.MethodPatch: own.Patch, http.MethodDelete: own.Delete,
		} {
			if (op != nil) != (item[strings.ToLower(method)] != nil) {
				t.Errorf("%s %s is in one of the two alone", method, path)
			}
			if op != nil {
				all = append(all, documented{method, path, op})
			}
		}
	}
	slices.SortFunc(all, func(a, b documented) int {
		return cmp.Or(strings.Compare(a.path, b.path), slices.Index(methods, a.method)-slices.Index(methods, b.method))
	})
	return all
}

// Every route is in the description, and everything in the description is a route. The contract's routes are there.
func TestDescriptionAndRoutes(t *testing.T) {
	s := newService(t.Context(), withTimes(whole(newFake(t))))
	all := described(t, s)
	have := make(map[string]bool)
	for _, d := range all {
		have[d.method+" "+d.path] = true
		r := httptest.NewRequest(d.method, d.sample(), nil)
		_, pattern := s.mux.Handler(r)
		if want := strings.TrimSuffix(d.method+" "+d.path, "}"); !strings.HasPrefix(pattern, want) {
			t.Errorf("%s %s goes to %s", d.method, d.path, pattern)
		}
		if d.op.Summary == "" || d.op.OperationID == "" || len(d.op.Tags) != 1 {
			t.Errorf("%s %s has no summary, name or tag", d.method, d.path)
		}
	}
	for _, path := range s.paths {
		if !slices.ContainsFunc(all, func(d documented) bool { return d.path == path }) {
			t.Errorf("%s is a route, and not described", path)
		}
	}
	for _, want := range strings.Fields(`GET/v1/config PUT/v1/config POST/v1/config/edits POST/v1/reload GET/v1/history
		GET/v1/history/{generation} POST/v1/rollback/{generation} POST/v1/confirm POST/v1/revert GET/v1/status GET/v1/events
		GET/v1/operations GET/v1/operations/{id} DELETE/v1/operations/{id} GET/v1/schema GET/v1/openapi.json GET/v1/targets GET/v1/units
		GET/v1/sessions GET/v1/version GET/v1/profile/{kind} GET/v1/targets/{name} GET/v1/units/{name}
		DELETE/v1/sessions/{transport}/{id} GET/v1/units/{name}/reservations DELETE/v1/units/{name}/reservations`) {
		if !have[strings.Replace(want, "/", " /", 1)] {
			t.Errorf("there is no %s", want)
		}
	}
	for _, c := range []string{"users", "units", "targets", "access", "portals", "sections"} {
		for _, want := range []string{"GET /v1/config/" + c, "POST /v1/config/" + c, "GET /v1/config/" + c + "/{name}", "PUT /v1/config/" + c + "/{name}", "PATCH /v1/config/" + c + "/{name}", "DELETE /v1/config/" + c + "/{name}"} {
			if !have[want] {
				t.Errorf("there is no %s", want)
			}
		}
	}
}

// Without an agent and an operator the routes that want one say so, and the others are as they were.
func TestWithoutAnAgent(t *testing.T) {
	s := newService(t.Context(), withTimes(Config{Source: nothing{}}))
	for _, d := range described(t, s) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(d.method, d.sample(), nil).WithContext(asRoot(cut(t.Context()))))
		r, _ := d.op.Metadata[traitsKey].(route)
		wants := r.need != nothingElse || d.path == "/v1/schema"
		if (w.Code == http.StatusServiceUnavailable) != wants || w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %s: %d %s", d.method, d.path, w.Code, w.Body)
		}
	}
}
