package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
)

// none is the input of a route that takes nothing.
type none struct{}

// An answer has a body and nothing else.
type answer[T any] struct{ Body T }

// Named is the input of a route about one thing.
type Named struct {
	Name string `path:"name" doc:"A slash in it may be written %2F, and has to be where two of them follow each other."`
}

// runtime are the routes about what runs.
func (s *service) runtime() {
	const tag = "what runs"
	show := func(path, id, summary string) route {
		return route{method: http.MethodGet, path: path, id: id, summary: summary, tag: tag}
	}
	register(s, show("/v1/version", "get-version", "The program, its version and its process"), all(s.Source.Version))
	register(s, show("/v1/targets", "list-targets", "The targets"), all(s.Source.Targets))
	register(s, show("/v1/units", "list-units", "The logical units, with what their commands have come to"), all(s.Source.Units))
	register(s, show("/v1/sessions", "list-sessions", "The initiators that are logged in"), all(s.Source.Sessions))
	for _, open := range []string{"Target", "Unit"} { // facts are fields beside those that all have
		s.api.OpenAPI().Components.Schemas.Map()[open].AdditionalProperties = true
	}

	one := show("/v1/targets/{name}", "get-target", "One target")
	one.rest, one.fails = true, []int{http.StatusNotFound}
	register(s, one, find("target", s.Source.Targets, func(t api.Target) string { return t.Name }))
	one.path, one.id, one.summary = "/v1/units/{name}", "get-unit", "One logical unit"
	register(s, one, find("unit", s.Source.Units, func(u api.Unit) string { return u.Name }))

	type session struct {
		Transport string `path:"transport" doc:"As GET /v1/sessions has it."`
		ID        string `path:"id" doc:"As GET /v1/sessions has it."`
	}
	register(s, route{
		method: http.MethodDelete, path: "/v1/sessions/{transport}/{id}", id: "drop-session", summary: "End a session",
		doc: "It is ended, and its end is not waited for. The initiator may log in again.",
		tag: tag, need: anOperator, fails: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *session) (*none, error) {
		return nil, s.Operator.DropSession(ctx, in.Transport, in.ID)
	})

	kept := route{
		method: http.MethodGet, path: "/v1/units/{name}/reservations", id: "get-reservations", summary: "The persistent reservations of a logical unit",
		tag: tag, need: anOperator, fails: []int{http.StatusNotFound, http.StatusConflict},
	}
	register(s, kept, func(ctx context.Context, in *Named) (*answer[api.Reservations], error) {
		r, err := s.Operator.Reservations(ctx, in.Name)
		return &answer[api.Reservations]{r}, err
	})
	kept.method, kept.id, kept.summary = http.MethodDelete, "clear-reservations", "Remove the persistent reservations of a logical unit, with all registrations"
	register(s, kept, func(ctx context.Context, in *Named) (*none, error) {
		return nil, s.Operator.ClearReservations(ctx, in.Name)
	})

	s.raw(route{
		method: http.MethodGet, path: "/v1/profile/{kind}", id: "take-profile", summary: "A profile of the daemon, in the format of pprof, or a trace in that of Go's tracer",
		tag: tag, slow: true, fails: []int{http.StatusNotFound, http.StatusConflict},
		answers: map[string]*huma.Response{"200": {Description: "The profile.", Content: map[string]*huma.MediaType{
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}},
	}, []*huma.Param{
		{Name: "kind", In: "path", Required: true, Description: "One of " + strings.Join(api.ProfileKinds(), ", ") + ".", Schema: &huma.Schema{Type: huma.TypeString}},
		{Name: "time", In: "query", Description: "How long it watches, up to " + api.MaxProfile.String() + "; " + strconv.Quote(defaultProfile.String()) + " if nothing is said.", Schema: &huma.Schema{Type: huma.TypeString}},
	}, s.profile)
}

// all answers with what get returns.
func all[T any](get func() T) func(context.Context, *none) (*answer[T], error) {
	return func(context.Context, *none) (*answer[T], error) { return &answer[T]{get()}, nil }
}

// find answers with the element whose name the request has.
func find[T any](what string, get func() []T, name func(T) string) func(context.Context, *Named) (*answer[T], error) {
	return func(_ context.Context, in *Named) (*answer[T], error) {
		for _, v := range get() {
			if name(v) == in.Name {
				return &answer[T]{v}, nil
			}
		}
		return nil, fail(http.StatusNotFound, "there is no %s %q", what, in.Name)
	}
}
