package kind

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/vhost"
	vhostkind "github.com/lunette-io/lunette/network/vhost/kind"
	"github.com/lunette-io/lunette/scsi"
)

// reg has this transport over its network, and a transport that asks initiators for something.
func reg() plugin.Registry {
	other := plugin.Transport{
		About: plugin.About{Name: "other"}, Target: []model.Option{{Name: "password"}},
		Restricts: func(v model.Values) string {
			if v.String("password") == "" {
				return ""
			}
			return "asks for a password"
		},
	}
	return plugin.List(Kind(), other, vhostkind.Kind())
}

// read reads a document with what targets and portals say.
func read(t *testing.T, targets, portals string) (*model.Document, error) {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\ntargets:\n")
	for i, x := range strings.Split(targets, ";") {
		fmt.Fprintf(&b, "- {name: \"iqn.2026-11.io.lunette:%c\"%s}\n", 'a'+i, x)
	}
	b.WriteString("portals:\n")
	for _, x := range strings.Split(portals, ";") {
		fmt.Fprintf(&b, "- {kind: virtio+vhost, address: %s}\n", x)
	}
	s := reg().Schema()
	s.Kinds = append(s.Kinds, model.Kind{Axis: "device", Name: "d"}, model.Kind{Axis: "store", Name: "s"})
	return model.Read("t.yaml", []byte(b.String()), s)
}

