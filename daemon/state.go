package daemon

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
)

// Version implements [api.Source].
func (d *Daemon) Version() api.Version {
	return api.Version{Version: d.opts.Version, Go: runtime.Version(), PID: os.Getpid(), Started: d.started.UTC()}
}

// Targets implements [api.Source].
func (d *Daemon) Targets() []api.Target {
	all := make([]api.Target, 0, len(d.targets))
	for _, t := range d.targets {
		a := api.Target{
			Name: t.Name, Alias: t.spec.Alias, Auth: authWord(t.spec.Auth),
			Initiators: append([]string{}, t.spec.Initiators...), Sessions: len(t.Nexuses()),
		}
		for _, m := range t.Mappings() {
			n, _ := m.LUN.Index()
			a.LUNs = append(a.LUNs, api.LUN{LUN: int(n), Unit: m.Unit.Name})
		}
		for _, p := range d.portals {
			a.Portals = append(a.Portals, p.url())
			if line := p.transport.Attach(*t.spec, p.reachable()); line != "" {
				a.AddTarget = append(a.AddTarget, line)
			}
		}
		all = append(all, a)
	}
	return all
}

func authWord(a model.Auth) string {
	switch {
	case a.Mutual != nil:
		return "mutual chap"
	case len(a.Users) > 0:
		return "chap"
	}
	return "none"
}

// Units implements [api.Source].
func (d *Daemon) Units() []api.Unit {
	all := make([]api.Unit, 0, len(d.units))
	for _, u := range d.units {
		id, info, sum := u.LogicalUnit().Identity(), u.store.Info(), u.Totals()
		all = append(all, api.Unit{
			Name: u.Name, Store: place(u.spec.Store), Device: u.spec.Device.Kind,
			Size: info.Size, BlockSize: int(u.spec.Device.Values.Size("block-size")), ReadOnly: u.readOnly(),
			Serial: id.Serial, NAA: strings.TrimPrefix(id.NAA.String(), "naa."),
			Commands: sum.Commands, Errors: sum.Errors, BytesIn: sum.BytesIn, BytesOut: sum.BytesOut,
			StoreCounts: counted(u.store),
		})
	}
	return all
}

func (u *unit) readOnly() bool {
	return u.store.Info().ReadOnly || u.spec.Device.Values.Bool("read-only")
}

// place is a store in words: its kind, and its path if it has one.
func place(p model.Plugin) string {
	if path := p.Values.String("path"); path != "" {
		return p.Kind + " " + path
	}
	return p.Kind
}

// Sessions implements [api.Source].
func (d *Daemon) Sessions() []api.Session {
	all := []api.Session{}
	for _, name := range slices.Sorted(maps.Keys(d.transports)) {
		all = append(all, d.transports[name].Sessions()...)
	}
	return all
}
