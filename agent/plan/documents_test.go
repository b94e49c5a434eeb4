package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// schema has kinds that there are not, with an option of each class of change.
func schema() model.Schema {
	listen := model.HostPort("tcp", 3260)
	return model.Schema{
		Kinds: []model.Kind{
			{Axis: "store", Name: "vault", Options: []model.Option{
				{Name: "path", Type: model.Path, Exclusive: true},
				{Name: "size", Type: model.Bytes, Change: model.Growing},
				{Name: "sync", Type: model.Bool, Change: model.Live},
			}},
			{Axis: "store", Name: "mist", Volatile: true, Options: []model.Option{
				{Name: "size", Type: model.Bytes, Default: "1M", Change: model.Growing},
			}},
			{Axis: "filter", Name: "slow", Options: []model.Option{{Name: "by", Type: model.Duration, Default: "1ms"}}},
			{Axis: "device", Name: "slab", Options: []model.Option{
				{Name: "serial", Type: model.String, Exclusive: true, Canon: strings.ToLower},
				{Name: "block-size", Type: model.Bytes, Default: "512"},
				{Name: "read-only", Type: model.Bool, Change: model.Telling},
				{Name: "cores", Type: model.Int, Change: model.Restarted},
			}},
			{Axis: "device", Name: "shelf", Device: model.Device{Stores: model.ManyStores, Units: func(model.Values) []string { return []string{"arm", "bay0"} }}},
			{Axis: "transport", Name: "rope+tcp", Listen: listen, Options: []model.Option{{Name: "digest", Type: model.Bool}}},
			{Axis: "transport", Name: "wire+tcp", Listen: listen},
			{Axis: "transport", Name: "cord+tcp", Listen: listen, Tied: true},
		},
		Target: []model.Option{
			{Name: "let-in", Type: model.String, List: true},
			{Name: "auth", Type: model.Group, Options: []model.Option{{Name: "users", Type: model.String, List: true}, {Name: "method", Type: model.String, Default: "none"}}},
		},
		Document: []model.Option{
			{Name: "rope", Type: model.Group, Options: []model.Option{
				{Name: "discovery", Type: model.String, List: true, Change: model.Live},
				{Name: "reactors", Type: model.Int},
			}},
		},
	}
}

const iqn = "iqn.2026-11.io.test:"

// read returns a document whose text is written without its first lines.
func read(t testing.TB, text string) *model.Document {
	t.Helper()
	d, err := model.Read("", []byte("version: 1\n"+text), schema())
	if err != nil {
		t.Fatal(model.All(err))
	}
	return d
}

// crowd are initiators who are logged in, by target: those whose names are in let-in may stay, or all of them
// where there is no such list.
type crowd map[string][]string

func (c crowd) Ends(old *model.Target, new *model.Document) []plan.Session {
	var all []plan.Session
	for i, name := range c[old.Name] {
		ok := false
		for _, t := range new.Targets {
			in := t.Values.Strings("let-in")
			ok = ok || t.Name == old.Name && !t.Maintenance.On && (len(in) == 0 || strings.Contains(strings.Join(in, " "), name))
		}
		if !ok {
			all = append(all, plan.Session{Transport: "rope", ID: fmt.Sprint(i), Initiator: name, Target: old.Name})
		}
	}
	return all
}

func (crowd) Shrinks(old, new *model.Unit) bool {
	return old != nil && !old.Store.Values.Has("size") && old.Store.Values.String("path") == new.Store.Values.String("path") && new.Store.Values.Size("size") == 1<<20
}

