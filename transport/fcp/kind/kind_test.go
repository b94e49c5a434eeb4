package kind

import (
	"context"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/network/fc"
	memory "github.com/lunette-io/lunette/store/memory/kind"
)

// networks is a provider whose networks nobody opens.
type networks struct{}

func (networks) Open(context.Context, string) (fc.Network, error) { return nil, fc.ErrClosed }
func (networks) Close() error                                     { return nil }

// schema is one with FCP, over networks called "air" at any address.
func schema() model.Schema {
	return plugin.List(memory.Kind(), Kind(), plugin.Opens(plugin.Provider{
		About: plugin.About{Name: "air"},
		Listen: func(uint16) model.Listen {
			return model.Listen{Space: "air", Parse: func(_, text, _ string) (model.Address, error) {
				return model.Address{Text: text, Takes: text}, nil
			}}
		},
	}, func(model.Values) (fc.Provider, error) { return networks{}, nil })).Schema()
}

func read(t *testing.T, target, portals string) (*model.Document, string) {
	t.Helper()
	d, err := model.Read("x.yaml", []byte("version: 1\ntargets:\n"+target+"portals: ["+portals+"]\n"), schema())
	if err != nil {
		return nil, err.Error()
	}
	var notes []string
	for _, n := range d.Notes {
		notes = append(notes, n.Error())
	}
	return d, strings.Join(notes, "\n")
}

// Names are taken in every notation that people use, and what they name is the same then.
func TestNames(t *testing.T) {
	d, said := read(t, `- name: iqn.2026-11.io.lunette:a
  fcp: {wwnn: "0x50000000000000aB", wwpns: [naa.200000AA00000001, "20:00:00:aa:00:00:00:02"], initiators: [2100001b21000001, "20:00:00:1B:*", "naa.2?00*"]}
`, "{kind: fcp+air, address: one}, {kind: fcp+air, address: two, tag: 3}")
	if d == nil {
		t.Fatal(said)
	}
	v := d.Targets[0].Values
	if got := v.Group("fcp").Strings("initiators"); strings.Join(got, " ") != "21:00:00:1b:21:00:00:01 20:00:00:1b:* 2?:00:*" {
		t.Errorf("initiators are %q", got)
	}
	id := identify(d.Targets[0].Name, v)
	if id.node != 0x50000000000000ab || id.port(1) != 0x200000aa00000001 || id.port(2) != 0x200000aa00000002 {
		t.Errorf("names are %v", id)
	}
	if p := id.port(3); p>>60 != 2 || p>>48&0xfff != 3 || p>>40&3 != 2 {
		t.Errorf("the third port is %v: not a locally administered name of its tag", p)
	}
}

// Names that are not given follow from the target's, always the same.
func TestDerived(t *testing.T) {
	a, again, b := identify("iqn.x:a", nil), identify("iqn.x:a", nil), identify("iqn.x:b", nil)
	if a.node != again.node || a.port(2) != again.port(2) || a.node == b.node || a.port(1) == a.port(2) || a.port(1)&(1<<48-1) != a.node&(1<<48-1) {
		t.Errorf("%v %v, %v", a, again, b)
	}
	if a.node>>60 != 1 || a.port(1)>>60 != 2 || a.node>>40&3 != 2 {
		t.Errorf("the node is %v, its port %v", a.node, a.port(1))
	}
}

func TestCheck(t *testing.T) {
	const a, b = "- {name: \"iqn.2026-11.io.lunette:a\", fcp: {", "- {name: \"iqn.2026-11.io.lunette:b\", fcp: {"
	const one, two = "\"fcp+air://one\"", "\"fcp+air://one\", \"fcp+air://two\""
	for _, test := range []struct{ target, portals, want string }{
		{a + "wwnn: \"30:00:00:00:00:00:00:01\"}}\n", one, "the first digit says who has given it, and is 1, 2, 5 or 6"},
		{a + "wwnn: \"10:00\"}}\n", one, "is not a worldwide name"},
		{a + "initiators: [me]}}\n", one, `"me" is not the name of an N_Port`},
		{a + "initiators: []}}\n", one, "leave it out to let all in"},
		{a + "initiators: [\"20*\"]}}\n", "", "this has no effect, since no portal shows the target by FCP"},
		{a + "wwpns: [\"2000000000000001\", \"20:00:00:00:00:00:00:01\"]}}\n", one, "20:00:00:00:00:00:00:01 is here twice"},
		{a + "wwpns: [\"2000000000000001\"]}}\n" + b + "wwpns: [\"2000000000000001\"]}}\n", one, "is the name of a port of the target iqn.2026-11.io.lunette:a already"},
		{a + "wwnn: \"1000000000000001\"}}\n" + b + "wwnn: \"1000000000000001\"}}\n", one, "one of them must have another wwnn"},
		{a + "}}\n", two, "both at fcp+air://one and at fcp+air://two: give one of the portals another tag, such as tag: 2"},
		{a + "}}\n", one + ", {kind: fcp+air, address: two, tag: 2}", ""},
		{a + "}}\n" + b + "}}\n", one, ""},
	} {
		if _, said := read(t, test.target, test.portals); !strings.Contains(said, test.want) || test.want == "" && strings.Contains(said, "targets[") && !strings.Contains(said, "no LUNs") {
			t.Errorf("%s%s: %q, not %q", test.target, test.portals, said, test.want)
		}
	}
}
