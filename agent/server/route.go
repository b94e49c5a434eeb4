package server

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
)

// A need is what a route cannot do without.
type need uint8

const (
	nothingElse need = iota
	anAgent
	anOperator
)

// A route is one operation of the API.
type route struct {
	method, path string
	id, summary  string
	tag          string
	doc          string
	need         need
	slow         bool                      // the answer may take as long as a change does
	rest         bool                      // the last name in the path takes slashes too
	looks        bool                      // those who may only look may ask: what answers it says who may do it
	status       int                       // of a success; 0: 200, or 204 without a body
	fails        []int                     // what else it may answer, apart from 400 and 503
	answers      map[string]*huma.Response // more successes, and the contents of those
}

// traitsKey is the key of a route among the metadata of an operation.
const traitsKey = "route"

func (s *service) operation(r route) huma.Operation {
	op := huma.Operation{
		Method: r.method, Path: r.path, OperationID: r.id, Summary: r.summary, Description: r.doc, Tags: []string{r.tag},
		DefaultStatus: r.status, MaxBodyBytes: api.MaxBody, BodyReadTimeout: s.times.read,
		Metadata: map[string]any{traitsKey: r}, Responses: r.answers,
	}
	if op.Responses == nil {
		op.Responses = make(map[string]*huma.Response)
	}
	fails := append([]int{http.StatusBadRequest}, r.fails...)
	if r.method != http.MethodGet {
		fails = append(fails, http.StatusForbidden)
	}
	if r.need != nothingElse {
		fails = append(fails, http.StatusServiceUnavailable)
	}
	for _, status := range fails {
		op.Responses[strconv.Itoa(status)] = s.failed(status)
	}
	return op
}

// failed is an answer that is not a success: the same for all routes, which refer to it.
func (s *service) failed(status int) *huma.Response {
	name := strconv.Itoa(status)
	all := s.api.OpenAPI().Components
	if all.Responses == nil {
		all.Responses = make(map[string]*huma.Response)
	}
	if all.Responses[name] == nil {
		all.Responses[name] = &huma.Response{
			Description: meaning(status),
			Content:     map[string]*huma.MediaType{typeJSON: {Schema: schemaOf[api.Error](s)}},
		}
	}
	return &huma.Response{Ref: "#/components/responses/" + name}
}

// meaning says of a status what it means here.
func meaning(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The request cannot be read."
	case http.StatusForbidden:
		return "The peer may only look."
	case http.StatusNotFound:
		return "There is no such thing."
	case http.StatusMethodNotAllowed:
		return "The path is there, or may be, and does not take the method."
	case http.StatusConflict:
		return "It cannot be done as things are: reason says why. Nothing has changed."
	case http.StatusPreconditionFailed:
		return "If-Match, If-None-Match or the digest is of another state of things."
	case http.StatusRequestEntityTooLarge:
		return "The body is too long."
	case http.StatusUnsupportedMediaType:
		return "The body is neither YAML nor JSON."
	case http.StatusUnprocessableEntity:
		return "The document, or what an action is told, has problems, each with line, column and path where they are known."
	case http.StatusPreconditionRequired:
		return "It hurts, and needs a confirmation: the plan is in the body."
	case http.StatusServiceUnavailable:
		return "Not now: what does it is missing, busy, or about to end."
	}
	return http.StatusText(status)
}

// register adds a route with what answers it.
func register[I, O any](s *service, r route, answer func(context.Context, *I) (*O, error)) {
	huma.Register(s.api, s.operation(r), func(ctx context.Context, in *I) (*O, error) {
		unhurried(ctx, r.slow)
		out, err := answer(ctx, in)
		if err != nil {
			return nil, failureOf(err)
		}
		return out, nil
	})
}

// raw adds a route that writes its answer itself.
func (s *service) raw(r route, parameters []*huma.Param, answer http.HandlerFunc) {
	op := s.operation(r)
	op.Parameters = parameters
	s.api.OpenAPI().AddOperation(&op)
	s.handle(&op, func(w http.ResponseWriter, q *http.Request) {
		unhurried(q.Context(), r.slow)
		answer(w, q)
	})
}

// handle gives a route to the mux, with what is the same for all.
func (s *service) handle(op *huma.Operation, answer http.HandlerFunc) {
	r, _ := op.Metadata[traitsKey].(route)
	pattern := r.path
	if r.rest {
		pattern = strings.TrimSuffix(pattern, "}") + "...}"
	}
	s.note(r.path)
	s.mux.HandleFunc(r.method+" "+pattern, func(w http.ResponseWriter, q *http.Request) {
		if f := s.refuses(r, q); f != nil {
			send(w, f.status, f.body)
			return
		}
		q = q.WithContext(context.WithValue(q.Context(), controllerKey{}, http.NewResponseController(w)))
		if q.ContentLength < 0 || q.ContentLength > bigBody {
			wait := time.NewTimer(s.times.read)
			defer wait.Stop()
			select {
			case s.big <- struct{}{}:
				defer func() { <-s.big }()
			case <-q.Context().Done():
				return
			case <-wait.C:
				send(w, http.StatusServiceUnavailable, api.Error{Error: fmt.Sprintf("%d large requests are at work: ask again when they have ended", maxBig)})
				return
			}
		}
		answer(w, q)
	})
}

// refuses says why a request is not looked at any further.
func (s *service) refuses(r route, q *http.Request) *failure {
	p := peerOf(q.Context())
	switch {
	case r.method != http.MethodGet && !r.looks && !p.mayChange(s.uid):
		return s.forbidden(p)
	case r.need == anAgent && s.Agent == nil:
		return fail(http.StatusServiceUnavailable, "this daemon does not change what it serves")
	case r.need == anOperator && s.Operator == nil:
		return fail(http.StatusServiceUnavailable, "this daemon cannot do that")
	case q.ContentLength != 0 && !readable(q.Header.Get("Content-Type")):
		return fail(http.StatusUnsupportedMediaType, "a body of the type %q cannot be read: it is application/yaml or application/json", q.Header.Get("Content-Type"))
	}
	return nil
}

// forbidden is the answer to one who may only look.
func (s *service) forbidden(p peer) *failure {
	return fail(http.StatusForbidden, "%v may look, and not change anything: that is for root, and for the user of the daemon, which is uid %d", p, s.uid)
}

// readable reports that a body of a type can be YAML or JSON. The last is what curl says of what it is not told.
func readable(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	for _, end := range []string{"yaml", "json", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"} {
		if strings.HasSuffix(t, end) {
			return true
		}
	}
	return t == ""
}

// schemaOf is the schema of a type, among those of the description.
func schemaOf[T any](s *service) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// success is an answer with a body of a type.
func success[T any](s *service, words string) *huma.Response {
	return &huma.Response{Description: words, Content: map[string]*huma.MediaType{typeJSON: {Schema: schemaOf[T](s)}}}
}
