package apply_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// drawText draws a document of few names, so that renames, swaps and things that come again happen.
func drawText(t *rapid.T) []byte {
	var b strings.Builder
	b.WriteString("version: 1\n")
	if c := rapid.IntRange(0, 2).Draw(t, "comment"); c > 0 {
		fmt.Fprintf(&b, "# %d\n", c)
	}
	names := rapid.Permutation([]string{"a", "b", "c"}).Draw(t, "units")[:rapid.IntRange(1, 3).Draw(t, "how many")]
	paths := rapid.Permutation([]string{"/a", "/b", "/c"}).Draw(t, "paths")
	b.WriteString("units:\n")
	for i, name := range names {
		if rapid.Bool().Draw(t, "mist") {
			fmt.Fprintf(&b, "- name: %s\n  store: {kind: mist, size: %dM}\n", name, rapid.IntRange(1, 2).Draw(t, "size"))
		} else {
			fmt.Fprintf(&b, "- name: %s\n  store: {kind: vault, path: %s, size: %dM}\n", name, paths[i], rapid.IntRange(1, 2).Draw(t, "size"))
		}
	}
	b.WriteString("targets:\n")
	for i, name := range rapid.Permutation([]string{"x", "y"}).Draw(t, "targets")[:rapid.IntRange(1, 2).Draw(t, "how many")] {
		fmt.Fprintf(&b, "- name: %s%s\n  alias: \"%d\"\n  luns:\n", iqn, name, rapid.IntRange(0, 2).Draw(t, "alias"))
		for j, unit := range names {
			if i == 0 || rapid.Bool().Draw(t, "mapped") {
				fmt.Fprintf(&b, "    %d: %s\n", j, unit)
			}
		}
		if !strings.HasSuffix(b.String(), "luns:\n") {
			continue
		}
		fmt.Fprintf(&b, "    0: %s\n", names[0])
	}
	if rapid.Bool().Draw(t, "rope") {
		fmt.Fprintf(&b, "rope: {reactors: %d}\n", rapid.IntRange(1, 2).Draw(t, "reactors"))
	}
	return []byte(b.String())
}

// Objects that are there or not.
var (
	unitA   = model.Key{Kind: model.UnitObject, Name: "a"}
	targetX = model.Key{Kind: model.TargetObject, Name: iqn + "x"}
)

// drawEdits draws edits of these objects, which may be right or wrong.
func drawEdits(t *rapid.T) []model.Edit {
	alias := rapid.IntRange(0, 2).Draw(t, "alias")
	size := rapid.IntRange(1, 3).Draw(t, "size")
	all := rapid.Permutation([]model.Edit{
		{Op: model.MergeObject, Key: targetX, Body: fmt.Appendf(nil, `{"alias": "%d"}`, alias)},
		{Op: model.PutObject, Key: unitA, Body: fmt.Appendf(nil, "name: a\nstore: {kind: vault, path: /a, size: %dM}\n", size)},
		{Op: model.CreateObject, Key: unitA, Body: []byte("{name: a, store: {kind: mist}}")},
		{Op: model.DeleteObject, Key: targetX},
		{Op: model.DeleteObject, Key: unitA},
		{Op: model.MergeObject, Key: unitA, Body: []byte(`{"store": {"nonsense": 1}}`)},
	}).Draw(t, "edits")
	return all[:rapid.IntRange(1, 2).Draw(t, "how many")]
}

// everything is all that can be confirmed.
var everything = []plan.Confirm{plan.ConfirmEndSessions, plan.ConfirmReplace, plan.ConfirmDeleteData, plan.ConfirmRestart}

// A machine is an engine, and what it should be.
type machine struct {
	*bench
	disk      *disk
	committed []string // the texts of all generations
	tried     string   // what is tried; empty: nothing
}

func (m *machine) shown() string {
	if m.tried != "" {
		return m.tried
	}
	return m.committed[len(m.committed)-1]
}

