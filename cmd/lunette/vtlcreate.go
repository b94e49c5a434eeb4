package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/archive/vtl"
)

// serveAs is how a library is served.
type serveAs struct {
	Layout        string   `enum:"one,each" default:"one" placeholder:"HOW" group:"Document" help:"one: a target with the robot at LUN 0 and the drives behind it; each: a target for the robot and for each drive."`
	Portal        []string `sep:"none" default:"127.0.0.1:3260" placeholder:"ADDR:PORT" group:"Document" help:"Where to listen. Repeatable. Default: 127.0.0.1:3260, for this machine alone."`
	Out           string   `placeholder:"FILE" complete:"file" group:"Document" help:"Write the document to this new file instead of standard output."`
	Apply         bool     `group:"Document" help:"Add unit and targets to the running daemon, and print no document."`
	Personalities string   `placeholder:"PATH" complete:"file" group:"Library" help:"A file with personalities of your own, or a folder of such files."`
	at
}

// vtlCreateCmd makes a library.
type vtlCreateCmd struct {
	Name string `arg:"" help:"How it is called: the unit of the document."`

	Store     string   `required:"" placeholder:"DIR" complete:"dir" group:"Library" help:"The directory for its cartridges and its state, which is made. Several libraries may share one, and its shelf."`
	Library   string   `default:"ibm-ts3500" placeholder:"NAME" group:"Library" help:"What the robot is; the reference of personalities lists them. Default: ${default}."`
	Drives    []string `required:"" placeholder:"[Nx]NAME" group:"Library" help:"Its drives: 4xlto8 are four of the library's maker; hpe-lto7 is one. Repeatable."`
	Slots     int      `default:"40" placeholder:"N" group:"Library" help:"How many storage slots. Default: ${default}."`
	Mailslots int      `default:"4" placeholder:"N" group:"Library" help:"How many mail slots (import/export elements). Default: ${default}."`
	stock     `group:"Cartridges"`
	serveAs
}

// Run makes it.
func (c *vtlCreateCmd) Run(e *env) error {
	w, err := c.wanted()
	if err != nil {
		return err
	}
	w.Personalities = c.Personalities
	store, err := filepath.Abs(c.Store)
	if err != nil {
		return err
	}
	p, err := vtl.NewBlueprint(vtl.Wanted{
		Name: c.Name, Store: store, Library: c.Library, Drives: c.Drives, Slots: c.Slots, Mail: c.Mailslots, Personalities: c.Personalities,
	})
	if err == nil {
		_, err = w.Lots()
	}
	if err != nil {
		return usageError{err}
	}
	s, err := c.document(e, p)
	if err != nil {
		return err
	}
	made, err := p.Make(e.ctx, w)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "%s has the library %s and %s%s\n", printable(store), printable(c.Name), count(len(made), "cartridge"), printable(rangeOf(made)))
	return c.give(e, s)
}

// rangeOf are barcodes in short, behind how many they are.
func rangeOf(barcodes []string) string {
	switch {
	case len(barcodes) == 0:
		return ""
	case len(barcodes) <= 4:
		return ": " + strings.Join(barcodes, " ")
	}
	return ": " + barcodes[0] + " … " + barcodes[len(barcodes)-1]
}

// A libraryDoc is a library: its unit and its targets in a document.
type libraryDoc struct {
	unit    fields
	targets []fields
	text    []byte // the document
}

// document makes the document of a library, a right one.
func (c serveAs) document(e *env, p vtl.Blueprint) (libraryDoc, error) {
	if c.Out != "" {
		if _, err := os.Lstat(c.Out); err == nil {
			return libraryDoc{}, usageError{fmt.Errorf("%s is there already", c.Out)}
		}
	}
	device := fields{
		{"kind", "library"}, {"store", p.Store}, {"library", p.Wanted.Library}, {"drives", listOf(p.DriveNames())},
		{"slots", jsonNumber(p.Slots)}, {"mail-slots", jsonNumber(p.Mail)},
	}
	if c.Personalities != "" {
		path, err := filepath.Abs(c.Personalities)
		if err != nil {
			return libraryDoc{}, err
		}
		device = append(device, field{"personalities", path})
	}
	s := libraryDoc{unit: fields{{"name", p.Name}, {"device", device}}}
	lus := []string{p.Name + "/changer"}
	for i := range p.Models {
		lus = append(lus, fmt.Sprintf("%s/drive%d", p.Name, i))
	}
	if c.Layout == "each" {
		for _, lu := range lus {
			s.targets = append(s.targets, target(model.NamePrefix+strings.ReplaceAll(lu, "/", "."), lu))
		}
	} else {
		s.targets = []fields{target(model.NamePrefix+p.Name, lus...)}
	}
	var targets []any
	for _, t := range s.targets {
		targets = append(targets, t)
	}
	doc := fields{{"version", jsonNumber(model.Version)}, {"units", []any{s.unit}}, {"targets", targets}, {"portals", listOf(c.Portal)}}
	var b strings.Builder
	if err := writeYAML(&b, doc); err != nil {
		return s, err
	}
	s.text = []byte(b.String())
	if _, err := model.ReadFrom("the document", strings.NewReader(b.String()), e.registry.Schema()); err != nil {
		return s, usageError{err}
	}
	return s, nil
}

// target is one with logical units at LUN 0, 1, ….
func target(name string, lus ...string) fields {
	luns := fields{}
	for n, lu := range lus {
		luns = append(luns, field{fmt.Sprint(n), lu})
	}
	return fields{{"name", strings.ToLower(name)}, {"luns", luns}}
}

func listOf(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}

func jsonNumber(n int) json.Number { return json.Number(fmt.Sprint(n)) }

// give prints the document, writes it, or makes the daemon serve what is in it.
func (c serveAs) give(e *env, s libraryDoc) error {
	switch {
	case c.Apply:
		return c.apply(e, s)
	case c.Out == "":
		_, err := e.stdout.Write(s.text)
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(s.text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s has the document: \"lunette serve --config %s\" serves it.\n", printable(c.Out), printable(c.Out))
	return err
}

// apply adds unit and targets to the document of the daemon.
func (c serveAs) apply(e *env, s libraryDoc) error {
	d := e.daemon(c.Socket)
	objects := []struct {
		kind model.ObjectKind
		of   fields
	}{{model.UnitObject, s.unit}}
	for _, t := range s.targets {
		objects = append(objects, struct {
			kind model.ObjectKind
			of   fields
		}{model.TargetObject, t})
	}
	for _, o := range objects {
		k := model.Key{Kind: o.kind, Name: o.of.text("name")}
		body, err := json.Marshal(o.of)
		if err != nil {
			return err
		}
		_, err = d.CreateObject(e.ctx, k, body, client.Options{Comment: "lunette vtl"})
		if errors.As(err, new(*client.ExistsError)) {
			return &otherError{fmt.Sprintf("there is a %s already", objectName(k))}
		}
		if err != nil {
			return inDocument(objectName(k), err)
		}
		fmt.Fprintln(e.stdout, printable("The daemon serves the "+objectName(k)+"."))
	}
	return nil
}
