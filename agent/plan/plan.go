// Package plan says what has to happen so that what runs becomes what a document says, and what
// initiators notice of it. It is pure: nothing is opened, asked or changed.
package plan

import (
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/model"
)

// An Effect is what initiators, or who runs the daemon, notice of a step, from the least to the most.
type Effect uint8

// Effects.
const (
	Unseen       Effect = iota // nothing
	Told                       // a unit attention on the nexuses concerned
	EndsSessions               // sessions of one target end: Step.Sessions
	Replaces                   // a unit goes, and another comes in its place
	LosesData                  // data is gone afterwards
	NeedsRestart               // it counts when the daemon is started again
)

// effects are the words for them, which JSON has.
var effects = [...]string{"unseen", "told", "ends-sessions", "replaces", "loses-data", "needs-restart"}

// String is the word for e.
func (e Effect) String() string {
	if int(e) < len(effects) {
		return effects[e]
	}
	return fmt.Sprintf("effect %d", uint8(e))
}

// MarshalText implements [encoding.TextMarshaler].
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (e *Effect) UnmarshalText(text []byte) error {
	i := slices.Index(effects[:], string(text))
	if i < 0 {
		return fmt.Errorf("there is no effect %q", text)
	}
	*e = Effect(i)
	return nil
}

// A Confirm is the flag that allows what hurts: --end-sessions and the like, without the dashes.
type Confirm string

// Confirmations.
const (
	ConfirmNothing     Confirm = ""
	ConfirmEndSessions Confirm = "end-sessions"
	ConfirmReplace     Confirm = "replace"
	ConfirmDeleteData  Confirm = "delete-data"
	ConfirmRestart     Confirm = "restart"
)

// An Op is what a step does to its object.
type Op string

// Operations of steps.
const (
	Create Op = "create"
	Change Op = "change"
	Remove Op = "remove"
	Rename Op = "rename" // the object of Step.From has the key of the step from now on, and may change
)

// A Step is one object that changes. A target that comes, goes or is renamed has its access with it: there
// are no steps for that. Sections are always there in what a document means: they only change.
type Step struct {
	Op  Op        `json:"op"`
	Key model.Key `json:"key"`
	// From of a Rename is the key that the object had; else it is the object that hands something
	// over which only one can have: a store to this unit, or the address to this portal.
	From   model.Key `json:"from,omitzero"`
	Fields []Field   `json:"fields,omitempty"` // what changes in it, in the order of the document
	Effect Effect    `json:"effect"`
	Notice string    `json:"notice"` // what initiators notice, as a sentence; empty: nothing
	// Resizes: a store of the unit that outlives the process gets another size, which a crash cannot take
	// back once something is written there.
	Resizes bool `json:"-"`
	// Sessions are those that end.
	Sessions []Session `json:"sessions,omitempty"`
	// Confirm is what it needs before it is done.
	Confirm Confirm `json:"confirm,omitempty"`
}

// A Field is one value of an object that changes. Old is empty where there was none, New where
// there will be none.
type Field struct {
	Path string `json:"path"` // in the object, such as store.size
	Old  string `json:"old"`
	New  string `json:"new"`
}

// A Session is one initiator that is logged in.
type Session struct {
	Transport string `json:"transport"`
	ID        string `json:"id"` // as the transport names it
	Initiator string `json:"initiator"`
	Target    string `json:"target"`
}

// A Plan is all steps from one generation of the document to the next, in the order in which they
// are shown: what comes before what goes.
type Plan struct {
	// From is the generation that the plan starts at, and Digest that of the document which it
	// leads to, with the generation: a plan is good for one document on one generation.
	From   uint64   `json:"from"`
	Digest string   `json:"digest"`
	Steps  []Step   `json:"steps"`
	Notes  []string `json:"notes,omitempty"` // what is right, and perhaps not meant
}

// Empty reports that there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Confirms are the flags that the plan needs, each once.
func (p *Plan) Confirms() []Confirm {
	var all []Confirm
	for _, want := range []Confirm{ConfirmEndSessions, ConfirmReplace, ConfirmDeleteData, ConfirmRestart} {
		for _, s := range p.Steps {
			if s.Confirm == want {
				all = append(all, want)
				break
			}
		}
	}
	return all
}

// Live is what a plan has to know of what runs.
type Live interface {
	// Ends are the sessions with the target old that could not log in as it is in the document
	// new; all of them if it is not there any more.
	Ends(old *model.Target, new *model.Document) []Session
	// Shrinks reports that a store which the unit new has is to be smaller than it is now: one of the unit
	// that it was, old, or one that another unit has had; old is nil for a unit that comes. What the document
	// says is not always what is there: a store without a size in the document has one.
	Shrinks(old, new *model.Unit) bool
}
