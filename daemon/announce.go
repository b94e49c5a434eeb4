package daemon

import (
	"fmt"
	"io"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
)

// Announce writes what is served where, to whom, and how to attach it.
func (d *Daemon) Announce(w io.Writer) error {
	var b strings.Builder
	units := make(map[string]api.Unit)
	for _, u := range d.Units() {
		units[u.Name] = u
	}
	for i, t := range d.Targets() {
		fmt.Fprintf(&b, "serving %s\n", t.Name)
		fmt.Fprintf(&b, "     on %s\n", strings.Join(t.Portals, ", "))
		fmt.Fprintf(&b, "    for %s\n", admitted(d.targets[i].spec))
		if len(t.AddTarget) > 0 {
			fmt.Fprintf(&b, " by SRP %s\n", admittedPorts(d.targets[i].spec.SRP))
		}
		for _, line := range t.AddTarget {
			fmt.Fprintf(&b, "        %s\n", line)
		}
		for _, l := range t.LUNs {
			fmt.Fprintf(&b, "  LUN %d: %s\n", l.LUN, describeUnit(units[l.Unit]))
		}
	}
	d.announceAttach(&b)
	d.announceReach(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func describeUnit(u api.Unit) string {
	access := "read-write"
	if u.ReadOnly {
		access = "read-only"
	}
	return fmt.Sprintf("%s, %v %s of %d-byte blocks, %s, on %s", u.Name, model.Size(u.Size), u.Device, u.BlockSize, access, u.Store)
}

// admitted says who may log in to a target.
func admitted(t *model.Target) string {
	who := "every initiator"
	if n := len(t.Initiators); n == 1 {
		who = "the initiator " + t.Initiators[0]
	} else if n > 1 {
		who = "the initiators " + strings.Join(t.Initiators, ", ")
	}
	var users []string
	for _, u := range t.Auth.Users {
		users = append(users, u.Name)
	}
	switch {
	case len(users) == 0:
		return who + ", without authentication"
	case t.Auth.Mutual != nil:
		return fmt.Sprintf("%s that authenticates by CHAP as %s; it proves itself as %s", who, strings.Join(users, " or "), t.Auth.Mutual.Name)
	}
	return fmt.Sprintf("%s that authenticates by CHAP as %s", who, strings.Join(users, " or "))
}

// admittedPorts says who may log in to a target by SRP.
func admittedPorts(s model.SRP) string {
	if len(s.Initiators) == 0 {
		return "every initiator"
	}
	return "initiators at " + strings.Join(s.Initiators, ", ")
}

// announceReach says who can connect, where that may surprise.
func (d *Daemon) announceReach(b *strings.Builder) {
	local, open := true, ""
	for _, p := range d.portals {
		local = local && p.spec.Loopback()
	}
	for _, t := range d.targets {
		if len(t.spec.Auth.Users) == 0 && len(t.spec.Initiators) == 0 {
			open = t.Name
		}
	}
	switch {
	case local && open != "":
		fmt.Fprintf(b, "\nonly this machine can connect; to serve others as well: --portal 0.0.0.0:%d --chap USER:FILE\n", model.DefaultPort)
	case local:
		fmt.Fprintf(b, "\nonly this machine can connect; to serve others as well: --portal 0.0.0.0:%d\n", model.DefaultPort)
	case open != "":
		fmt.Fprintf(b, "\nwhoever reaches this machine may read and write %s; to ask who they are: --chap USER:FILE\n", open)
	}
}
