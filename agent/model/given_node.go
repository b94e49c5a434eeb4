package model

import (
	"reflect"
	"strconv"
	"time"
)

// nodeOf is a value of a document as it could be written; without what validation fills in, which is
// what is not there.
func (d *Document) nodeOf(v reflect.Value, path string) (node, bool) {
	switch x := v.Interface().(type) {
	case Plugin:
		return d.pluginNode(x)
	case []Named:
		n := node{form: fieldsNode}
		for _, s := range x {
			p, _ := d.pluginNode(s.Plugin)
			n.of = append(n.of, named(s.Name, p))
		}
		return n, len(x) > 0
	case []LUN:
		return lunsNode(x), len(x) > 0
	case Portal:
		return d.portalNode(x), true
	case Maintenance:
		if x.Redirect != "" {
			return fieldsOf(named("redirect", textNode(x.Redirect))), true
		}
		return node{form: boolNode, text: "true"}, x.On
	case Size:
		return textNode(x.String()), x != 0 && !(path == "limits.memory" && x == DefaultMemory)
	case time.Duration:
		return textNode(x.String()), x != 0 && x != defaultTimes[path]
	case Settings:
		n := node{form: fieldsNode}
		for _, g := range x {
			n.of = append(n.of, givenNode(g))
		}
		return n, len(x) > 0
	}
	return d.plainNode(v, path)
}

// defaultTimes are those of the limits.
var defaultTimes = map[string]time.Duration{
	"limits.login-timeout": DefaultLoginTimeout, "limits.idle-timeout": DefaultIdleTimeout, "limits.stop-timeout": DefaultStopTimeout,
}

// plainNode is nodeOf for what is not of a type of its own.
func (d *Document) plainNode(v reflect.Value, path string) (node, bool) {
	switch v.Kind() {
	case reflect.String:
		return textNode(v.String()), v.String() != ""
	case reflect.Bool:
		return node{form: boolNode, text: "true"}, v.Bool()
	case reflect.Int:
		i := v.Int()
		isDefault := path == "limits.connections" && i == DefaultConnections || path == "limits.logins" && i == DefaultLogins
		return node{form: numberNode, text: strconv.FormatInt(i, 10)}, i != 0 && !isDefault
	case reflect.Slice:
		n := node{form: listNode}
		for i := range v.Len() {
			e, _ := d.nodeOf(v.Index(i), path+"[]")
			n.of = append(n.of, e)
		}
		return n, !v.IsNil()
	case reflect.Struct:
		n := node{form: fieldsNode}
		for i := range v.NumField() {
			name := v.Type().Field(i).Tag.Get("doc")
			if name == "" {
				continue
			}
			f, ok := d.nodeOf(v.Field(i), join(path, name))
			switch {
			case !ok:
			case name == others:
				n.of = append(n.of, f.of...)
			default:
				n.of = append(n.of, named(name, f))
			}
		}
		return n, len(n.of) > 0
	}
	return node{}, false
}

func named(name string, n node) node {
	n.name, n.keyForm = name, stringNode
	return n
}

func textNode(text string) node { return node{form: stringNode, text: text} }

func fieldsOf(of ...node) node { return node{form: fieldsNode, of: of} }

// pluginNode is a plugin as it is written.
func (d *Document) pluginNode(p Plugin) (node, bool) {
	n := node{form: fieldsNode}
	if p.Kind != "" {
		n.of = append(n.of, named("kind", textNode(p.Kind)))
	}
	for _, g := range p.Given {
		n.of = append(n.of, givenNode(g))
	}
	return n, len(n.of) > 0 && (len(p.Given) > 0 || p.Kind != d.source.device)
}

// givenNode is an option as it is written.
func givenNode(g Given) node {
	n := node{name: g.Name, keyForm: stringNode, text: g.Text, form: stringNode}
	switch {
	case g.Form == List:
		n.form = listNode
	case g.Form == Fields:
		n.form = fieldsNode
	case g.as == numberNode.String():
		n.form = numberNode
	case g.as == boolNode.String():
		n.form = boolNode
	}
	for _, e := range g.Of {
		n.of = append(n.of, givenNode(e))
	}
	return n
}

// lunsNode is a map of LUNs as it is written.
func lunsNode(luns []LUN) node {
	n := node{form: fieldsNode}
	for _, l := range luns {
		v := textNode(l.Unit)
		if l.ReadOnly {
			v = fieldsOf(named("unit", v), named("read-only", node{form: boolNode, text: "true"}))
		}
		n.of = append(n.of, named(strconv.Itoa(l.Number), v))
	}
	return n
}

// portalNode is a portal as it is written: on one line if that says it all.
func (d *Document) portalNode(p Portal) node {
	kind := p.Kind
	if kind == d.source.transport {
		kind = ""
	}
	if p.Name == "" && p.Tag == 0 && p.Targets == nil && len(p.Given) == 0 {
		if kind != "" {
			return textNode(kind + "://" + p.Written)
		}
		return textNode(p.Written)
	}
	n := node{form: fieldsNode}
	for _, f := range []struct{ key, text string }{{"name", p.Name}, {"kind", kind}, {"address", p.Written}} {
		if f.text != "" {
			n.of = append(n.of, named(f.key, textNode(f.text)))
		}
	}
	if p.Tag != 0 {
		n.of = append(n.of, named("tag", node{form: numberNode, text: strconv.Itoa(p.Tag)}))
	}
	if p.Targets != nil {
		all, _ := d.nodeOf(reflect.ValueOf(p.Targets), "")
		n.of = append(n.of, named("targets", all))
	}
	for _, g := range p.Given {
		n.of = append(n.of, givenNode(g))
	}
	return n
}

// written is the whole document as it could be written.
func (d *Document) written() node {
	given := *d
	if d.source.portals {
		given.Portals = nil
	}
	n, _ := d.nodeOf(reflect.ValueOf(given), "")
	return n
}
