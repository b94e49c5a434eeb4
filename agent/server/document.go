package server

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

const (
	tagDocument = "the document"

	typeYAML = "application/yaml"
	typeJSON = "application/json"
)

// How long a change may be tried.
const (
	minTry = time.Second
	maxTry = 24 * time.Hour
)

// Shown is the input of what shows a document, or an object of it. It is exported, as others are, because huma reads
// nothing else.
type Shown struct {
	Format    string `query:"format" enum:"yaml,json" doc:"How it is written. Without it Accept decides, and then it is yaml: as it was written, with its comments."`
	Accept    string `header:"Accept" hidden:"true"`
	NoneMatch string `header:"If-None-Match" doc:"The ETag of what the client has: if it is the same the answer is 304."`
}

func (q Shown) format() model.Format {
	if q.Format == string(model.JSON) || q.Format == "" && strings.Contains(q.Accept, "json") && !strings.Contains(q.Accept, "yaml") {
		return model.JSON
	}
	return model.YAML
}

// A text is an answer that is not put into JSON.
type text struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag" doc:"For If-Match and If-None-Match."`
	Vary        string `header:"Vary"`
	Body        []byte
}

// answer is the text of a document or an object, unless the client has it.
func (q Shown) answer(body []byte, tag string) (*text, error) {
	tag = quoted(tag)
	if q.NoneMatch == tag || q.NoneMatch == "*" {
		return nil, &failure{status: http.StatusNotModified, headers: http.Header{"Etag": {tag}}}
	}
	t := &text{ContentType: typeYAML, ETag: tag, Vary: "Accept", Body: body}
	if q.format() == model.JSON {
		t.ContentType = typeJSON
	}
	return t, nil
}

// quoted is a tag of the model as an ETag (RFC 9110 8.8.3).
func quoted(tag string) string {
	if strings.HasPrefix(tag, `"`) {
		return tag
	}
	return `"` + tag + `"`
}

// Wanted is what is said of every change.
type Wanted struct {
	DryRun  bool     `query:"dry-run" doc:"Only the plan."`
	Confirm []string `query:"confirm,explode" enum:"end-sessions,replace,delete-data,restart" doc:"What may hurt. It can be there several times."`
	Delete  []string `query:"delete,explode" doc:"A unit that is removed and whose data is to be removed with it. It can be there several times."`
	Try     string   `query:"try" doc:"After which time the change is taken back unless it is confirmed, such as 60s: from 1s up to 24h."`
	Digest  string   `query:"digest" doc:"That of the plan which was shown: with another plan nothing happens."`
	Comment string   `query:"comment" maxLength:"1000" doc:"Why, for the history."`
	Match   string   `header:"If-Match" doc:"The ETag that it must have still, or * if it must be there."`
	Prefer  string   `header:"Prefer" doc:"respond-async: the answer is an operation, and the change goes on behind it."`
}

// request is what is wanted as a request to the agent.
func (q *Wanted) request(ctx context.Context) (apply.Request, error) {
	r := apply.Request{
		Digest: q.Digest, DryRun: q.DryRun, Delete: q.Delete, Comment: q.Comment,
		Author: peerOf(ctx).String(), Match: q.Match,
	}
	for _, c := range q.Confirm {
		r.Confirm = append(r.Confirm, plan.Confirm(c))
	}
	if q.Try != "" {
		d, err := time.ParseDuration(q.Try)
		if err != nil || d < minTry || d > maxTry {
			return r, fail(http.StatusBadRequest, "try=%q: a time from %v up to %v is wanted, such as 60s", q.Try, minTry, maxTry)
		}
		r.Try = d
	}
	switch {
	case q.Match == "" || q.Match == "*":
	case strings.HasPrefix(q.Match, "W/"): // RFC 9110 13.1.1: only strong ones match
		return r, fail(http.StatusPreconditionFailed, "If-Match: %s is a weak tag, which matches nothing: take one from an answer", q.Match)
	case len(q.Match) < 2 || q.Match[0] != '"' || strings.IndexByte(q.Match[1:], '"') != len(q.Match)-2:
		return r, fail(http.StatusBadRequest, "If-Match: %s is not one tag in quotes: take it from an answer as it is", q.Match)
	default:
		r.Match = strings.Trim(q.Match, `"`)
	}
	return r, nil
}

// async reports that the client does not wait (RFC 7240 4.1).
func (q *Wanted) async() bool {
	return !q.DryRun && slices.ContainsFunc(strings.Split(q.Prefer, ","), func(p string) bool {
		return strings.EqualFold(strings.TrimSpace(p), "respond-async")
	})
}

// changed is the answer to a change: an [apply.Result], or an [apply.Operation].
type changed struct {
	Status   int
	ETag     string `header:"ETag" doc:"Of the whole document."`
	Location string `header:"Location" doc:"Of the object that was created, or of the operation."`
	Applied  string `header:"Preference-Applied"`
	Body     any
}

