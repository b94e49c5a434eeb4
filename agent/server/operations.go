package server

import (
	"context"
	"net/http"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
)

const operationsPath = "/v1/operations"

// operations are the routes about changes under way.
func (s *service) operations() {
	const tag = "operations"
	register(s, route{
		method: http.MethodGet, path: operationsPath, id: "list-operations", summary: "The changes under way and the last that were, the newest first", tag: tag, need: anAgent,
	}, func(context.Context, *none) (*answer[[]apply.Operation], error) {
		all := []apply.Operation{}
		for _, o := range s.Agent.Operations() {
			all = append(all, shownOperation(o))
		}
		return &answer[[]apply.Operation]{all}, nil
	})
	type one struct {
		ID string `path:"id"`
	}
	find := func(id string) (apply.Operation, error) {
		o, ok := s.Agent.Operation(id)
		if !ok {
			return o, fail(http.StatusNotFound, "there is no operation %q: GET %s has the last", id, operationsPath)
		}
		return shownOperation(o), nil
	}
	r := route{
		method: http.MethodGet, path: operationsPath + "/{id}", id: "get-operation", summary: "How a change goes on", tag: tag, need: anAgent, fails: []int{http.StatusNotFound},
	}
	register(s, r, func(_ context.Context, in *one) (*answer[apply.Operation], error) {
		o, err := find(in.ID)
		return &answer[apply.Operation]{o}, err
	})
	r.method, r.id, r.summary, r.status = http.MethodDelete, "cancel-operation", "Take a change back that has not been committed", http.StatusAccepted
	r.doc = "The answer does not wait: the operation says when it has ended."
	r.fails = append(r.fails, http.StatusConflict)
	register(s, r, func(_ context.Context, in *one) (*answer[apply.Operation], error) {
		o, err := find(in.ID)
		if err != nil {
			return nil, err
		}
		if !s.Agent.Cancel(in.ID) {
			f := fail(http.StatusConflict, "the operation %s is %s, and cannot be taken back any more", in.ID, o.Phase)
			f.body.Reason = api.ReasonLate
			return nil, f
		}
		o, err = find(in.ID)
		return &answer[apply.Operation]{o}, err
	})
}
