package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/state"
)

// History are the generations that are kept, the newest first.
func (c *Client) History(ctx context.Context) ([]state.Meta, error) {
	return get[[]state.Meta](ctx, c, "/v1/history")
}

// Generation is one generation, with the text of its document.
func (c *Client) Generation(ctx context.Context, n uint64) (*api.Generation, error) {
	return one[api.Generation](ctx, c, fmt.Sprintf("/v1/history/%d", n))
}

// Status is how it stands.
func (c *Client) Status(ctx context.Context) (*apply.Status, error) {
	return one[apply.Status](ctx, c, "/v1/status")
}

// Operations are the changes under way, and the last that were.
func (c *Client) Operations(ctx context.Context) ([]apply.Operation, error) {
	return get[[]apply.Operation](ctx, c, "/v1/operations")
}

// Operation is one of them.
func (c *Client) Operation(ctx context.Context, id string) (*apply.Operation, error) {
	return one[apply.Operation](ctx, c, "/v1/operations/"+escape(id))
}

// CancelOperation takes one back that has not been committed.
func (c *Client) CancelOperation(ctx context.Context, id string) error {
	return c.short(ctx, http.MethodDelete, "/v1/operations/"+escape(id))
}

// Schema is the JSON Schema of documents.
func (c *Client) Schema(ctx context.Context) ([]byte, error) {
	text, _, err := c.text(ctx, "/v1/schema", nil)
	return text, err
}

// OpenAPI is the description of the API, as JSON.
func (c *Client) OpenAPI(ctx context.Context) ([]byte, error) {
	text, _, err := c.text(ctx, "/v1/openapi.json", nil)
	return text, err
}

// DropSession ends a session: transport and id are those of an [api.Session].
func (c *Client) DropSession(ctx context.Context, transport, id string) error {
	return c.short(ctx, http.MethodDelete, "/v1/sessions/"+escape(transport)+"/"+escape(id))
}

// Reservations are the persistent reservations of a unit.
func (c *Client) Reservations(ctx context.Context, unit string) (*api.Reservations, error) {
	return one[api.Reservations](ctx, c, "/v1/units/"+escape(unit)+"/reservations")
}

// ClearReservations removes the persistent reservations of a unit, with all registrations.
func (c *Client) ClearReservations(ctx context.Context, unit string) error {
	return c.short(ctx, http.MethodDelete, "/v1/units/"+escape(unit)+"/reservations")
}

// one asks for one thing.
func one[T any](ctx context.Context, c *Client, path string) (*T, error) {
	v, err := get[T](ctx, c, path)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// short asks for something that has no answer but that it is done.
func (c *Client) short(ctx context.Context, method, path string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.ask(ctx, request{method: method, path: path}, nil)
}