// restart is what comes after a crash.
func (m *machine) restart(t *rapid.T) {
	m.l.kill()
	m.Close()
	m.tried = ""
	m.bench = start(t, m.disk, nil)
	m.r.sessions = []plan.Session{{Transport: "rope", ID: "1", Initiator: "i"}}
}

// request does a request, perhaps with something that goes wrong, and says what should have come of it.
func (m *machine) request(t *rapid.T, r apply.Request, text string) {
	var conflict *apply.ConflictError
	var confirm *apply.NeedsConfirmError
	now := m.Current()
	right := true
	object := rapid.SampledFrom([]model.Key{unitA, targetX}).Draw(t, "object")
	tag, there := now.Document.ETag(object)
	switch rapid.IntRange(0, 6).Draw(t, "match") {
	case 0:
		r.Match = now.ETag
	case 1:
		r.Match, right = "wrong", false
	case 2:
		r.Match, r.MatchKey, right = "wrong", object, false
	case 3:
		r.Match, r.MatchKey, right = "*", object, there
	case 4:
		if there {
			r.Match, r.MatchKey = tag, object
		}
	}
	want, err := model.Read("", []byte(text), schema())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(schema(), now.Generation, now.Document, want, m.r)
	if err != nil {
		t.Fatal(err)
	}
	switch rapid.IntRange(0, 3).Draw(t, "digest") {
	case 0:
		r.Digest = p.Digest
	case 1:
		r.Digest, right = "wrong", false
	}
	if rapid.IntRange(0, 4).Draw(t, "confirmed") > 0 {
		r.Confirm = everything
	}
	r.DryRun = rapid.IntRange(0, 5).Draw(t, "dry") == 0
	if rapid.IntRange(0, 3).Draw(t, "try") == 0 {
		r.Try = 24 * time.Hour
	}
	m.r.mayTry = r.Try != 0
	oops := errors.New("oops")
	wrong := rapid.SampledFrom([]string{"", "", "", "prepare", "commit", "cancel", "begin", "dies before", "dies after"}).Draw(t, "wrong")
	switch wrong {
	case "prepare":
		m.r.prepareErr = oops
	case "commit":
		m.disk.commitErr = oops
	case "cancel":
		m.disk.commitErr, m.r.cancelErr = oops, errors.New("left")
	case "begin":
		m.disk.beginErr = oops
	case "dies before":
		m.r.onPrepare = m.l.kill
	case "dies after":
		m.r.onPublish = m.l.kill
	}
	m.r.makes = nil
	if rapid.Bool().Draw(t, "makes") {
		m.r.makes = []state.Made{{Path: "/nowhere/f"}}
	}
	prepared := m.r.prepared
	res, err := m.Apply(t.Context(), r)
	m.r.prepareErr, m.r.cancelErr, m.r.onPrepare, m.r.onPublish = nil, nil, nil, nil
	m.disk.commitErr, m.disk.beginErr = nil, nil
	same := text == m.shown()
	switch {
	case m.tried != "" || !right:
		if !errors.As(err, &conflict) || conflict.Try != (m.tried != "") {
			t.Fatalf("no conflict: %v, %v", res, err)
		}
	case r.Try != 0 && slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Resizes }):
		if !errors.As(err, new(*apply.RequestError)) {
			t.Fatalf("another size is tried: %v, %v", res, err)
		}
	case r.DryRun || same:
		if err != nil || res.Changed || same && !res.Plan.Empty() {
			t.Fatalf("a change: %v, %v", res, err)
		}
	case len(p.Confirms()) > 0 && r.Confirm == nil:
		if !errors.As(err, &confirm) || len(confirm.Plan.Steps) != len(p.Steps) {
			t.Fatalf("no confirmation is needed: %v, %v", res, err)
		}
	case wrong == "dies before" && r.Try == 0:
		if err == nil {
			t.Fatal("a dead daemon has made a change")
		}
		m.restart(t)
	case wrong == "" || wrong == "dies after" || r.Try != 0 && wrong != "prepare" && wrong != "begin":
		if err != nil || !res.Changed || m.r.prepared != prepared+1 {
			t.Fatalf("no change: %v, %v", res, err)
		}
		if r.Try != 0 {
			m.tried = text
		} else {
			m.committed = append(m.committed, text)
		}
		if strings.HasPrefix(wrong, "dies") {
			m.restart(t)
		}
	default:
		if !errors.Is(err, oops) {
			t.Fatalf("no error: %v, %v", res, err)
		}
	}
}

