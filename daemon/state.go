package daemon

import (
	"os"
	"runtime"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// Version implements [server.Source].
func (d *Daemon) Version() api.Version {
	return api.Version{Version: d.opts.Version, Go: runtime.Version(), PID: os.Getpid(), Started: d.started.UTC()}
}

// Targets implements [server.Source].
func (d *Daemon) Targets() []api.Target {
	served := d.targets.load()
	all := make([]api.Target, 0, len(served))
	for _, t := range served {
		a := api.Target{Name: t.Name, Alias: t.spec.Alias, Portals: []string{}, Sessions: len(t.Nexuses())}
		for _, l := range t.luns() {
			a.LUNs = append(a.LUNs, api.LUN{LUN: l.Number, Unit: l.Unit})
		}
		for _, p := range d.portals.load() {
			if p.spec.Shows(t.Name) {
				a.Portals = append(a.Portals, p.url())
			}
		}
		for _, s := range d.shown(t) {
			a.Facts, a.Notes = append(a.Facts, s.Facts...), append(a.Notes, s.Notes...)
		}
		all = append(all, a)
	}
	return all
}

// shown is what the transports say of a target whose portals show it.
func (d *Daemon) shown(t *served) []plugin.Shown {
	var all []plugin.Shown
	for _, transport := range d.reg.Transports {
		s := plugin.Showing{Target: t.spec}
		for _, p := range d.portals.load() {
			if p.pair.Transport.Name == transport.Name && p.spec.Shows(t.Name) {
				s.At, s.Tags = append(s.At, p.reachable()), append(s.Tags, max(1, p.spec.Tag))
				s.Hosts = append(s.Hosts, p.pair.Provider.HostLines(p.spec.Address.Text))
			}
		}
		if len(s.At) > 0 && transport.Show != nil {
			all = append(all, transport.Show(s))
		}
	}
	return all
}

// Units implements [server.Source].
func (d *Daemon) Units() []api.Unit {
	all := []api.Unit{}
	for _, u := range d.units.load() {
		for _, l := range u.logical {
			all = append(all, api.Unit{
				Name: l.name, Device: u.spec.Device.Kind, Filters: u.spec.FilterKinds(),
				Counts: plugin.Counts(l.Totals()), Facts: l.facts(),
			})
		}
	}
	return all
}

// Sessions implements [server.Source].
func (d *Daemon) Sessions() []api.Session {
	all := []api.Session{}
	for _, n := range d.nodes.load() {
		all = append(all, n.Sessions()...)
	}
	return all
}
