package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// broken is a store that can never be opened.
var broken = plugin.Store{
	About: plugin.About{Name: "broken", Help: "For tests."},
	Open:  func(context.Context, model.Values) (plugin.Opened, error) { return plugin.Opened{}, errBroken },
}

var errBroken = errors.New("the store is broken")

// A drawing draws documents of few names, paths, LUNs and addresses, so that renames, swaps and things that come
// again happen. Everything is written as JSON, which is YAML as well.
type drawing struct {
	t   *rapid.T
	dir string
}

// seldom is true in one of n cases.
func (w drawing) seldom(n int) bool { return rapid.IntRange(1, n).Draw(w.t, "seldom") == n }

func (w drawing) one(all ...string) string { return rapid.SampledFrom(all).Draw(w.t, "one") }

// some are some of all, in any order.
func (w drawing) some(least int, all ...string) []string {
	return rapid.Permutation(all).Draw(w.t, "some")[:rapid.IntRange(least, len(all)).Draw(w.t, "many")]
}

func object(fields ...string) string {
	var all []string
	for _, f := range fields {
		if f != "" {
			all = append(all, f)
		}
	}
	return "{" + strings.Join(all, ", ") + "}"
}

func text(name, value string) string { return fmt.Sprintf("%q: %q", name, value) }