// holds is what is true after each action.
func (m *machine) holds(t *rapid.T) {
	m.check(t)
	s := m.Status()
	if got := string(m.Current().Document.Text()); got != m.shown() || int(s.Meta.Generation) != len(m.committed) {
		t.Fatalf("shown is %q of generation %d, not %q of %d", got, s.Meta.Generation, m.shown(), len(m.committed))
	}
	if m.r.open != 0 {
		t.Fatalf("%d transitions have not ended", m.r.open)
	}
	if len(m.disk.journal) > 0 && m.tried == "" {
		t.Fatalf("the journal has %v", m.disk.journal)
	}
	if m.tried == "" {
		if r, err := m.Apply(t.Context(), text([]byte(m.shown()))); err != nil || r.Changed || !r.Plan.Empty() {
			t.Fatalf("the same again is a change: %v, %v", r, err)
		}
	}
	for i, stored := range m.disk.all {
		if string(stored.Text) != m.committed[i] {
			t.Fatalf("generation %d is %q, not %q", i+1, stored.Text, m.committed[i])
		}
	}
}

// TestModel: whatever is asked for, fails and dies, what is shown is what was committed last, or is tried; what
// runs is what is shown; nothing was ever published that was not committed.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &disk{}
		first := string(drawText(t))
		m := &machine{bench: start(t, d, []byte(first)), disk: d, committed: []string{first}}
		defer func() { m.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"": m.holds,
			"apply": func(t *rapid.T) {
				doc := drawText(t)
				m.request(t, text(doc), string(doc))
			},
			"apply again": func(t *rapid.T) { m.request(t, text([]byte(m.shown())), m.shown()) },
			"edit": func(t *rapid.T) {
				edits := drawEdits(t)
				want, err := m.Current().Document.Edited(schema(), edits...)
				if err == nil {
					m.request(t, apply.Request{Edits: edits}, string(want.Text()))
				} else if r, err := m.Apply(t.Context(), apply.Request{Edits: edits}); err == nil {
					t.Fatalf("wrong edits are made: %v", r)
				}
			},
			"rollback": func(t *rapid.T) {
				n := rapid.IntRange(1, len(m.committed)).Draw(t, "generation")
				m.request(t, apply.Request{Rollback: uint64(n)}, m.committed[n-1])
			},
			"broken": func(t *rapid.T) {
				doc := drawText(t)
				doc = append(doc[:len(doc)-1], ": ["...)
				var problems model.Problems
				if r, err := m.Apply(t.Context(), text(doc)); m.tried == "" && !errors.As(err, &problems) {
					t.Fatalf("it is taken: %v, %v", r, err)
				}
			},
			"confirm": func(t *rapid.T) {
				_, err := m.Confirm(t.Context(), "ann")
				if (err == nil) != (m.tried != "") {
					t.Fatal(err)
				}
				if err == nil {
					m.committed, m.tried = append(m.committed, m.tried), ""
				}
			},
			"revert": func(t *rapid.T) {
				if _, err := m.Revert(t.Context(), "ann"); (err == nil) != (m.tried != "") {
					t.Fatal(err)
				}
				m.tried = ""
			},
			"expire": func(*rapid.T) {
				m.Expire()
				m.tried = ""
			},
			"crash": m.restart,
		})
	})
}