func mustMake(t interface{ Fatal(...any) }, old, new *model.Document, live plan.Live) *plan.Plan {
	p, err := plan.Make(schema(), 7, old, new, live)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drawDocument draws a document of few names, so that renames, swaps and things that come again happen.
func drawDocument(t *rapid.T, label string) *model.Document {
	d := &model.Document{Version: 1}
	some := func(names ...string) []string {
		return rapid.Permutation(names).Draw(t, label)[:rapid.IntRange(0, len(names)).Draw(t, "many")]
	}
	one := func(texts ...string) string { return rapid.SampledFrom(texts).Draw(t, label) }
	for _, name := range some("ann", "bob") {
		d.Users = append(d.Users, model.User{Name: name, SecretFile: one("/s1", "/s2")})
	}
	paths := rapid.Permutation([]string{"/p0", "/p1", "/p2", "/p3"}).Draw(t, "paths")
	var names []string
	for i, name := range some("u0", "u1", "u2", "u3") {
		u := model.Unit{Name: name, Optional: rapid.Bool().Draw(t, "optional"), Device: model.Plugin{Kind: "slab"}}
		switch one("vault", "vault", "mist", "shelf") {
		case "vault":
			u.Store = model.Plugin{Kind: "vault"}.With("path", paths[i])
			if rapid.Bool().Draw(t, "sized") {
				u.Store = u.Store.With("size", one("1M", "1024K", "2M"))
			}
		case "mist":
			u.Store = model.Plugin{Kind: "mist"}.With("size", one("1M", "2M"))
		default:
			u.Device.Kind = "shelf"
			for _, s := range some("a", "b") {
				u.Stores = append(u.Stores, model.Named{Name: s, Plugin: model.Plugin{Kind: "vault"}.With("path", paths[i]+s)})
			}
		}
		if u.Device.Kind == "slab" {
			u.Device = u.Device.With("block-size", one("512", "4096")).With("read-only", one("true", "false"))
			for range rapid.IntRange(0, 1).Draw(t, "filters") {
				u.Filters = append(u.Filters, model.Plugin{Kind: "slow"}.With("by", one("1ms", "2ms")))
			}
			names = append(names, name)
		} else {
			names = append(names, name+"/arm", name+"/bay0")
		}
		d.Units = append(d.Units, u)
	}
	luns := func() (all []model.LUN) {
		for i, name := range names {
			if rapid.Bool().Draw(t, "mapped") {
				all = append(all, model.LUN{Number: i + rapid.IntRange(0, 1).Draw(t, "at")*8, Unit: name, ReadOnly: rapid.Bool().Draw(t, "ro")})
			}
		}
		return all
	}
	for _, name := range some("t0", "t1", "t2") {
		x := model.Target{Name: iqn + name, Alias: one("", "x"), LUNs: luns()}
		x.Maintenance.On = one("", "", "on") != ""
		if one("", "in") != "" {
			x.Given = x.Given.Put(model.Texts("let-in", some("i1", "i2")...))
		}
		if one("", "auth") != "" {
			x.Given = x.Given.Put(model.Grouped("auth", model.Text("method", one("none", "rope"))))
		}
		for _, a := range some("a0", "a1") {
			x.Access = append(x.Access, model.Access{Name: a, Initiators: some("i1", "i2"), LUNs: luns()})
		}
		d.Targets = append(d.Targets, x)
	}
	ports := rapid.Permutation([]string{"1", "2", "3", "0", "0"}).Draw(t, "ports")
	for i, name := range some("", "front", "back", " ") {
		d.Portals = append(d.Portals, model.Portal{Name: strings.TrimSpace(name), Kind: one("rope+tcp", "wire+tcp"), Written: "127.0.0.1:" + ports[i], Tag: rapid.IntRange(0, 2).Draw(t, "tag")})
	}
	if one("", "limits") != "" {
		d.Limits.Connections = rapid.IntRange(1, 2).Draw(t, "connections")
		d.Limits.Memory = model.Size(rapid.IntRange(1, 2).Draw(t, "memory") << 30)
	}
	if one("", "rope") != "" {
		d.Given = d.Given.Put(model.Grouped("rope", model.Text("reactors", one("1", "2"))))
	}
	_ = d.Validate(schema())
	return d
}
