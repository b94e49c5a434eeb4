package model

import (
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// given decodes a value whose option is not known yet.
func (d *decoder) given(n ast.Node, name, path string) (Given, bool) {
	d.source.at[path] = position(n)
	g := Given{Name: name}
	switch e := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.failAt(n, path, notTaken)
		return g, false
	case *ast.NullNode:
		d.failAt(n, path, "there is no value: leave the key out, or give it one")
		return g, false
	case *ast.SequenceNode:
		g.Form = List
		for i, v := range e.Values {
			if one, ok := d.given(v, "", path+"["+strconv.Itoa(i)+"]"); ok {
				g.Of = append(g.Of, one)
			}
		}
		return g, true
	case *ast.MappingNode, *ast.MappingValueNode:
		g.Form = Fields
		d.mapping(n, path, func(_ ast.Node, name string, val ast.Node) {
			if one, ok := d.given(val, name, join(path, name)); ok {
				g.Of = append(g.Of, one)
			}
		})
		return g, true
	}
	text, ok := scalar(n)
	if !ok {
		d.failAt(n, path, "%s is %s: a single value is wanted", excerpt(n), form(n))
		return g, false
	}
	g.Text = text
	if _, quoted := n.(*ast.StringNode); !quoted {
		g.as = form(n)
	}
	return g, true
}

// portal decodes [KIND://]ADDRESS, or {kind: KIND, address: ADDRESS, option: value, …}.
func (d *decoder) portal(n ast.Node, p *Portal, path string) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		parsed(d, n, p, path, splitPortal)
		return
	}
	d.mapping(n, path, func(_ ast.Node, name string, val ast.Node) {
		at := join(path, name)
		switch name {
		case "kind":
			d.value(val, reflect.ValueOf(&p.Kind).Elem(), at)
		case "address":
			d.value(val, reflect.ValueOf(&p.Written).Elem(), at)
		case "targets":
			d.value(val, reflect.ValueOf(&p.Targets).Elem(), at)
		default:
			if g, ok := d.given(val, name, at); ok {
				p.Given = append(p.Given, g)
			}
		}
	})
}

// named decodes {NAME: {kind: …}, …}.
func (d *decoder) named(n ast.Node, all *[]Named, path string) {
	d.mapping(n, path, func(_ ast.Node, name string, val ast.Node) {
		s := Named{Name: name}
		d.value(val, reflect.ValueOf(&s.Plugin).Elem(), join(path, name))
		*all = append(*all, s)
	})
}

// plugin decodes {kind: KIND, option: value, …}.
func (d *decoder) plugin(n ast.Node, p *Plugin, path string) {
	d.mapping(n, path, func(key ast.Node, name string, val ast.Node) {
		if name == "kind" && saysNull(val) {
			d.source.at[join(path, name)] = position(val)
			p.Kind = "null" // a kind may have the name that YAML has for nothing
			return
		}
		g, ok := d.given(val, name, join(path, name))
		switch {
		case !ok:
		case name != "kind":
			p.Given = append(p.Given, g)
		case g.Form != Scalar:
			d.failAt(val, join(path, name), "this is %s: a single value is wanted", g.form())
		default:
			p.Kind = g.Text
		}
	})
}

// saysNull reports that the word null stands there, not in quotes.
func saysNull(n ast.Node) bool {
	t := n.GetToken()
	return n.Type() == ast.NullType && t != nil && t.Type == token.NullType && t.Value == "null"
}

// luns decodes {0: UNIT, 1: UNIT, …}.
func (d *decoder) luns(n ast.Node, luns *[]LUN, path string) {
	d.mapping(n, path, func(key ast.Node, name string, val ast.Node) {
		number, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			d.failAt(key, path, "%q is not a LUN: a number from 0 to %d is wanted", name, MaxLUN)
			return
		}
		l := LUN{Number: int(number)}
		d.value(val, reflect.ValueOf(&l.Unit).Elem(), join(path, name))
		*luns = append(*luns, l)
	})
}
