package apply_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/state"
)

// quiet is what runs where nothing does.
type quiet struct{ *runner }

func (quiet) Prepare(context.Context, apply.Transition) (apply.Prepared, error) { return quiet{}, nil }
func (quiet) Publish()                                                          {}
func (quiet) Retire(context.Context) error                                      { return nil }
func (quiet) Cancel() error                                                     { return nil }
func (quiet) Conditions() []apply.Condition                                     { return nil }

// BenchmarkEdit changes one alias in a document of 1,000 targets with 4 units each: by the engine, and what of
// that is the edit alone.
func BenchmarkEdit(b *testing.B) {
	var text strings.Builder
	text.WriteString("version: 1\nunits:\n")
	for i := range 4000 {
		fmt.Fprintf(&text, "- name: u%d\n  store: {kind: vault, path: /d/u%d, size: 1G}\n", i, i)
	}
	text.WriteString("targets:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "- name: %st%d\n  luns: {0: u%d, 1: u%d, 2: u%d, 3: u%d}\n", iqn, i, 4*i, 4*i+1, 4*i+2, 4*i+3)
	}
	d, err := model.Read("", []byte(text.String()), schema())
	if err != nil {
		b.Fatal(err)
	}
	edits := func(i int) []model.Edit {
		return []model.Edit{{Op: model.MergeObject, Key: model.Key{Kind: model.TargetObject, Name: iqn + "t500"}, Body: fmt.Appendf(nil, `{"alias": "%d"}`, i)}}
	}
	b.Run("edit", func(b *testing.B) {
		d := d
		for i := 0; b.Loop(); i++ {
			if d, err = d.Edited(schema(), edits(i)...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("engine", func(b *testing.B) {
		e, err := apply.New(apply.Config{Runner: quiet{}, Generations: &state.Memory{}, Schema: schema(), Document: d})
		if err != nil {
			b.Fatal(err)
		}
		defer e.Close()
		for i := 0; b.Loop(); i++ {
			if r, err := e.Apply(b.Context(), apply.Request{Edits: edits(i)}); err != nil || !r.Changed && i > 0 {
				b.Fatal(r, err)
			}
		}
	})
}
