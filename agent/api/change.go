package api

import (
	"encoding/json"
	"fmt"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// MaxBody bounds the body of a request, in bytes: a document of the largest size, and the escapes of JSON around it.
const MaxBody = 16<<20 + 1<<20

// An Error is the body of every answer that is not a success.
type Error struct {
	Error string `json:"error" doc:"What is wrong, and what to do about it."`
	// Reason tells errors of one status apart: see the constants below.
	Reason string `json:"reason,omitempty" doc:"With status 409: exists (the object is there already), try (a change is tried, which has to be confirmed or reverted first; or none is), late (it cannot be taken back any more), failed (it did not come about on this machine, and nothing has changed)."`
	// Problems are all that is wrong with a document, with 422.
	Problems []Problem `json:"problems,omitempty" doc:"All that is wrong with the document, with status 422."`
	// Plan is what would be done if it were confirmed, with 428, or if it were not another than the one that was
	// shown, with 412.
	Plan *plan.Plan `json:"plan,omitempty" doc:"What needs a confirmation, with status 428."`
	// Generation is that of the document now, with 412.
	Generation uint64 `json:"generation,omitempty" doc:"The generation of the document now, with status 412."`
}

// Reasons of errors with status 409.
const (
	ReasonExists = "exists" // the object that was to be created is there
	ReasonTry    = "try"    // a change is tried, and was neither confirmed nor taken back; or none is
	ReasonLate   = "late"   // an operation cannot be canceled any more
	ReasonFailed = "failed" // it did not come about on this machine: nothing has changed
)

// A Problem is one thing that is wrong with a document.
type Problem struct {
	Line    int    `json:"line,omitempty" doc:"From 1; 0 if it is not known."`
	Column  int    `json:"column,omitempty" doc:"From 1."`
	Path    string `json:"path,omitempty" doc:"Of the value, such as units[0].store.size."`
	Message string `json:"message"`
}

// String is the problem in one line.
func (p Problem) String() string {
	text := p.Message
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("%d:%d: %s", p.Line, p.Column, text)
	}
	return text
}

// An Object is an element of GET /v1/config/KIND.
type Object struct {
	Name   string          `json:"name"`
	ETag   string          `json:"etag" doc:"For If-Match, with its quotes."`
	Object json.RawMessage `json:"object" doc:"The object as it stands in the document."`
}

// An Edit is an element of the body of POST /v1/config/edits: a [model.Edit] as JSON. Of Object and Text there
// is one, or none to delete an object.
type Edit struct {
	Op     model.EditOp    `json:"op" enum:"create,put,merge,delete" doc:"What becomes of the object. merge is a JSON merge patch (RFC 7396)."`
	Key    model.Key       `json:"key"`
	Object json.RawMessage `json:"object,omitempty" doc:"The object, or the merge patch, as JSON."`
	Text   string          `json:"text,omitempty" doc:"The object as YAML, with its comments."`
}

// EditOf is e as JSON.
func EditOf(e model.Edit) Edit {
	v := Edit{Op: e.Op, Key: e.Key}
	switch {
	case len(e.Body) == 0:
	case json.Valid(e.Body):
		v.Object = e.Body
	default:
		v.Text = string(e.Body)
	}
	return v
}

// Model is the edit that e is.
func (e Edit) Model() (model.Edit, error) {
	m := model.Edit{Op: e.Op, Key: e.Key, Body: e.Object}
	if e.Text != "" {
		if len(e.Object) > 0 {
			return m, fmt.Errorf("%s: an edit has an object or a text, and not both", e.Key)
		}
		m.Body = []byte(e.Text)
	}
	if wants := e.Op != model.DeleteObject; wants != (len(m.Body) > 0) {
		if wants {
			return m, fmt.Errorf("%s: %s wants an object or a text", e.Key, e.Op)
		}
		return m, fmt.Errorf("%s: %s takes no object and no text", e.Key, e.Op)
	}
	return m, nil
}

// Collections are the kinds of objects, each at /v1/config/ with a name of its own.
func Collections() []Collection {
	return []Collection{
		{"users", model.UserObject, "a user"},
		{"units", model.UnitObject, "a unit"},
		{"targets", model.TargetObject, "a target"},
		{"access", model.AccessObject, "an access entry"},
		{"portals", model.PortalObject, "a portal"},
		{"sections", model.SectionObject, "a section"},
	}
}

// A Collection is the place of all objects of a kind in the API.
type Collection struct {
	Path string // the last part: "units"
	Kind model.ObjectKind
	Word string // for one of them, in sentences: "a unit"
}

// CollectionOf is that of a kind.
func CollectionOf(kind model.ObjectKind) (Collection, bool) {
	for _, c := range Collections() {
		if c.Kind == kind {
			return c, true
		}
	}
	return Collection{}, false
}
