package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// Options are what can be said of every change.
type Options struct {
	// Match, if it is not empty, is the ETag that the object, or the whole document, must have.
	Match   string
	Digest  string         // of the plan that was shown; empty: any
	Confirm []plan.Confirm // what may hurt
	Delete  []string       // units whose data is to be removed with them
	DryRun  bool           // only the plan
	Try     time.Duration  // it is taken back after this time unless Confirm is called; 0: it stays
	Comment string
}

func (o Options) query() url.Values {
	q := url.Values{}
	for _, c := range o.Confirm {
		q.Add("confirm", string(c))
	}
	for _, name := range o.Delete {
		q.Add("delete", name)
	}
	if o.Digest != "" {
		q.Set("digest", o.Digest)
	}
	if o.DryRun {
		q.Set("dry-run", "true")
	}
	if o.Try != 0 {
		q.Set("try", o.Try.String())
	}
	if o.Comment != "" {
		q.Set("comment", o.Comment)
	}
	return q
}

func (o Options) header(contentType string) http.Header {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	if o.Match != "" {
		h.Set("If-Match", o.Match)
	}
	return h
}

// An ApplyRequest asks for the whole document to be another.
type ApplyRequest struct {
	Text []byte // YAML or JSON
	Options
}

// The types of what is sent. YAML has JSON in it.
const (
	typeYAML = "application/yaml"
	typeJSON = "application/json"
)

// Config is the whole document, as it was written (YAML), or as JSON, and its ETag.
func (c *Client) Config(ctx context.Context, f model.Format) (text []byte, etag string, err error) {
	return c.text(ctx, "/v1/config", url.Values{"format": {string(f)}})
}

// Apply makes the document another, and waits for the end of that.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (*apply.Result, error) {
	return c.change(ctx, http.MethodPut, "/v1/config", r.Text, typeYAML, r.Options)
}

// Start begins what [Client.Apply] does, and does not wait for its end: [Client.Operation] tells of it.
func (c *Client) Start(ctx context.Context, r ApplyRequest) (*apply.Operation, error) {
	h := r.header(typeYAML)
	h.Set("Prefer", "respond-async")
	var o apply.Operation
	if err := c.ask(ctx, request{http.MethodPut, "/v1/config", r.query(), h, r.Text}, &o); err != nil {
		return nil, err
	}
	return &o, nil
}

// Edit makes several edits, all of them or none. Options.Match is of the whole document.
func (c *Client) Edit(ctx context.Context, edits []model.Edit, o Options) (*apply.Result, error) {
	all := make([]api.Edit, len(edits))
	for i, e := range edits {
		all[i] = api.EditOf(e)
	}
	body, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("edits: %w", err)
	}
	return c.change(ctx, http.MethodPost, "/v1/config/edits", body, typeJSON, o)
}

// Object is one object as it was given, and its ETag.
func (c *Client) Object(ctx context.Context, k model.Key, f model.Format) (text []byte, etag string, err error) {
	path, err := objectPath(k)
	if err != nil {
		return nil, "", err
	}
	return c.text(ctx, path, url.Values{"format": {string(f)}})
}

// Objects are all objects of a kind, in the order of the document.
func (c *Client) Objects(ctx context.Context, kind model.ObjectKind) ([]api.Object, error) {
	at, ok := api.CollectionOf(kind)
	if !ok {
		return nil, noKind(kind)
	}
	return get[[]api.Object](ctx, c, "/v1/config/"+at.Path)
}

// PutObject puts an object in the place of the one that is there, or adds it.
func (c *Client) PutObject(ctx context.Context, k model.Key, body []byte, o Options) (*apply.Result, error) {
	return c.object(ctx, http.MethodPut, k, body, typeYAML, o)
}

// PatchObject changes some keys of an object that is there: patch is a JSON merge patch (RFC 7396), in JSON or YAML.
func (c *Client) PatchObject(ctx context.Context, k model.Key, patch []byte, o Options) (*apply.Result, error) {
	contentType := typeYAML
	if json.Valid(patch) {
		contentType = "application/merge-patch+json"
	}
	return c.object(ctx, http.MethodPatch, k, patch, contentType, o)
}

// DeleteObject removes an object.
func (c *Client) DeleteObject(ctx context.Context, k model.Key, o Options) (*apply.Result, error) {
	return c.object(ctx, http.MethodDelete, k, nil, "", o)
}

// CreateObject adds an object that is not there; else the error is an [*ExistsError].
func (c *Client) CreateObject(ctx context.Context, k model.Key, body []byte, o Options) (*apply.Result, error) {
	at, ok := api.CollectionOf(k.Kind)
	if !ok {
		return nil, noKind(k.Kind)
	}
	q := o.query()
	q.Set("name", k.Name)
	return c.result(ctx, request{http.MethodPost, "/v1/config/" + at.Path, q, o.header(typeYAML), body})
}

// Rollback makes the document of a generation the one that counts, as a generation of its own.
func (c *Client) Rollback(ctx context.Context, generation uint64, o Options) (*apply.Result, error) {
	return c.change(ctx, http.MethodPost, fmt.Sprintf("/v1/rollback/%d", generation), nil, "", o)
}

// Reload reads again what the document names, such as secrets, and applies the file of the daemon if it has one.
func (c *Client) Reload(ctx context.Context, o Options) (*apply.Result, error) {
	return c.change(ctx, http.MethodPost, "/v1/reload", nil, "", o)
}

// Confirm keeps the change that is tried.
func (c *Client) Confirm(ctx context.Context) (*apply.Result, error) {
	return c.result(ctx, request{method: http.MethodPost, path: "/v1/confirm"})
}

// Revert takes the change back that is tried.
func (c *Client) Revert(ctx context.Context) (*apply.Result, error) {
	return c.result(ctx, request{method: http.MethodPost, path: "/v1/revert"})
}

func (c *Client) object(ctx context.Context, method string, k model.Key, body []byte, contentType string, o Options) (*apply.Result, error) {
	path, err := objectPath(k)
	if err != nil {
		return nil, err
	}
	return c.change(ctx, method, path, body, contentType, o)
}

func (c *Client) change(ctx context.Context, method, path string, body []byte, contentType string, o Options) (*apply.Result, error) {
	return c.result(ctx, request{method, path, o.query(), o.header(contentType), body})
}

// result asks for a change and waits for it: how long that may take is the caller's to say.
func (c *Client) result(ctx context.Context, r request) (*apply.Result, error) {
	var v apply.Result
	if err := c.ask(ctx, r, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

func noKind(kind model.ObjectKind) error {
	return fmt.Errorf("there are no objects of the kind %q", kind)
}
