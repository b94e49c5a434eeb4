package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon"
)

// checkCmd looks at a document, and at what it names.
type checkCmd struct {
	File      string `arg:"" optional:"" complete:"file" help:"The document (YAML or JSON); - is standard input."`
	Config    string `placeholder:"FILE" complete:"file" help:"The document, as serve has it."`
	Elsewhere bool   `help:"The document is for another machine: look for no files, devices, secrets and addresses."`
	Output    string `short:"o" enum:"text,table,json,yaml" default:"text" placeholder:"FORMAT" help:"text, which table is as well; json or yaml."`
}

// mostProblems is how many lines people read of what is wrong.
const mostProblems = 50

// Run prints all that is wrong, a line each.
func (c *checkCmd) Run(e *env) error {
	if (c.File == "") == (c.Config == "") {
		return usageError{errors.New("name one document, as \"lunette check FILE\"; - is standard input")}
	}
	name := c.File + c.Config
	d, err := readDocument(name, e.registry.Schema())
	if err == nil && !c.Elsewhere {
		err = daemon.Examine(e.ctx, d, e.registry)
	}
	if c.Output == "json" || c.Output == "yaml" {
		return c.report(e, name, d, err)
	}
	if err == nil {
		fmt.Fprintf(e.stdout, "%s is right: %s, %s, %s\n", printable(shownName(name)),
			count(len(d.Targets), "target"), count(len(d.Units), "unit"), count(len(d.Portals), "portal"))
		for _, n := range d.Notes {
			fmt.Fprintf(e.stdout, "note: %s\n", printable(n.Error()))
		}
		return nil
	}
	all := model.All(err)
	if more := len(all) - mostProblems; more > 0 {
		all = append(all[:mostProblems], fmt.Errorf("and %d more", more))
	}
	for _, p := range all {
		fmt.Fprintf(e.stderr, "lunette: %s\n", printable(p.Error()))
	}
	return usageError{errSaid}
}

// readDocument reads and validates the document in a file, or on standard input if its name is "-".
func readDocument(name string, schema model.Schema) (*model.Document, error) {
	if name == "-" {
		return model.ReadFrom(shownName(name), os.Stdin, schema)
	}
	return model.ReadFile(name, schema)
}

// shownName is the name of a document for people.
func shownName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// A checked is what check says of a document in JSON.
type checked struct {
	Document string    `json:"document"`
	Right    bool      `json:"right"`
	Problems []finding `json:"problems"`
	Notes    []finding `json:"notes"`
	Targets  int       `json:"targets"`
	Units    int       `json:"units"`
	Portals  int       `json:"portals"`
}

// A finding is one thing that is wrong, or to be noted; Line and Column are 0 where there is no place.
type finding struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

// report prints what was found in JSON.
func (c *checkCmd) report(e *env, name string, d *model.Document, err error) error {
	r := checked{Document: name, Right: err == nil, Problems: []finding{}, Notes: []finding{}}
	if err != nil {
		for _, p := range model.All(err) {
			r.Problems = append(r.Problems, found(p))
		}
	}
	if d != nil {
		r.Targets, r.Units, r.Portals = len(d.Targets), len(d.Units), len(d.Portals)
		for _, n := range d.Notes {
			r.Notes = append(r.Notes, found(n))
		}
	}
	if _, printed := showAs(e.stdout, c.Output, r); printed != nil || err == nil {
		return printed
	}
	return usageError{errSaid}
}

func found(err error) finding {
	var p *model.Problem
	if !errors.As(err, &p) {
		return finding{Message: err.Error()}
	}
	return finding{Line: p.At.Line, Column: p.At.Column, Path: p.Path, Message: p.Err.Error()}
}
