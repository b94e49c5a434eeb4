package apply

import (
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// A unitRenamer is generations beside which units keep something, by their names: [state.Dir]. It is called in
// a transaction, and counts with its commit.
type unitRenamer interface {
	RenameUnit(from, to string) error
}

// renameUnits lets what units have kept follow their names, with the commit of the transaction that is under
// way: that of the unit itself, and of each of its logical units. The caller has the turn.
func (e *Engine) renameUnits(p *plan.Plan, old, new *model.Document) error {
	g, ok := e.c.Generations.(unitRenamer)
	if !ok {
		return nil
	}
	for _, s := range p.Steps {
		if s.Op != plan.Rename || s.Key.Kind != model.UnitObject {
			continue
		}
		if err := g.RenameUnit(s.From.Name, s.Key.Name); err != nil {
			return err
		}
		was, is := old.Unit(s.From.Name), new.Unit(s.Key.Name)
		for i := range min(len(was.Names), len(is.Names)) {
			if was.Names[i] == was.Name || is.Names[i] == is.Name {
				continue
			}
			if err := g.RenameUnit(was.Names[i], is.Names[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// A unitDropper is generations beside which units keep something, by their names: [state.Dir].
type unitDropper interface {
	DropUnit(name string) error
}

// dropUnits forgets what units have kept that a change has removed for good: another unit of the name is not to
// inherit it. What cannot be removed is told, and swept at the next start. The caller has the turn.
func (e *Engine) dropUnits(p *plan.Plan, old, new *model.Document) {
	g, ok := e.c.Generations.(unitDropper)
	if !ok {
		return
	}
	for _, s := range p.Steps {
		if s.Op != plan.Remove || s.Key.Kind != model.UnitObject || new.Unit(s.Key.Name) != nil {
			continue
		}
		names := []string{s.Key.Name}
		if was := old.Unit(s.Key.Name); was != nil {
			names = append(names, was.Names...)
		}
		for _, name := range names {
			if err := g.DropUnit(name); err != nil {
				e.c.Log.Warn("what a unit has kept is still there, although it was removed", "unit", name, "error", err)
			}
		}
	}
}
