package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
)

// A failure is an answer that is not a success.
type failure struct {
	status  int
	body    api.Error
	headers http.Header // more of them
}

func (f *failure) Error() string { return f.body.Error }

// GetStatus implements [huma.StatusError].
func (f *failure) GetStatus() int { return f.status }

// GetHeaders implements [huma.HeadersError].
func (f *failure) GetHeaders() http.Header { return f.headers }

func fail(status int, format string, args ...any) *failure {
	return &failure{status: status, body: api.Error{Error: fmt.Sprintf(format, args...)}}
}

// failureOf is the answer that an error of the agent is.
func failureOf(err error) *failure {
	var (
		own      *failure
		problems model.Problems
		problem  *model.Problem
		missing  *model.NoObjectError
		there    *model.ObjectThereError
		conflict *apply.ConflictError
		confirm  *apply.NeedsConfirmError
		gone     *apply.NotFoundError
		request  *apply.RequestError
	)
	f := &failure{body: api.Error{Error: err.Error()}}
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &problems):
		f.status = http.StatusUnprocessableEntity
		for _, p := range problems {
			f.body.Problems = append(f.body.Problems, problemOf(p))
		}
	case errors.As(err, &problem):
		f.status, f.body.Problems = http.StatusUnprocessableEntity, []api.Problem{problemOf(problem)}
	case errors.As(err, &missing), errors.As(err, &gone):
		f.status = http.StatusNotFound
	case errors.As(err, &there):
		f.status, f.body.Reason = http.StatusConflict, api.ReasonExists
	case errors.As(err, &conflict) && conflict.Try:
		f.status, f.body.Reason = http.StatusConflict, api.ReasonTry
	case errors.As(err, &conflict):
		f.status, f.body.Generation = http.StatusPreconditionFailed, conflict.Generation
	case errors.As(err, &confirm):
		f.status, f.body.Plan = http.StatusPreconditionRequired, confirm.Plan
	case errors.As(err, &request):
		f.status = http.StatusBadRequest
	case errors.Is(err, context.Canceled):
		f.status, f.body.Error = http.StatusServiceUnavailable, "it was canceled, and nothing has changed"
	default:
		f.status, f.body.Reason = http.StatusConflict, api.ReasonFailed
	}
	return f
}

// problemOf is a problem as the API has it. The name of the file is not part of it: there is none.
func problemOf(p *model.Problem) api.Problem {
	return api.Problem{Line: p.At.Line, Column: p.At.Column, Path: p.Path, Message: p.Err.Error()}
}

// explained makes the errors that huma has found in a request into ours: what is wrong with a request itself is 400,
// so that 422 is of documents alone.
func explained(ctx huma.Context, _ string, v any) (any, error) {
	switch e := v.(type) {
	case *failure:
		return e.body, nil
	case *huma.ErrorModel:
		a, ok := ctx.(*answering)
		if ok && e.Status == http.StatusUnprocessableEntity {
			a.status = http.StatusBadRequest
		}
		ctx.SetHeader("Content-Type", "application/json")
		return api.Error{Error: inWords(e)}, nil
	}
	return v, nil
}

// inWords is an error of huma in one line.
func inWords(e *huma.ErrorModel) string {
	if len(e.Errors) == 0 {
		return e.Detail
	}
	parts := make([]string, 0, len(e.Errors))
	for _, d := range e.Errors {
		text := d.Message
		if d.Location != "" {
			text = d.Location + ": " + text
		}
		parts = append(parts, text)
	}
	return "the request is not right: " + strings.Join(parts, "; ")
}

// inner is a [huma.Context] that can be embedded beside its method of that name.
type inner huma.Context

// answering is the context of a request, whose status can be another than the one that huma gives it.
type answering struct {
	inner
	status int // 0: what huma says
}

// SetStatus implements [huma.Context].
func (a *answering) SetStatus(code int) {
	if a.status != 0 {
		code = a.status
	}
	a.inner.SetStatus(code)
}
