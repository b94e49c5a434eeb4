package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/plan"
)

// An Error is what a daemon says when it does not do what it was asked, if it is none of those below.
type Error struct {
	Status  int    // of HTTP
	Reason  string // one of api's, or empty
	Message string
}

func (e *Error) Error() string { return e.Message }

// A ConflictError says that the document, the object, or the plan is not any more what it was when the client looked:
// look again, and ask again.
type ConflictError struct {
	Message    string
	Generation uint64     // of the document now; 0: it was not told
	Plan       *plan.Plan // the one that it would be now; nil: it was not told
}

func (e *ConflictError) Error() string { return e.Message }

// An ExistsError says that the object that was to be created is there.
type ExistsError struct{ Message string }

func (e *ExistsError) Error() string { return e.Message }

// A NeedsConfirmError says that the change hurts, and wants to be confirmed.
type NeedsConfirmError struct {
	Message string
	Plan    *plan.Plan // its Confirms are what is wanted
}

func (e *NeedsConfirmError) Error() string { return e.Message }

// A ProblemsError says what is wrong with a document. There may be no problem of a place in it.
type ProblemsError struct {
	Message  string
	Problems []api.Problem
}

func (e *ProblemsError) Error() string {
	switch len(e.Problems) {
	case 0:
		return e.Message
	case 1:
		return e.Problems[0].String()
	}
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return fmt.Sprintf("%d problems:\n%s", len(lines), strings.Join(lines, "\n"))
}

// A NotFoundError says that there is no such thing.
type NotFoundError struct{ Message string }

func (e *NotFoundError) Error() string { return e.Message }

// refusal is the error that an answer is.
func (c *Client) refusal(answer *http.Response) error {
	var e api.Error
	if json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&e) != nil || e.Error == "" {
		e.Error = answer.Status
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return &NotFoundError{e.Error}
	case http.StatusConflict:
		if e.Reason == api.ReasonExists {
			return &ExistsError{e.Error}
		}
	case http.StatusPreconditionFailed:
		return &ConflictError{Message: e.Error, Generation: e.Generation, Plan: e.Plan}
	case http.StatusPreconditionRequired:
		if e.Plan != nil {
			return &NeedsConfirmError{Message: e.Error, Plan: e.Plan}
		}
	case http.StatusUnprocessableEntity:
		return &ProblemsError{Message: e.Error, Problems: e.Problems}
	}
	return fmt.Errorf("the daemon at %s says: %w", c.path, &Error{Status: answer.StatusCode, Reason: e.Reason, Message: e.Error})
}
