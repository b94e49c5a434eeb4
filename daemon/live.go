package daemon

import (
	"slices"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// Ends implements [plan.Live].
func (d *Daemon) Ends(old *model.Target, doc *model.Document) []plan.Session {
	i := slices.IndexFunc(doc.Targets, func(t model.Target) bool { return t.Name == old.Name })
	var all []plan.Session
	for _, n := range d.nodes.load() {
		var ids []string
		if i >= 0 {
			ids = n.Refuses((&served{spec: doc.Targets[i]}).shown())
			if len(ids) == 0 {
				continue
			}
		}
		for _, s := range n.Sessions() {
			if s.Target == old.Name && (i < 0 || slices.Contains(ids, s.ID)) {
				all = append(all, session(s))
			}
		}
	}
	return all
}

func session(s api.Session) plan.Session {
	return plan.Session{Transport: s.Transport, ID: s.ID, Initiator: s.Initiator, Target: s.Target}
}
