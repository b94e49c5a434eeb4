package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
)

// Acting is the input of a route that does something with a unit.
type Acting struct {
	Named
	Action string `path:"action" doc:"As GET /v1/units/{name}/actions has it."`
	Sent
}

// actions are the routes about what can be done with units.
func (s *service) actions() {
	const path = "/v1/units/{name}/actions"
	register(s, route{
		method: http.MethodGet, path: path, id: "list-actions", summary: "What can be done with a unit, beside changing the document",
		doc: "The unit has the name that it has in the document. What its actions are is told by its kind.",
		tag: "what runs", need: anOperator, fails: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *Named) (*answer[[]api.Action], error) {
		all, err := s.Operator.Actions(ctx, in.Name)
		if all == nil {
			all = []api.Action{}
		}
		return &answer[[]api.Action]{all}, err
	})
	register(s, route{
		method: http.MethodPost, path: path + "/{action}", id: "do-action", summary: "Do something with a unit",
		doc: "The answer comes when it is done; a client that goes ends what can be ended. Actions that change nothing are there for those who may only look, too.",
		tag: "what runs", need: anOperator, slow: true, looks: true,
		fails: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, func(ctx context.Context, in *Acting) (*answer[api.Done], error) {
		all, err := s.Operator.Actions(ctx, in.Name)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(a api.Action) bool { return a.Name == in.Action })
		if i < 0 {
			return nil, fail(http.StatusNotFound, "there is no action %q of the unit %s%s", in.Action, in.Name, listed(all))
		}
		p := peerOf(ctx)
		if all[i].Changes && !p.mayChange(s.uid) {
			return nil, s.forbidden(p)
		}
		result, err := s.Operator.Act(ctx, ActRequest{Unit: in.Name, Action: in.Action, Arguments: in.own(), Author: p.String()})
		if err != nil {
			return nil, err
		}
		done := api.Done{Unit: in.Name, Action: in.Action}
		if result != nil {
			if done.Result, err = json.Marshal(result); err != nil {
				return nil, err
			}
		}
		return &answer[api.Done]{done}, nil
	})
	s.takesJSON(path+"/{action}", http.MethodPost, "The arguments of the action, by their names.")
	s.api.OpenAPI().Paths[path+"/{action}"].Post.RequestBody.Required = false
}

// listed are the actions that there are, as the end of a sentence.
func listed(all []api.Action) string {
	if len(all) == 0 {
		return ", which has none"
	}
	names := make([]string, 0, len(all))
	for _, a := range all {
		names = append(names, a.Name)
	}
	return ": there are " + strings.Join(names, ", ")
}
