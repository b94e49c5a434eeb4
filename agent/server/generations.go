package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/state"
)

// Numbered is the input of a route about a generation.
type Numbered struct {
	Generation uint64 `path:"generation" minimum:"1"`
}

// generations are the routes about the documents that were, and about a change that is tried.
func (s *service) generations() {
	const tag = "generations"
	register(s, route{
		method: http.MethodGet, path: "/v1/history", id: "list-history", summary: "The generations that are kept, the newest first", tag: tag, need: anAgent,
	}, func(context.Context, *none) (*answer[[]state.Meta], error) {
		all, err := s.history()
		return &answer[[]state.Meta]{append([]state.Meta{}, all...)}, err
	})
	register(s, route{
		method: http.MethodGet, path: "/v1/history/{generation}", id: "get-history", summary: "One generation, with the text of its document", tag: tag, need: anAgent, fails: []int{http.StatusNotFound},
	}, func(_ context.Context, in *Numbered) (*answer[api.Generation], error) {
		if err := s.kept(in.Generation); err != nil {
			return nil, err
		}
		g, err := s.History.Load(in.Generation)
		return &answer[api.Generation]{api.Generation{Meta: g.Meta, Text: string(g.Text)}}, err
	})

	back := s.changes(http.MethodPost, "/v1/rollback/{generation}", "rollback", "Make the document of a generation the one that counts, as a generation of its own")
	back.tag, back.fails = tag, append(back.fails, http.StatusNotFound)
	register(s, back, func(ctx context.Context, in *struct {
		Numbered
		Wanted
	}) (*changed, error) {
		r, err := in.request(ctx)
		if err == nil {
			err = s.kept(in.Generation)
		}
		if err != nil {
			return nil, err
		}
		r.Rollback = in.Generation
		return s.change(ctx, &in.Wanted, r, nil)
	})

	decide := route{
		method: http.MethodPost, path: "/v1/confirm", id: "confirm", summary: "Keep the change that is tried",
		tag: tag, need: anAgent, slow: true, fails: []int{http.StatusConflict},
		answers: map[string]*huma.Response{"200": success[apply.Result](s, "It is done.")},
	}
	register(s, decide, func(ctx context.Context, _ *none) (*answer[*apply.Result], error) {
		r, err := s.Agent.Confirm(ctx, peerOf(ctx).String())
		return &answer[*apply.Result]{shownResult(r)}, err
	})
	decide.path, decide.id, decide.summary = "/v1/revert", "revert", "Take the change back that is tried"
	decide.answers = map[string]*huma.Response{"200": success[apply.Result](s, "It is done.")}
	register(s, decide, func(ctx context.Context, _ *none) (*answer[*apply.Result], error) {
		r, err := s.Agent.Revert(ctx, peerOf(ctx).String())
		return &answer[*apply.Result]{shownResult(r)}, err
	})

	register(s, route{
		method: http.MethodGet, path: "/v1/status", id: "get-status", summary: "The generation, what is not as the document wants it, and what is under way", tag: tag, need: anAgent,
	}, func(context.Context, *none) (*answer[apply.Status], error) {
		v := s.Agent.Status()
		v.ETag = quoted(v.ETag)
		v.Conditions = append([]apply.Condition{}, v.Conditions...)
		return &answer[apply.Status]{v}, nil
	})
}

// history are the generations that are kept.
func (s *service) history() ([]state.Meta, error) {
	if s.History == nil {
		return nil, fail(http.StatusServiceUnavailable, "this daemon keeps no generations")
	}
	return s.History.History()
}

// kept is an error if a generation is not.
func (s *service) kept(n uint64) error {
	all, err := s.history()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(m state.Meta) bool { return m.Generation == n }) {
		return fail(http.StatusNotFound, "there is no generation %d: GET /v1/history has those that are kept", n)
	}
	return nil
}