// change makes a change in the way that is wanted. Of created, which may be nil, the result is 201 if it says so.
func (s *service) change(ctx context.Context, q *Wanted, r apply.Request, created func(*apply.Result) string) (*changed, error) {
	if q.async() {
		o := shownOperation(s.Agent.Start(r))
		return &changed{Status: http.StatusAccepted, Location: operationsPath + "/" + o.ID, Applied: "respond-async", Body: o}, nil
	}
	result, err := s.Agent.Apply(ctx, r)
	if err != nil {
		return nil, err
	}
	result = shownResult(result)
	c := &changed{Status: http.StatusOK, Body: result}
	if created != nil && !r.DryRun {
		if c.Location = created(result); c.Location != "" {
			c.Status = http.StatusCreated
		}
	}
	if r.MatchKey == (model.Key{}) {
		c.ETag = result.ETag
	}
	return c, nil
}

// changes is a route that changes the document.
func (s *service) changes(method, path, id, summary string) route {
	return route{
		method: method, path: path, id: id, summary: summary, tag: tagDocument, need: anAgent, slow: true,
		fails: []int{http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusPreconditionRequired},
		answers: map[string]*huma.Response{
			"200": success[apply.Result](s, "It is done, or it was only planned."),
			"202": success[apply.Operation](s, "It has begun."),
		},
	}
}

// Sent is the document, or an object of it.
type Sent struct {
	RawBody []byte `contentType:"application/yaml"`
}

// own is a copy of the body: the memory that it is in is used again when the request has ended, and documents stay.
func (b Sent) own() []byte { return bytes.Clone(b.RawBody) }

// document are the routes about the whole document.
func (s *service) document() {
	register(s, s.shows("/v1/config", "get-config", "The document, as it was written"), func(_ context.Context, q *Shown) (*text, error) {
		now := s.Agent.Current()
		body := now.Document.Text()
		if q.format() == model.JSON || body == nil {
			var err error
			if body, err = now.Document.Encode(q.format()); err != nil {
				return nil, err
			}
		}
		return q.answer(body, now.ETag)
	})
	register(s, s.changes(http.MethodPut, "/v1/config", "put-config", "Make the document another, by difference, and all of it or nothing"),
		func(ctx context.Context, in *struct {
			Wanted
			Sent
		}) (*changed, error) {
			r, err := in.request(ctx)
			if err != nil {
				return nil, err
			}
			r.Text = in.own()
			return s.change(ctx, &in.Wanted, r, nil)
		})
	s.takesJSON("/v1/config", http.MethodPut, "The document, as GET /v1/schema describes it.")
	edits := s.changes(http.MethodPost, "/v1/config/edits", "edit-config", "Make several edits, all of them or none")
	edits.doc = "If-Match is of the whole document."
	edits.fails = append(edits.fails, http.StatusNotFound)
	register(s, edits, func(ctx context.Context, in *struct {
		Wanted
		Body []api.Edit `minItems:"1" nullable:"false"`
	}) (*changed, error) {
		r, err := in.request(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range in.Body {
			m, err := e.Model()
			if err != nil {
				return nil, fail(http.StatusBadRequest, "%v", err)
			}
			r.Edits = append(r.Edits, m)
		}
		return s.change(ctx, &in.Wanted, r, nil)
	})
	reload := s.changes(http.MethodPost, "/v1/reload", "reload", "Read again what the document names, such as secrets, and apply the file of --config if the daemon has one")
	register(s, reload, func(ctx context.Context, in *Wanted) (*changed, error) {
		r, err := in.request(ctx)
		if err != nil {
			return nil, err
		}
		r.Reload = true
		if s.Reload != nil {
			if r, err = s.Reload(r); err != nil {
				return nil, err
			}
		}
		return s.change(ctx, in, r, nil)
	})
}

// shows is a route that shows a document, or an object of it.
func (s *service) shows(path, id, summary string) route {
	return route{
		method: http.MethodGet, path: path, id: id, summary: summary, tag: tagDocument, need: anAgent,
		answers: map[string]*huma.Response{
			"200": {Description: "The text.", Content: map[string]*huma.MediaType{
				typeYAML: {Schema: &huma.Schema{Type: huma.TypeString}},
				typeJSON: {Schema: &huma.Schema{}}, // a portal may be a string
			}},
			"304": {Description: "The client has it."},
		},
	}
}

// takesJSON says in the description that a body of YAML can be JSON as well.
func (s *service) takesJSON(path, method, words string) {
	item := s.api.OpenAPI().Paths[path]
	for m, op := range map[string]*huma.Operation{http.MethodPut: item.Put, http.MethodPost: item.Post, http.MethodPatch: item.Patch} {
		if m == method && op != nil {
			op.RequestBody.Description = words
			op.RequestBody.Content[typeYAML].Schema = &huma.Schema{Type: huma.TypeString}
			op.RequestBody.Content[typeJSON] = &huma.MediaType{Schema: &huma.Schema{}}
		}
	}
}
