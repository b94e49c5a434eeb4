package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/state"
)

// Config is what an engine works with.
type Config struct {
	Runner      Runner
	Generations state.Generations
	Schema      model.Schema
	// Document is what runs: what Load has returned.
	Document *model.Document
	// Author is who the first generation is by, if there is none yet.
	Author string
	// Directory is where generations are kept, for Status; empty: nowhere.
	Directory string
	// Deadline is how long a transition may prepare; 0: a minute.
	Deadline time.Duration
	Log      *slog.Logger // nil: none
}

// defaultDeadline is how long a transition may prepare if nothing is said.
const defaultDeadline = time.Minute

// A Snapshot is the document at one time. It does not change.
type Snapshot struct {
	state.Meta // of the last generation that was committed
	Document   *model.Document
	ETag       string
	// Tried: the document is not that of the generation, but one that is tried until a time.
	Tried    bool
	TryUntil time.Time
}

// An Engine makes changes, one at a time: who makes one has the turn.
type Engine struct {
	c    Config
	boot *model.Document // what ran when the engine was made

	// turn has an element while somebody has the turn. Who waits for it is served in the order in
	// which they came.
	turn  chan struct{}
	shown atomic.Pointer[Snapshot] // who has the turn stores it
	try   *try                     // who has the turn uses it; nil: nothing is tried

	events     events
	operations operations
	conditions conditions

	ctx  context.Context // ends with Close
	stop context.CancelCauseFunc
	mu   sync.Mutex // guards closed, and that nothing is added to work after it
	done bool
	work sync.WaitGroup
}

// ErrClosed says that the engine ends, or has ended.
var ErrClosed = errors.New("the daemon is stopping")

// Load returns the document that a start serves: that of the current generation, or what first returns if
// there is none.
func Load(g state.Generations, schema model.Schema, first func() (*model.Document, error)) (*model.Document, error) {
	stored, ok := g.Current()
	if !ok {
		return first()
	}
	d, err := model.Read(fmt.Sprintf("generation %d", stored.Generation), stored.Text, schema)
	if err != nil {
		return nil, fmt.Errorf("generation %d was right when it was stored, and is not for this version of the program: %w", stored.Generation, err)
	}
	return d, nil
}

// New returns an engine for what runs. The first generation is committed if there is none.
func New(c Config) (*Engine, error) {
	if c.Deadline == 0 {
		c.Deadline = defaultDeadline
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Document.Text() == nil { // it is one of flags: what it would be as a file counts from now on
		text, err := c.Document.Encode(model.YAML)
		if err != nil {
			return nil, fmt.Errorf("the document cannot be written: %w", err)
		}
		if c.Document, err = model.Read("", text, c.Schema); err != nil {
			return nil, fmt.Errorf("the document cannot be read again: %w", err)
		}
	}
	stored, ok := c.Generations.Current()
	if ok && !bytes.Equal(stored.Text, c.Document.Text()) {
		return nil, fmt.Errorf("the document that runs is not that of generation %d", stored.Generation)
	}
	meta := stored.Meta
	if !ok {
		tx, err := c.Generations.Begin()
		if err != nil {
			return nil, err
		}
		if meta, err = tx.Commit(c.Document.Text(), metaOf(0, Request{Author: c.Author})); err != nil {
			return nil, errors.Join(err, aborted(tx))
		}
	}
	e := &Engine{c: c, boot: c.Document, turn: make(chan struct{}, 1)}
	e.ctx, e.stop = context.WithCancelCause(context.Background())
	e.shown.Store(snapshot(meta, c.Document))
	return e, nil
}

func snapshot(m state.Meta, d *model.Document) *Snapshot {
	tag, _ := d.ETag(model.Key{}) // the whole document is always there
	return &Snapshot{Meta: m, Document: d, ETag: tag}
}

// metaOf is what is kept of a request beside its document.
func metaOf(parent uint64, r Request) state.Meta {
	return state.Meta{Parent: parent, Schema: model.Version, Time: time.Now(), Author: r.Author, Comment: r.Comment}
}

// Current is the document that is served.
func (e *Engine) Current() *Snapshot { return e.shown.Load() }

// takeTurn waits for the turn. What it returns gives it back.
func (e *Engine) takeTurn(ctx context.Context) (func(), error) {
	if ctx.Err() != nil { // a turn that is free does not make up for it
		return nil, context.Cause(ctx)
	}
	select {
	case e.turn <- struct{}{}:
		if e.ctx.Err() == nil {
			return func() { <-e.turn }, nil
		}
		<-e.turn
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-e.ctx.Done():
		return nil, ErrClosed
	}
}

// spawn runs f in the background; Close waits for it. After Close it is not run.
func (e *Engine) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return false
	}
	e.work.Go(f)
	return true
}

// Close ends what the engine does by itself, and waits for it: changes that are not committed are taken
// back. A change that is tried is not kept: the next start serves what was before.
func (e *Engine) Close() {
	e.mu.Lock()
	e.done = true
	e.mu.Unlock()
	e.stop(ErrClosed)
	e.turn <- struct{}{} // whoever makes a change has ended it
	<-e.turn
	e.work.Wait()
}