// Targets of a socket have different numbers, and what asks for a proof is at a socket that names it.
func TestCheck(t *testing.T) {
	const a, b = `targets: ["iqn.2026-11.io.lunette:a"]`, `targets: ["iqn.2026-11.io.lunette:b"]`
	for name, c := range map[string]struct{ targets, portals, want string }{
		"one":                    {"", "/a", ""},
		"two of one number":      {";", "/a", "targets[1].virtio.number: the target has the number 0 at virtio+vhost:///a, and so has iqn.2026-11.io.lunette:a: give it another, such as virtio: {number: 1}"},
		"two numbers":            {";, virtio: {number: 255}", "/a", ""},
		"two sockets":            {";", "/a, " + a + ";/b, " + b, ""},
		"one number of two":      {", virtio: {number: 7};, virtio: {number: 7}", "/a, " + a + ";/b", "such as virtio: {number: 0}"},
		"a number too high":      {", virtio: {number: 256}", "/a", "256"},
		"for all with password":  {", password: x", "/a", "asks for a password, which a guest cannot be asked for, and virtio+vhost:///a shows all targets"},
		"for one with password":  {", password: x", "/a, " + a, ""},
		"path twice":             {"", "/a;//a", "is here twice"},
		"no name of an iniator":  {"", "/a, initiator: vm1", "is not a name for an initiator"},
		"a name of an initiator": {"", `/a, initiator: "iqn.2026-11.IO.example:VM1"`, ""},
		"no queue":               {"", "/a, queues: 0", "from 1 to 254"},
		"queues by themselves":   {"", "/a, queues: auto", ""},
		"for some with password": {`, password: x, virtio: {initiators: ["IQN.2026-11.io.lunette:vhost:*"]}`, "/a", ""},
		"nobody":                 {", virtio: {initiators: []}", "/a", "name those that may have it"},
		"a pattern of no name":   {`, virtio: {initiators: ["a,b"]}`, "/a", "no comma"},
	} {
		_, err := read(t, c.targets, c.portals)
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	d, err := read(t, "", "/a, tag: 2")
	if err != nil || !slices.ContainsFunc(d.Notes, func(n *model.Problem) bool { return strings.Contains(n.Error(), "portals[0].tag: this has no effect") }) {
		t.Errorf("notes are %v: %v", d.Notes, err)
	}
	d, err = read(t, ";, virtio: {number: 3}", "/a, "+a)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(d.Notes, func(n *model.Problem) bool {
		return strings.Contains(n.Error(), "targets[1].virtio: this has no effect, since no portal shows the target by virtio")
	}) {
		t.Errorf("notes are %v", d.Notes)
	}
}

// What a portal is told of is all that the document says.
func TestOptions(t *testing.T) {
	d, err := read(t, "", `/a, mode: 0660, group: 5, queues: 3, initiator: "iqn.2026-11.IO.example:VM1", memory: 1G, targets: ["iqn.2026-11.io.lunette:a"]`)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Portals[0]
	o, err := options(plugin.Binding{Address: p.Address.Text, Targets: p.Targets, Tag: 7, Values: p.Values})
	if err != nil || o.Path != "/a" || o.Mode != 0o660 || o.GID != 5 || o.UID != -1 || o.MaxMemory != 1<<30 || o.Queues != 3 ||
		o.Initiator != "iqn.2026-11.io.example:vm1" || len(o.Targets) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	if d, err = read(t, `, virtio: {number: 9, initiators: ["IQN.2026-11.io.lunette:VM?"]}`, "/a"); err != nil {
		t.Fatal(err)
	}
	if o, err = options(plugin.Binding{Address: "/a", Values: d.Portals[0].Values}); err != nil || o.Queues != 0 || o.Initiator != "" || o.Targets != nil {
		t.Errorf("%+v, %v", o, err)
	}
	if x := shownAs(plugin.Target{Values: d.Targets[0].Values, Maintenance: model.Maintenance{On: true}}); x.Number != 9 || len(x.Initiators) != 1 || x.Initiators[0] != "iqn.2026-11.io.lunette:vm?" || !x.Away {
		t.Errorf("%+v", x)
	}
}

// What is written to a shell arrives as it is, and QEMU takes a comma that is doubled.
func TestAttach(t *testing.T) {
	a := plugin.Attaching{At: "/run/vm 1,a'b.sock", LUN: 2, Target: model.Target{Values: model.Values{"virtio": model.Values{"number": int64(3)}}}, Type: scsi.TypeTape}
	text := strings.Join(attach(a), "\n")
	for _, want := range []string{
		"-object memory-backend-memfd,id=mem,size=SIZE,share=on -machine memory-backend=mem \\\n             -chardev 'socket,id=lunette,path=/run/vm 1,,a'\\''b.sock' -device vhost-user-scsi-pci,chardev=lunette\n",
		"--memory size=SIZE,shared=on --generic-vhost-user 'socket=/run/vm 1,a'\\''b.sock,device_type=scsi,queue_sizes=[256,256,256,256]'",
		"HOST:0:3:2", "/dev/nst0", "reconnect-ms", "<access mode='shared'/>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	s := show(plugin.Showing{Target: a.Target, At: []string{"/a", "/b"}})
	if len(s.Notes) != 2 || !strings.Contains(s.Notes[1].Lines[0], "path=/b ") || s.Lines[0] != " by virtio as target 3, whoever may open /a, /b" || s.Facts.Value("virtioNumber") != 3 || s.Open != "" {
		t.Errorf("%+v", s)
	}
}

// A connection is the sum of its queues, those that do not run any more included.
func TestConnection(t *testing.T) {
	c := connection("/a", vhost.Connection{PID: 7, UID: 8, Memory: 9, Queues: []vhost.QueueStats{
		{Index: 2, Size: 256, Running: true, Inflight: 3, Oldest: 1500 * time.Millisecond, Chains: 10, Kicks: 4, Calls: 5, Polled: 6, CopiedIn: 100, CopiedOut: 200, LentIn: 1000, LentOut: 2000},
		{Index: 3, Size: 256, Chains: 1, Kicks: 1, Calls: 1, CopiedIn: 1, LentOut: 1},
	}})
	if c.Remote != "pid 7 uid 8" || c.Local != "/a" || c.Network != "vhost" || c.Mapped != 9 || c.PDUsIn != 11 || c.PDUsOut != 8 || c.Receives != 5 || c.Sends != 6 || c.Copied != 301 || c.Lent != 3001 || len(c.Queues) != 1 {
		t.Fatalf("%+v", c)
	}
	if q := c.Queues[0]; q.ID != 2 || q.Size != 256 || q.Open != 3 || q.Oldest != 1.5 || q.Requests != 10 || q.Wakes != 4 || q.Calls != 5 || q.Polled != 6 || q.Copied != 300 || q.Lent != 3000 || q.Packed {
		t.Errorf("%+v", q)
	}
}
