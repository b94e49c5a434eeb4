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
