package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

// large is a document of 1,000 targets with 4 units each, from its own values.
func large() *model.Document {
	d := &model.Document{Version: 1}
	for i := range 1000 {
		t := model.Target{Name: fmt.Sprintf("%st%d", iqn, i)}
		for j := range 4 {
			name := fmt.Sprintf("u%d-%d", i, j)
			d.Units = append(d.Units, model.Unit{
				Name:   name,
				Store:  model.Plugin{Kind: "vault"}.With("path", "/d/"+name).With("size", "1G"),
				Device: model.Plugin{Kind: "slab"},
			})
			t.LUNs = append(t.LUNs, model.LUN{Number: j, Unit: name})
		}
		d.Targets = append(d.Targets, t)
	}
	_ = d.Validate(schema())
	return d
}

// BenchmarkMake is of a document of 1,000 targets with 4 units each: one alias changes, with the other
// objects shared or read again; or everything comes.
func BenchmarkMake(b *testing.B) {
	old, other := large(), large()
	shared := *old
	shared.Targets = slices.Clone(old.Targets)
	shared.Targets[500].Alias, other.Targets[500].Alias = "x", "x"
	for _, c := range []struct {
		name     string
		old, new *model.Document
		steps    int
	}{{"shared", old, &shared, 1}, {"read again", old, other, 1}, {"all comes", &model.Document{Version: 1, Portals: old.Portals, Limits: old.Limits, Values: old.Values}, old, 5000}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if p := mustMake(b, c.old, c.new, nil); len(p.Steps) != c.steps {
					b.Fatal(len(p.Steps))
				}
			}
		})
	}
}
