package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/lunette-io/lunette/agent/api"
)

// Bounds of what is held for requests.
const (
	bigBody      = 64 << 10 // from here on a body is one of those that are counted
	maxBig       = 2        // such bodies at the same time; others wait
	maxListeners = 16       // streams of events
)

// A service answers the requests of the API.
type service struct {
	Config
	stopping context.Context // done when streams have to end
	uid      int             // of the daemon
	mux      *http.ServeMux
	api      huma.API
	paths    []string // all that there are, sorted, without their methods
	openapi  func() []byte

	big       chan struct{} // holds one for each big body
	listeners chan struct{} // holds one for each listener
	profiling sync.Mutex    // held while a profile is taken
}

// Handler answers the requests of the API. Who asks must be told by the context of the connections.
func Handler(c Config) http.Handler {
	c.times = usual()
	return newService(context.Background(), c)
}

func newService(stopping context.Context, c Config) *service {
	s := &service{
		Config: c, stopping: stopping, uid: os.Getuid(), mux: http.NewServeMux(),
		big: make(chan struct{}, maxBig), listeners: make(chan struct{}, maxListeners),
	}
	s.api = huma.NewAPI(huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "lunette", Version: "1",
				Description: "The management of a daemon, on its Unix socket: what runs, the document that it serves, and how that is changed.",
			},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName)},
		},
		Formats:                      map[string]huma.Format{"application/json": {Marshal: encode, Unmarshal: json.Unmarshal}, "json": {Marshal: encode, Unmarshal: json.Unmarshal}},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{explained},
	}, adapter{s})
	s.runtime()
	s.actions()
	s.document()
	s.objects()
	s.generations()
	s.operations()
	s.stream()
	s.describe()
	s.mux.HandleFunc("/", s.nothing)
	return s
}

// ServeHTTP implements [http.Handler].
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, withReservations(r))
}

// withReservations escapes the slashes in NAME of units/NAME/reservations, which a pattern cannot have in the middle.
func withReservations(r *http.Request) *http.Request {
	const before, after = "/v1/units/", "/reservations"
	path := r.URL.EscapedPath()
	name, ok := strings.CutPrefix(strings.TrimSuffix(path, after), before)
	if !ok || !strings.HasSuffix(path, after) || !strings.Contains(name, "/") {
		return r
	}
	at := *r.URL
	at.RawPath = before + strings.ReplaceAll(name, "/", "%2F") + after
	r = r.WithContext(r.Context())
	r.URL = &at
	return r
}

// encode writes an answer. The status has gone already when it fails.
func encode(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		b.Reset()
		fmt.Fprintf(&b, "{%q: %q}\n", "error", "the answer cannot be written: "+err.Error())
	}
	_, _ = w.Write(b.Bytes()) // a client that is gone needs no answer
	return nil
}

// send answers beside huma.
func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = encode(w, v)
}

// schemaName is the name of a type in the description of the API. Types of some packages have short names, which
// go without their package nowhere.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, p := range []struct{ in, prefix string }{{"agent/plan", "Plan"}, {"agent/state", "Generation"}} {
		if strings.HasSuffix(t.PkgPath(), p.in) && name != p.prefix {
			return p.prefix + name
		}
	}
	return name
}

// nothing answers what no route is for.
func (s *service) nothing(w http.ResponseWriter, r *http.Request) {
	status := http.StatusNotFound
	allow := s.allowed(r)
	if len(allow) == 0 && r.Method != http.MethodGet && r.Method != http.MethodHead {
		allow = []string{http.MethodGet, http.MethodHead}
	}
	if len(allow) > 0 {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", strings.Join(allow, ", "))
	}
	send(w, status, api.Error{Error: fmt.Sprintf("there is no %s %s: GET /v1/openapi.json has all that there is, which is at %s", r.Method, r.URL.Path, strings.Join(s.paths, ", "))})
}

// allowed are the methods that the path of a request has.
func (s *service) allowed(r *http.Request) []string {
	var all []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(other); pattern != "/" && pattern != "" {
			all = append(all, m)
		}
	}
	return all
}

// note adds a path to those that there are.
func (s *service) note(path string) {
	if !slices.Contains(s.paths, path) {
		s.paths = append(s.paths, path)
		slices.Sort(s.paths)
	}
}

// An adapter gives huma's operations to the mux of a service.
type adapter struct{ s *service }

// Handle implements [huma.Adapter].
func (a adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	a.s.handle(op, func(w http.ResponseWriter, r *http.Request) {
		handler(&answering{inner: humago.NewContext(op, r, w)})
	})
}

// ServeHTTP implements [huma.Adapter].
func (a adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.s.ServeHTTP(w, r) }

// controllerKey is the key of the [http.ResponseController] among the values of a request's context.
type controllerKey struct{}

// unhurried lifts the deadlines of a request: its body has been read. The read that waits for the client's leaving would
// otherwise take the end of its time for that.
func unhurried(ctx context.Context, slow bool) {
	c, ok := ctx.Value(controllerKey{}).(*http.ResponseController)
	if !ok {
		return
	}
	_ = c.SetReadDeadline(time.Time{}) // what cannot do it has no deadlines
	if slow {
		_ = c.SetWriteDeadline(time.Time{})
	}
}