func quoted(all []string) string {
	q := make([]string, len(all))
	for i, s := range all {
		q[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

func (w drawing) unit(name, path string) string {
	size := text("size", w.one("64K", "64K", "128K"))
	store := object(text("kind", "memory"), size)
	if path != "" {
		if w.seldom(3) {
			size = ""
		}
		sync := ""
		if w.seldom(6) {
			sync = `"sync": true`
		}
		store = object(text("kind", "file"), text("path", w.dir+"/"+path), size, sync)
	}
	if w.seldom(60) {
		store = `{"kind": "broken"}`
	}
	device := []string{text("kind", "disk")}
	switch w.one("", "", "", "blocks", "settings", "revision", "read-only") {
	case "blocks":
		device = append(device, `"block-size": 4096`)
	case "settings":
		device = append(device, `"settings": "shared"`)
	case "revision":
		device = append(device, text("revision", w.one("1", "2")))
	case "read-only":
		device = append(device, `"read-only": true`)
	}
	filters := ""
	if w.seldom(6) {
		filters = `"filters": [{"kind": "stats"}]`
	}
	return object(text("name", name), `"store": `+store, `"device": `+object(device...), filters)
}

// luns map some of the units.
func (w drawing) luns(units []string) string {
	var all []string
	for _, n := range w.some(0, "0", "1", "2", "3") {
		if len(units) == 0 {
			break
		}
		u := w.one(units...)
		if strings.Contains(strings.Join(all, " "), fmt.Sprintf("%q", u)) { // a unit twice in a target is refused
			continue
		}
		if w.seldom(8) {
			all = append(all, fmt.Sprintf(`%q: {"unit": %q, "read-only": true}`, n, u))
		} else {
			all = append(all, text(n, u))
		}
	}
	return "{" + strings.Join(all, ", ") + "}"
}

func (w drawing) access(name string, units []string) string {
	return object(text("name", name), `"initiators": `+w.one(`["guest:g0"]`, `["*g1"]`, `["guest:g?"]`), `"luns": `+w.luns(units))
}

func (w drawing) target(name string, units []string) string {
	alias, guests, access, maintenance := "", "", "", ""
	if w.seldom(3) {
		alias = text("alias", w.one("x", "y"))
	}
	if w.seldom(4) {
		guests = `"pipe": {"guests": [` + w.one(`{"name": "guest:g0"}`, `{"name": "guest:g0"}, {"name": "guest:g1"}`) + `]}`
	}
	if w.seldom(3) {
		var all []string
		for _, a := range w.some(1, "a0", "a1") {
			all = append(all, w.access(a, units))
		}
		access = `"access": [` + strings.Join(all, ", ") + "]"
	}
	if w.seldom(8) {
		maintenance = `"maintenance": true`
	}
	return object(text("name", wholeTarget+name), `"luns": `+w.luns(units), alias, guests, access, maintenance)
}

func (w drawing) portal(name, addr string, targets []string) string {
	only := ""
	if w.seldom(3) && len(targets) > 0 {
		only = `"targets": ` + quoted(w.some(1, targets...))
	}
	if name != "" {
		name = text("name", name)
	}
	return object(name, text("kind", "pipe+process"), text("address", addr), fmt.Sprintf(`"slots": %d`, rapid.IntRange(100, 101).Draw(w.t, "slots")), only)
}

// objects are those of a document by their kinds.
type objects map[model.ObjectKind][]string

const wholeTarget = "iqn.2026-11.io.lunette:"

// objects draws those of a document.
func (w drawing) objects() objects {
	all := make(objects)
	paths := rapid.Permutation([]string{"f0", "f1", "f2", "f3", "", ""}).Draw(w.t, "paths")
	units := w.some(2, "u0", "u1", "u2", "u3")
	for i, name := range units {
		all[model.UnitObject] = append(all[model.UnitObject], w.unit(name, paths[i]))
	}
	if w.seldom(30) {
		units = append(units, "missing")
	}
	var targets []string
	for _, name := range w.some(2, "t0", "t1", "t2") {
		targets = append(targets, wholeTarget+name)
		all[model.TargetObject] = append(all[model.TargetObject], w.target(name, units))
	}
	addrs := rapid.Permutation([]string{"/p0", "/p1", "/p2"}).Draw(w.t, "addresses")
	if w.seldom(25) {
		addrs[0] = occupied
	}
	for i, name := range w.some(1, "n0", "", "n2") {
		all[model.PortalObject] = append(all[model.PortalObject], w.portal(name, addrs[i], targets))
	}
	for _, name := range w.some(0, "ann", "bob") {
		all[model.UserObject] = append(all[model.UserObject], object(text("name", name), text("secret-file", w.dir+"/"+w.one("s0", "s1"))))
	}
	return all
}

const occupied = "/occupied"

// document draws a document.
func (w drawing) document() string {
	all := w.objects()
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1 # %s\n", w.one("a", "b"))
	for _, part := range []struct {
		kind model.ObjectKind
		key  string
	}{{model.UserObject, "users"}, {model.UnitObject, "units"}, {model.TargetObject, "targets"}, {model.PortalObject, "portals"}} {
		if len(all[part.kind]) > 0 {
			fmt.Fprintf(&b, "%s:\n- %s\n", part.key, strings.Join(all[part.kind], "\n- "))
		}
	}
	fmt.Fprintf(&b, "limits: {stop-timeout: %s, memory: 64M}\n", w.one("5s", "6s"))
	if w.seldom(3) {
		b.WriteString("pipe: {greeting: hi}\n")
	}
	return b.String()
}

// edit draws an edit of an object of doc, or of one that may come.
func (w drawing) edit(doc *model.Document) model.Edit {
	var units, targets []string
	for _, u := range doc.Units {
		units = append(units, u.Name)
	}
	for _, t := range doc.Targets {
		targets = append(targets, t.Name)
	}
	op := rapid.SampledFrom([]model.EditOp{model.CreateObject, model.PutObject, model.PutObject, model.MergeObject, model.MergeObject, model.DeleteObject}).Draw(w.t, "edit")
	e := model.Edit{Op: op}
	merge := op == model.MergeObject
	var body string
	switch w.one("unit", "unit", "target", "target", "access", "portal", "user", "limits") {
	case "unit":
		name := w.one("u0", "u1", "u2", "u3")
		e.Key = model.Key{Kind: model.UnitObject, Name: name}
		if body = w.unit(name, w.one("f0", "f1", "f2", "f3", "")); merge {
			body = w.one(`{"device": {"read-only": true}}`, `{"device": {"read-only": null, "revision": "7"}}`, `{"store": {"size": "128K"}}`, `{"store": {"size": "64K"}}`, `{"filters": null}`, `{"name": "u3"}`)
		}
	case "target":
		name := w.one("t0", "t1", "t2")
		e.Key = model.Key{Kind: model.TargetObject, Name: wholeTarget + name}
		if body = w.target(name, units); merge {
			body = w.one(`{"alias": "x"}`, `{"alias": null}`, `{"maintenance": true}`, `{"maintenance": false}`, `{"access": null}`, `{"luns": {"0": null}}`, `{"luns": {"3": "u1"}}`)
		}
	case "access":
		name := w.one("a0", "a1")
		e.Key = model.Key{Kind: model.AccessObject, Name: wholeTarget + w.one("t0", "t1", "t2") + "/" + name}
		if body = w.access(name, units); merge {
			body = w.one(`{"initiators": ["guest:g0"]}`, `{"luns": {"1": null}}`)
		}
	case "portal":
		name := w.one("n0", "n2")
		e.Key = model.Key{Kind: model.PortalObject, Name: name}
		if body = w.portal(name, w.one("/p0", "/p1", "/p2"), targets); merge {
			body = w.one(`{"targets": null}`, `{"slots": 102}`, `{"address": "/p2"}`)
		}
	case "user":
		name := w.one("ann", "bob")
		e.Key = model.Key{Kind: model.UserObject, Name: name}
		if body = object(text("name", name), text("secret-file", w.dir+"/s0")); merge {
			body = object(text("secret-file", w.dir+"/s1"))
		}
	case "limits":
		e = model.Edit{Op: model.MergeObject, Key: model.Key{Kind: model.SectionObject, Name: "limits"}}
		body = w.one(`{"stop-timeout": "7s"}`, `{"connections": 100}`)
	}
	if e.Op != model.DeleteObject {
		e.Body = []byte(body)
	}
	return e
}
