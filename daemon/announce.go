package daemon

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/scsi"
)

// Announce writes what is served where, to whom, and how to attach it.
func (d *Daemon) Announce(w io.Writer) error {
	var b strings.Builder
	open, ask := "", "" // a target that whoever reaches this machine may have, and the flag that asks who they are
	for _, t := range d.targets.load() {
		fmt.Fprintf(&b, "serving %s\n", t.Name)
		var at []string
		for _, p := range d.portals.load() {
			if p.spec.Shows(t.Name) {
				at = append(at, p.url())
			}
		}
		if len(at) == 0 {
			at = []string{"no portal: nobody reaches it"}
		}
		fmt.Fprintf(&b, "     on %s\n", strings.Join(at, ", "))
		for _, s := range d.shown(t) {
			for _, line := range s.Lines {
				fmt.Fprintln(&b, line)
			}
			if s.Open != "" {
				open, ask = t.Name, cmp.Or(ask, s.Open)
			}
		}
		for _, l := range t.luns() {
			fmt.Fprintf(&b, "  LUN %d: %s\n", l.Number, d.summary(l.Unit))
		}
	}
	if len(d.targets.load()) == 0 {
		b.WriteString("serving no target yet\n")
	}
	d.announceAttach(&b)
	d.announceLimits(&b)
	d.announceLook(&b)
	d.announceReach(&b, open, ask)
	_, err := io.WriteString(w, b.String())
	return err
}

// summary is a logical unit in one line.
func (d *Daemon) summary(name string) string {
	l, ok := d.units.logicalUnit(name)
	if !ok {
		return name
	}
	if err := l.device.Load().err; err != nil {
		return name + ", which is not ready: " + oneLine(err)
	}
	if what, ok := l.describe(); ok {
		return name + ", " + what.Summary
	}
	return name
}

// announceAttach shows how to attach the first unit of the first target that has one, by each way there is;
// the others go the same way. Portals that are at one address come before those that are at all.
func (d *Daemon) announceAttach(b *strings.Builder) {
	targets := d.targets.load()
	i := slices.IndexFunc(targets, func(t *served) bool { return len(t.spec.LUNs) > 0 })
	if i < 0 || len(d.portals.load()) == 0 {
		return
	}
	b.WriteString("\nto attach it\n")
	first := targets[i].spec
	all := slices.Clone(d.portals.load())
	slices.SortStableFunc(all, func(p, q *portal) int {
		switch {
		case p.spec.Address.All == q.spec.Address.All:
			return 0
		case p.spec.Address.All:
			return 1
		}
		return -1
	})
	shown := make(map[string]bool)
	for _, p := range all {
		host := p.pair.Provider.HostLines(p.spec.Address.Text)
		way := p.spec.Kind + "\n" + strings.Join(host, "\n")
		if shown[way] || p.pair.Kind.Attach == nil || !p.spec.Shows(first.Name) {
			continue
		}
		shown[way] = true
		for _, line := range p.pair.Kind.Attach(plugin.Attaching{
			Target: first, Document: d.doc().Values, LUN: first.LUNs[0].Number, At: p.reachable(), Local: p.spec.Address.Local, Type: d.typeOf(first.LUNs[0].Unit),
			Tag: max(1, p.spec.Tag), Host: host, Soft: p.pair.Provider.Soft, SoftLocal: p.pair.Provider.SoftLocal,
		}) {
			fmt.Fprintln(b, line)
		}
	}
}

// typeOf is what a logical unit is: as it says itself, or else as its device type does.
func (d *Daemon) typeOf(name string) scsi.PeripheralType {
	l, ok := d.units.logicalUnit(name)
	if !ok {
		return scsi.TypeDisk
	}
	dev := l.device.Load()
	if dev.err == nil {
		if x, ok := dev.parts[l.index].LU.(interface{ Identity() scsi.Identity }); ok {
			return x.Identity().Type
		}
	}
	u, _ := d.units.find(strings.SplitN(name, "/", 2)[0])
	if u != nil {
		if kind, err := plugin.Find(d.reg.Devices, "device", u.spec.Device.Kind); err == nil {
			return kind.Type
		}
	}
	return scsi.TypeDisk
}

// announceLook says how to see what the daemon does.
func (d *Daemon) announceLook(b *strings.Builder) {
	program, socket := cmp.Or(d.opts.Program, "lunette"), ""
	if d.Socket() != api.DefaultSocket() {
		socket = " --socket " + d.Socket()
	}
	fmt.Fprintf(b, "\nto see what it does\n  %s units%s\n  %s sessions%s\n", program, socket, program, socket)
}

// announceReach says who can connect, where that may surprise: others of this network may, or may not.
func (d *Daemon) announceReach(b *strings.Builder, open, ask string) {
	local, wider := true, ""
	for _, p := range d.portals.load() {
		local = local && p.spec.Address.Local
		if wider == "" {
			wider = cmp.Or(p.spec.Address.Open, p.pair.Provider.Listen(p.pair.Kind.Port).Open)
			if wider != "" && p.spec.Kind != d.reg.Schema().Default("transport") {
				wider = p.spec.Kind + "://" + wider
			}
		}
	}
	flags := "--portal " + wider
	if open != "" {
		flags += " " + ask
	}
	switch {
	case local && wider != "":
		fmt.Fprintf(b, "\nonly this machine can connect; to serve others as well: %s\n", flags)
	case open != "" && !local:
		fmt.Fprintf(b, "\nwhoever reaches this machine may read and write %s; to ask who they are: %s\n", open, ask)
	}
}
