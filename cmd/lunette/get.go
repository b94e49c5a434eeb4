package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
)

// form is how an object is printed: each command has its own default.
type form struct {
	Output string `short:"o" enum:"table,json,yaml," default:"" placeholder:"FORMAT" help:"table, json or yaml. Default: yaml for one object, table for several."`
}

// getCmd shows the objects of the document.
type getCmd struct {
	Kind string `arg:"" optional:"" complete:"kind" help:"user, unit, target, access, portal or section; the whole document without it."`
	Name string `arg:"" optional:"" complete:"object" help:"The object; all of the kind without it."`
	form
	at
}

// Run prints them.
func (c *getCmd) Run(e *env) error {
	if c.Kind == "" {
		return c.whole(e)
	}
	kind, err := kindNamed(c.Kind)
	if err != nil {
		return usageError{err}
	}
	if c.Name == "" {
		return c.list(e, c.Socket, kind)
	}
	return c.one(e, c.Socket, model.Key{Kind: kind, Name: c.Name})
}

// kindNamed is the kind of objects that people name, as one or as several.
func kindNamed(word string) (model.ObjectKind, error) {
	var all []string
	for _, c := range api.Collections() {
		if word == c.Path || word == string(c.Kind) {
			return c.Kind, nil
		}
		all = append(all, string(c.Kind))
	}
	return "", fmt.Errorf("%q is no kind of objects: there is %s", word, strings.Join(all, ", "))
}

// whole prints the document without what is a comment in it.
func (c *getCmd) whole(e *env) error {
	text, _, err := e.daemon(c.Socket).Config(e.ctx, model.JSON)
	if err != nil {
		return err
	}
	return c.print(e, text)
}

// one prints an object.
func (f form) one(e *env, socket string, k model.Key) error {
	text, _, err := e.daemon(socket).Object(e.ctx, k, model.JSON)
	if err != nil {
		return err
	}
	return f.print(e, text)
}

// print prints JSON.
func (f form) print(e *env, text []byte) error {
	tree, err := readTree(text)
	if err != nil {
		return unread(err)
	}
	format := f.Output
	if format == "" {
		format = "yaml"
	}
	if shown, err := showAs(e.stdout, format, tree); shown || err != nil {
		return err
	}
	return writeTable(e.stdout, []column{{"KEY", never}, {"VALUE", never}}, flat("", tree), 0)
}

func unread(err error) error {
	return fmt.Errorf("the daemon gave an answer that cannot be read: %w", err)
}

// An object is one of the document, with what it says.
type object struct {
	name  string
	value any
}

// objectsOf asks for all objects of a kind.
func (e *env) objectsOf(socket string, kind model.ObjectKind) ([]object, error) {
	some, err := e.daemon(socket).Objects(e.ctx, kind)
	if err != nil {
		return nil, err
	}
	all := make([]object, len(some))
	for i, o := range some {
		value, err := readTree(o.Object)
		if err != nil {
			return nil, unread(err)
		}
		all[i] = object{o.Name, value}
	}
	return all, nil
}

// list prints all objects of a kind.
func (f form) list(e *env, socket string, kind model.ObjectKind) error {
	all, err := e.objectsOf(socket, kind)
	if err != nil {
		return err
	}
	values := make([]any, len(all))
	for i, o := range all {
		values[i] = o.value
		if _, is := o.value.(fields); is && kind != model.SectionObject {
			continue
		}
		values[i] = fields{{o.name, o.value}} // it does not say its name itself
	}
	if shown, err := showAs(e.stdout, f.Output, values); shown || err != nil {
		return err
	}
	columns := objectColumns(kind)
	heads := []column{{strings.ToUpper(string(kind)), front}}
	rows := make([][]string, len(all))
	for _, x := range columns {
		heads = append(heads, column{x.head, back})
	}
	for i, o := range all {
		rows[i] = []string{o.name}
		for _, x := range columns {
			rows[i] = append(rows[i], x.cell(o.value))
		}
	}
	return writeTable(e.stdout, heads, rows, narrow)
}

// An objectColumn is a column of a table of objects.
type objectColumn struct {
	head string
	cell func(v any) string
}

// valueOf is a column with the value of a key.
func valueOf(head, key string) objectColumn {
	return objectColumn{head, func(v any) string {
		of, _ := v.(fields)
		return of.text(key)
	}}
}

// objectColumns are what a table says of objects, beside their names.
func objectColumns(kind model.ObjectKind) []objectColumn {
	switch kind {
	case model.UserObject:
		return []objectColumn{valueOf("SECRET-FILE", "secret-file")}
	case model.UnitObject:
		return []objectColumn{valueOf("STORE", "store"), valueOf("DEVICE", "device")}
	case model.TargetObject:
		return []objectColumn{valueOf("LUNS", "luns"), valueOf("ALIAS", "alias"), {"ACCESS", func(v any) string {
			of, _ := v.(fields)
			list, _ := of.get("access")
			entries, _ := list.([]any)
			var names []string
			for _, x := range entries {
				if a, ok := x.(fields); ok {
					names = append(names, a.text("name"))
				}
			}
			return strings.Join(names, " ")
		}}}
	case model.AccessObject:
		return []objectColumn{valueOf("INITIATORS", "initiators"), valueOf("ADDRESSES", "addresses"), valueOf("USERS", "users"), valueOf("LUNS", "luns")}
	case model.PortalObject:
		return []objectColumn{{"ADDRESS", func(v any) string {
			if of, ok := v.(fields); ok {
				return of.text("address")
			}
			return inline(v)
		}}, valueOf("KIND", "kind"), valueOf("TARGETS", "targets")}
	}
	return []objectColumn{{"VALUES", inline}}
}

// exportCmd prints the document.
type exportCmd struct {
	Canonical  bool   `help:"Without comments, as the objects make it."`
	Generation uint64 `placeholder:"N" help:"The document of this generation."`
	Output     string `short:"o" enum:"text,json,yaml" default:"text" placeholder:"FORMAT" help:"text, as it was written; json or yaml, as --canonical."`
	at
}

// Run prints it.
func (c *exportCmd) Run(e *env) error {
	d := e.daemon(c.Socket)
	if c.Generation > 0 {
		if c.Canonical || c.Output != "text" {
			return usageError{fmt.Errorf("--generation prints a document as it was written: leave --canonical and --output out")}
		}
		g, err := d.Generation(e.ctx, c.Generation)
		if err != nil {
			return noGeneration(c.Generation, err)
		}
		return c.text(e, []byte(g.Text))
	}
	if c.Canonical && c.Output == "text" {
		c.Output = "yaml"
	}
	if c.Output != "text" {
		text, _, err := d.Config(e.ctx, model.JSON)
		if err != nil {
			return err
		}
		tree, err := readTree(text)
		if err != nil {
			return unread(err)
		}
		_, err = showAs(e.stdout, c.Output, tree)
		return err
	}
	text, _, err := d.Config(e.ctx, model.YAML)
	if err != nil {
		return err
	}
	return c.text(e, text)
}

// text prints a document as it is: on a terminal what that may have of it.
func (c *exportCmd) text(e *env, text []byte) error {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(slices.Clone(text), '\n')
	}
	if isTerminal(e.stdout) {
		text = []byte(printable(string(text)))
	}
	_, err := e.stdout.Write(text)
	return err
}
