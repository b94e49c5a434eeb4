package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
)

// words are texts that requests have: right ones, nearly right ones, and others.
var words = rapid.OneOf(
	rapid.SampledFrom([]string{"a", "box/a", "unit", "user", "target", "access", "section", "limits", "portal", "1", "7", "0", "-1", "60s", "true", "*", `"now"`, `"`, "..", "//", "%2F", "name: a", document, "{}", "null", "[]", "- ", "&a", "\x00", "\xff"}),
	rapid.String(),
)

// valid draws a value that a schema takes.
func valid(t *rapid.T, all huma.Registry, s *huma.Schema, deep int) any {
	if s != nil && s.Ref != "" {
		s = all.SchemaFromRef(s.Ref)
	}
	if s == nil {
		s = &huma.Schema{}
	}
	if len(s.Enum) > 0 {
		return rapid.SampledFrom(s.Enum).Draw(t, "word")
	}
	kind := s.Type
	if kind == "" && deep < 4 {
		kind = rapid.SampledFrom([]string{"string", "integer", "boolean", "array", "object", "null"}).Draw(t, "type")
	}
	switch kind {
	case huma.TypeBoolean:
		return rapid.Bool().Draw(t, "bool")
	case huma.TypeInteger, huma.TypeNumber:
		low := int64(-1 << 53)
		if s.Minimum != nil {
			low = int64(*s.Minimum)
		}
		return rapid.OneOf(rapid.Int64Range(max(low, 0), 9), rapid.Int64Range(low, 1<<53)).Draw(t, "number")
	case huma.TypeArray:
		few := 0
		if s.MinItems != nil {
			few = *s.MinItems
		}
		values := make([]any, rapid.IntRange(few, few+3).Draw(t, "length"))
		for i := range values {
			values[i] = valid(t, all, s.Items, deep+1)
		}
		return values
	case huma.TypeObject:
		values := make(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			property := s.Properties[name]
			if slices.Contains(s.Required, name) || rapid.Bool().Draw(t, name) {
				values[name] = valid(t, all, property, deep+1)
			}
		}
		if len(s.Properties) == 0 {
			for range rapid.IntRange(0, 3).Draw(t, "size") {
				values[words.Draw(t, "key")] = valid(t, all, nil, deep+1)
			}
		}
		return values
	case huma.TypeString:
		text := words.Draw(t, "text")
		if s.MinLength != nil && len(text) < *s.MinLength {
			text = "a"
		}
		return text
	}
	return nil
}

// draw draws a request to an operation.
func draw(t *rapid.T, all huma.Registry, d documented) *http.Request {
	at, q := d.path, url.Values{}
	header := http.Header{}
	for _, p := range d.op.Parameters {
		if p.In != "path" && !p.Required && !rapid.Bool().Draw(t, p.Name) {
			continue
		}
		v := valid(t, all, p.Schema, 3)
		texts := []string{fmt.Sprint(v)}
		if list, ok := v.([]any); ok {
			texts = texts[:0]
			for _, x := range list {
				texts = append(texts, fmt.Sprint(x))
			}
		}
		switch p.In {
		case "path":
			name := strings.Trim(texts[0], "./") // the mux takes what is nothing else for a path that is not clean
			if name == "" {
				name = "x"
			}
			at = strings.Replace(at, "{"+p.Name+"}", url.PathEscape(name), 1)
		case "query":
			q[p.Name] = texts
		case "header":
			header[http.CanonicalHeaderKey(p.Name)] = texts
		}
	}
	body := ""
	if d.op.RequestBody != nil {
		types := slices.Sorted(maps.Keys(d.op.RequestBody.Content))
		contentType := rapid.SampledFrom(types).Draw(t, "content type")
		v := valid(t, all, d.op.RequestBody.Content[contentType].Schema, 0)
		if text, ok := v.(string); ok && contentType == typeYAML {
			body = text
		} else if b, err := json.Marshal(v); err == nil {
			body = string(b)
		}
		header.Set("Content-Type", contentType)
	}
	r := httptest.NewRequest(d.method, "http://lunette/", strings.NewReader(body))
	u, err := url.Parse(at)
	if err != nil {
		t.Skip(err)
	}
	u.RawQuery = q.Encode()
	r.URL, r.Header = u, header
	return r.WithContext(asRoot(t.Context()))
}

