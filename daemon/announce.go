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

// announceAttach shows how to attach the first unit; the others go the same way.
func (d *Daemon) announceAttach(b *strings.Builder) {
	var p *portal
	for _, q := range d.portals {
		if q.spec.Transport == "iscsi" && (p == nil || p.spec.Host == "0.0.0.0" || p.spec.Host == "::") {
			p = q
		}
	}
	if p == nil {
		return
	}
	addr := p.Addr()
	if p.spec.Host == "0.0.0.0" || p.spec.Host == "::" {
		addr = fmt.Sprintf("ADDRESS%s", addr[strings.LastIndexByte(addr, ':'):])
	}
	t := d.targets[0].spec
	user := ""
	if len(t.Auth.Users) > 0 {
		user = t.Auth.Users[0].Name + "%SECRET@"
	}
	url := fmt.Sprintf("iscsi://%s%s/%s/%d", user, addr, t.Name, t.LUNs[0].Number)
	fmt.Fprintf(b, "\nto attach it\n"+
		"  Linux      iscsiadm -m discovery -t sendtargets -p %s\n", addr)
	if user != "" {
		for _, set := range [][2]string{{"authmethod", "CHAP"}, {"username", t.Auth.Users[0].Name}, {"password", "SECRET"}} {
			fmt.Fprintf(b, "             iscsiadm -m node -T %s -p %s -o update -n node.session.auth.%s -v %s\n", t.Name, addr, set[0], set[1])
		}
	}
	fmt.Fprintf(b, "             iscsiadm -m node -T %s -p %s --login\n"+
		"  libiscsi   iscsi-inq '%s'\n"+
		"  QEMU       qemu-system-x86_64 -drive 'file=%s,format=raw,if=virtio' ...\n", t.Name, addr, url, url)
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
