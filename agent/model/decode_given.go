package model

import (
	"reflect"
	"strconv"
)

// given decodes a value whose option is not known yet.
func (d *decoder) given(n *node, name, path string) (Given, bool) {
	g := Given{Name: name}
	n, ok := d.loaded(n)
	if !ok {
		return g, false
	}
	switch n.form {
	case takenNode:
		d.failAt(n.at, path, notTaken)
		return g, false
	case nullNode:
		d.failAt(n.at, path, "there is no value: leave the key out, or give it one")
		return g, false
	case listNode:
		g.Form = List
		for i := range n.of {
			if one, ok := d.given(&n.of[i], "", path+"["+strconv.Itoa(i)+"]"); ok {
				g.Of = append(g.Of, one)
			}
		}
		return g, true
	case fieldsNode:
		g.Form = Fields
		d.mapping(n, path, func(name string, val *node) {
			if one, ok := d.given(val, name, join(path, name)); ok {
				g.Of = append(g.Of, one)
			}
		})
		return g, true
	}
	text, ok := n.scalar()
	if !ok {
		d.failAt(n.at, path, "%s is %s: a single value is wanted", n.excerpt(), n.form)
		return g, false
	}
	g.Text = text
	if n.form != stringNode {
		g.as = n.form.String()
	}
	return g, true
}

// field decodes the value of a key into a field.
func field[T any](d *decoder, val *node, into *T, path string) {
	d.value(val, reflect.ValueOf(into).Elem(), path)
}

// portal decodes [KIND://]ADDRESS, or {kind: KIND, address: ADDRESS, option: value, …}.
func (d *decoder) portal(n *node, p *Portal, path string) {
	if n.form != fieldsNode {
		parsed(d, n, p, path, splitPortal)
		return
	}
	d.mapping(n, path, func(name string, val *node) {
		at := join(path, name)
		switch name {
		case "name":
			field(d, val, &p.Name, at)
		case "kind":
			field(d, val, &p.Kind, at)
		case "address":
			field(d, val, &p.Written, at)
		case "targets":
			field(d, val, &p.Targets, at)
		case "tag":
			if field(d, val, &p.Tag, at); p.Tag == 0 && val.text == "0" {
				d.failAt(val.at, at, "the tag of a portal group is from 1 to %d", MaxTag)
			}
		default:
			if g, ok := d.given(val, name, at); ok {
				p.Given = append(p.Given, g)
			}
		}
	})
}

// maintenance decodes true, false, or {redirect: ADDRESS}.
func (d *decoder) maintenance(n *node, m *Maintenance, path string) {
	if n.form != fieldsNode {
		field(d, n, &m.On, path)
		return
	}
	d.mapping(n, path, func(name string, val *node) {
		if name != "redirect" {
			d.unknown(val, path, []string{"redirect"})
			return
		}
		field(d, val, &m.Redirect, join(path, name))
	})
	if m.On = m.Redirect != ""; !m.On {
		d.failAt(n.at, path, "write true, false, or {redirect: ADDRESS[:PORT]}")
	}
}

// named decodes {NAME: {kind: …}, …}.
func (d *decoder) named(n *node, all *[]Named, path string) {
	d.mapping(n, path, func(name string, val *node) {
		s := Named{Name: name}
		field(d, val, &s.Plugin, join(path, name))
		*all = append(*all, s)
	})
}

// plugin decodes {kind: KIND, option: value, …}.
func (d *decoder) plugin(n *node, p *Plugin, path string) {
	d.mapping(n, path, func(name string, val *node) {
		if name == "kind" && val.form == nullNode && val.text == "null" {
			p.Kind = "null" // a kind may have the name that YAML has for nothing
			return
		}
		g, ok := d.given(val, name, join(path, name))
		switch {
		case !ok:
		case name != "kind":
			p.Given = append(p.Given, g)
		case g.Form != Scalar:
			d.failAt(val.at, join(path, name), "this is %s: a single value is wanted", g.form())
		default:
			p.Kind = g.Text
		}
	})
}

// luns decodes {0: UNIT, 1: {unit: UNIT, read-only: true}, …}.
func (d *decoder) luns(n *node, luns *[]LUN, path string) {
	d.mapping(n, path, func(name string, val *node) {
		number, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			d.failAt(val.keyAt, path, "%q is not a LUN: a number from 0 to %d is wanted", name, MaxLUN)
			return
		}
		l := LUN{Number: int(number)}
		at := join(path, name)
		if val.form != fieldsNode {
			field(d, val, &l.Unit, at)
			*luns = append(*luns, l)
			return
		}
		d.mapping(val, at, func(name string, val *node) {
			switch name {
			case "unit":
				field(d, val, &l.Unit, join(at, name))
			case "read-only":
				field(d, val, &l.ReadOnly, join(at, name))
			default:
				d.unknown(val, at, []string{"unit", "read-only"})
			}
		})
		if l.Unit == "" && val.field("unit") == nil {
			d.failAt(val.at, at, "it has no unit: write \"{unit: UNIT, read-only: true}\"")
			return
		}
		*luns = append(*luns, l)
	})
}