// answers checks an answer against the description: its status is there, and its body is as the schema says.
func answers(t interface {
	Helper()
	Errorf(string, ...any)
}, s *service, d documented, r *http.Request, w *httptest.ResponseRecorder,
) {
	t.Helper()
	what := fmt.Sprintf("%s %s: %d %s", r.Method, r.URL, w.Code, w.Body)
	if w.Code == http.StatusMovedPermanently || w.Code == http.StatusTemporaryRedirect || w.Code == http.StatusPermanentRedirect {
		return // of the mux: a path that is not clean
	}
	if w.Code >= 500 {
		t.Errorf("%s", what)
		return
	}
	response := d.op.Responses[strconv.Itoa(w.Code)]
	if response == nil {
		t.Errorf("%s: this status is not described", what)
		return
	}
	if response.Ref != "" {
		response = s.api.OpenAPI().Components.Responses[response.Ref[strings.LastIndexByte(response.Ref, '/')+1:]]
	}
	contentType := strings.Split(w.Header().Get("Content-Type"), ";")[0]
	media := response.Content[contentType]
	if len(response.Content) == 0 || w.Code == http.StatusNotModified {
		if w.Body.Len() != 0 {
			t.Errorf("%s: a body that is not described", what)
		}
		return
	}
	if media == nil {
		t.Errorf("%s: the type %q is not described", what, contentType)
		return
	}
	if contentType != typeJSON {
		return
	}
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	result := new(huma.ValidateResult)
	huma.Validate(s.api.OpenAPI().Components.Schemas, media.Schema, huma.NewPathBuffer([]byte{}, 0), huma.ModeReadFromServer, v, result)
	if len(result.Errors) > 0 {
		t.Errorf("%s: %v", what, result.Errors)
	}
}

// Requests that are as the description says have answers that are as it says, and none is a failure of the server.
func TestRandomRequests(t *testing.T) {
	f := newFake(t)
	f.past = eventsOf(1, 9)
	s := newService(t.Context(), withTimes(whole(f)))
	requests(t, s, described(t, s))
}

// requests makes random requests to all of the operations, in random order.
func requests(t *testing.T, s *service, all []documented) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			d := rapid.SampledFrom(all).Draw(t, "operation")
			r := draw(t, s.api.OpenAPI().Components.Schemas, d)
			if d.path == "/v1/events" || strings.HasPrefix(d.path, "/v1/profile/") {
				r = r.WithContext(asRoot(cut(t.Context())))
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			answers(t, s, d, r, w)
		}
	})
}

// FuzzRequests: whatever comes, the answer is JSON, and no failure of the server.
func FuzzRequests(f *testing.F) {
	for _, seed := range []struct{ method, path, header, body string }{
		{"PUT", "/v1/config?try=1s", `"x"`, document},
		{"POST", "/v1/config/edits", "*", `[{"op": "put", "key": {"kind": "unit", "name": "a"}, "object": {}}]`},
		{"DELETE", "/v1/units/a/b/reservations", "", ""},
		{"GET", "/v1/config/portals/a:%2F%2Fb", "", ""},
		{"PATCH", "/v1/config/units/a", `W/"`, "{}"},
		{"GET", "/v1/events?from=1&follow=false", "7", ""},
	} {
		f.Add(seed.method, seed.path, seed.header, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, path, header, body string) {
		u, err := url.Parse(path)
		if err != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "/v1/profile/") {
			return
		}
		s := newService(t.Context(), withTimes(whole(newFake(t))))
		r := httptest.NewRequest(http.MethodGet, "http://lunette/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("If-Match", header)
		r.Header.Set("If-None-Match", header)
		r.Header.Set("Last-Event-ID", header)
		w := httptest.NewRecorder()
		ctx := asRoot(t.Context())
		if u.Path == "/v1/events" {
			ctx = cut(ctx)
		}
		s.ServeHTTP(w, r.WithContext(ctx))
		if w.Code >= 500 || w.Code >= 400 && json.Unmarshal(w.Body.Bytes(), new(api.Error)) != nil {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	})
}

var _ Agent = (*apply.Engine)(nil)
