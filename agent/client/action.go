package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/lunette-io/lunette/agent/api"
)

// Actions are what can be done with a unit, by the name that it has in the document.
func (c *Client) Actions(ctx context.Context, unit string) ([]api.Action, error) {
	return get[[]api.Action](ctx, c, "/v1/units/"+escape(unit)+"/actions")
}

// Act does something with a unit. arguments are encoded as JSON and have the action's names; nil: there are none. The
// result is decoded into result, unless that is nil. It lasts as long as the action does, and ends it when ctx is done.
func (c *Client) Act(ctx context.Context, unit, action string, arguments, result any) error {
	var body []byte
	if arguments != nil {
		text, err := json.Marshal(arguments)
		if err != nil {
			return err
		}
		body = text
	}
	var done api.Done
	r := request{method: http.MethodPost, path: "/v1/units/" + escape(unit) + "/actions/" + escape(action), body: body, header: http.Header{"Content-Type": {typeJSON}}}
	if err := c.ask(ctx, r, &done); err != nil {
		return err
	}
	if result == nil || len(done.Result) == 0 {
		return nil
	}
	return json.Unmarshal(done.Result, result)
}
