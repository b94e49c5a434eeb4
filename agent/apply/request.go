package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// Bounds of requests: those of what is kept of them, and of what people mean.
const (
	mostAuthor  = 256
	mostComment = 4096
	leastTry    = time.Second
	mostTry     = 24 * time.Hour
)

// check says what is wrong with a request, whatever the document is.
func (r *Request) check() error {
	wrong := func(format string, args ...any) error { return &RequestError{Message: fmt.Sprintf(format, args...)} }
	kinds := 0
	for _, there := range []bool{r.Text != nil, len(r.Edits) > 0, r.Rollback != 0} {
		if there {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return wrong("it is a whole document, edits, or a generation to go back to: one of them")
	case kinds == 0 && !r.Reload:
		return wrong("it asks for nothing: neither a document, nor edits, nor a generation to go back to")
	case r.Try != 0 && (r.Try < leastTry || r.Try > mostTry):
		return wrong("%v is not a time to try a change for: from %v to %v", r.Try, leastTry, mostTry)
	case r.Try != 0 && len(r.Delete) > 0:
		return wrong("a change that is tried cannot delete data: that could not be taken back")
	case len(r.Author) > mostAuthor:
		return wrong("the author's name has %d bytes: %d are the most", len(r.Author), mostAuthor)
	case len(r.Comment) > mostComment:
		return wrong("the comment has %d bytes: %d are the most", len(r.Comment), mostComment)
	}
	return nil
}

// kind is the word for what it asks for.
func (r *Request) kind() string {
	switch {
	case r.Rollback != 0:
		return "rollback"
	case r.Text == nil && len(r.Edits) == 0:
		return "reload"
	case len(r.Edits) > 0:
		return "edit"
	}
	return "apply"
}

// Apply does what a request asks for, and returns when all of it has ended. If ctx is done before the
// commit, nothing has happened. Errors are a [*RequestError], [*ConflictError], [*NotFoundError],
// [*model.ObjectThereError], [model.Problems] or [*NeedsConfirmError], or of what runs or keeps it.
func (e *Engine) Apply(ctx context.Context, r Request) (*Result, error) {
	ctx, op := e.operations.begin(ctx, r.kind(), r.Author)
	return e.apply(ctx, op, r)
}

// Rollback is Apply of a request for the text of a generation.
func (e *Engine) Rollback(ctx context.Context, generation uint64, r Request) (*Result, error) {
	r.Rollback = generation
	return e.Apply(ctx, r)
}

// Start is Apply in the background: the operation says how it goes on.
func (e *Engine) Start(r Request) Operation {
	ctx, op := e.operations.begin(e.ctx, r.kind(), r.Author)
	if !e.spawn(func() { _, _ = e.apply(ctx, op, r) }) { // the operation has its error
		op.end(nil, ErrClosed)
	}
	return op.view()
}

// apply is Apply of an operation. It ends it.
func (e *Engine) apply(ctx context.Context, op *operation, r Request) (res *Result, err error) {
	defer func() { op.end(res, err) }()
	res, left, err := e.ask(ctx, op, r)
	if err == nil {
		res.Conditions = e.await(left)
	}
	return res, err
}

// ask takes the turn for a request, and gives it back when what it asks for is there; what has not ended then is
// awaited.
func (e *Engine) ask(ctx context.Context, op *operation, r Request) (*Result, *ending, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	if err := r.check(); err != nil {
		return nil, nil, err
	}
	// A whole document is read before it is its turn: others need not wait for that. What would be refused
	// anyway is not read.
	if err := matches(e.shown.Load(), r); err != nil {
		return nil, nil, err
	}
	document, err := e.read(&r)
	if err != nil {
		return nil, nil, err
	}
	back, err := e.takeTurn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer back()
	op.is(planning)
	now := e.shown.Load()
	if err := matches(now, r); err != nil {
		return nil, nil, err
	}
	if document == nil {
		if document, err = edited(now.Document, e.c.Schema, r.Edits); err != nil {
			return nil, nil, err
		}
	}
	p, err := e.plan(now, document, r)
	if err != nil {
		return nil, nil, err
	}
	op.has(0, len(p.Steps))
	result := &Result{Plan: p, Generation: now.Generation, ETag: now.ETag}
	if p.Empty() && merges(r.Edits) { // who says what counts already has no text of their own to keep
		document = now.Document
	}
	same := bytes.Equal(document.Text(), now.Document.Text())
	switch {
	case r.DryRun, same && !r.Reload:
		return result, nil, nil
	case !confirmed(p, r.Confirm):
		return nil, nil, &NeedsConfirmError{Plan: p}
	}
	c := change{Engine: e, op: op, now: now, new: document, plan: p, request: r, same: same}
	left, err := c.make(ctx, result)
	if err != nil {
		return nil, nil, e.failed(r.kind(), r.Author, err)
	}
	return result, left, nil
}

// failed tells that something was to be made and was not.
func (e *Engine) failed(kind, author string, err error) error {
	e.c.Log.Warn("a change was not made", "kind", kind, "author", author, "error", err)
	e.Note(Event{Type: "failed", Message: fmt.Sprintf("%s%s: %v", kind, by(author), err)})
	return err
}

// by is who it was, as a part of a sentence.
func by(author string) string {
	if author == "" {
		return ""
	}
	return " by " + author
}

// read returns the whole document of a request; nil if it has none. The text of a generation becomes that
// of the request.
func (e *Engine) read(r *Request) (*model.Document, error) {
	text := r.Text
	if r.Rollback != 0 {
		stored, err := e.c.Generations.Load(r.Rollback)
		if errors.Is(err, state.ErrNotFound) {
			return nil, &NotFoundError{Key: model.Key{Kind: "generation", Name: fmt.Sprint(r.Rollback)}}
		}
		if err != nil {
			return nil, err
		}
		text = stored.Text
		if r.Comment == "" {
			r.Comment = fmt.Sprintf("back to generation %d", r.Rollback)
		}
	}
	if text == nil {
		return nil, nil
	}
	if now := e.shown.Load(); bytes.Equal(text, now.Document.Text()) {
		return now.Document, nil
	}
	return model.Read("", bytes.Clone(text), e.c.Schema)
}

// edited is a document after edits; without any, it is the same.
func edited(d *model.Document, schema model.Schema, edits []model.Edit) (*model.Document, error) {
	if len(edits) == 0 {
		return d, nil
	}
	n, err := d.Edited(schema, edits...)
	if missing := (*model.NoObjectError)(nil); errors.As(err, &missing) {
		return nil, &NotFoundError{Key: missing.Key}
	}
	return n, err
}

// merges reports that edits only say what is to count, and not how it is written.
func merges(edits []model.Edit) bool {
	return len(edits) > 0 && !slices.ContainsFunc(edits, func(e model.Edit) bool { return e.Op != model.MergeObject })
}

// matches says whether the document is what a request was made for.
func matches(now *Snapshot, r Request) error {
	switch {
	case now.Tried:
		return &ConflictError{Generation: now.Generation, Try: true, Message: "a change is being tried: confirm or revert it first"}
	case r.Match == "":
		return nil
	}
	what := "the document"
	if r.MatchKey != (model.Key{}) {
		what = fmt.Sprintf("the %s %q", r.MatchKey.Kind, r.MatchKey.Name)
	}
	conflict := func(is string) error {
		return &ConflictError{Key: r.MatchKey, Generation: now.Generation, Message: what + " " + is}
	}
	tag, ok := now.ETag, true
	if r.MatchKey != (model.Key{}) {
		tag, ok = now.Document.ETag(r.MatchKey)
	}
	switch {
	case !ok:
		return conflict("is not there any more")
	case r.Match != "*" && r.Match != tag:
		return conflict("has changed meanwhile: look at it again")
	}
	return nil
}

// plan makes the plan of a request, and looks whether it is the one that was shown.
func (e *Engine) plan(now *Snapshot, document *model.Document, r Request) (*plan.Plan, error) {
	p, err := plan.Make(e.c.Schema, now.Generation, now.Document, document, e.c.Runner)
	if err != nil {
		return nil, err
	}
	if r.Digest != "" && r.Digest != p.Digest {
		return nil, &ConflictError{Generation: now.Generation, Message: "the document has changed since the plan was made, or is another one: make a new plan"}
	}
	if i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Resizes }); r.Try != 0 && i >= 0 {
		return nil, &RequestError{Message: fmt.Sprintf("a change that is tried cannot give the unit %s another size: a crash could not take that back", p.Steps[i].Key.Name)}
	}
	if err := p.DeleteData(r.Delete); err != nil {
		return nil, &RequestError{Message: err.Error()}
	}
	return p, nil
}

// confirmed reports that all is confirmed that a plan needs.
func confirmed(p *plan.Plan, given []plan.Confirm) bool {
	return !slices.ContainsFunc(p.Confirms(), func(c plan.Confirm) bool { return !slices.Contains(given, c) })
}
