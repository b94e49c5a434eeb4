package daemon

import (
	"slices"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// Ends implements [plan.Live].
func (d *Daemon) Ends(old *model.Target, doc *model.Document) []plan.Session {
	now, ok := d.targets.find(old.Name)
	if !ok || len(now.Nexuses()) == 0 {
		return nil
	}
	i := slices.IndexFunc(doc.Targets, func(t model.Target) bool { return t.Name == old.Name })
	var all []plan.Session
	for _, n := range d.nodes.load() {
		ends := func(string) bool { return true }
		if i >= 0 {
			some := n.Refuses((&served{spec: doc.Targets[i]}).shown())
			if len(some) == 0 {
				continue
			}
			ends = func(id string) bool { return slices.Contains(some, id) }
		}
		for _, s := range n.Sessions() {
			if s.Target == old.Name && ends(s.ID) {
				all = append(all, session(s))
			}
		}
	}
	return all
}

func session(s api.Session) plan.Session {
	return plan.Session{Transport: s.Transport, ID: s.ID, Initiator: s.Initiator, Target: s.Target}
}
