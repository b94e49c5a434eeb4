package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// output is how something is printed.
type output struct {
	Output string `short:"o" enum:"table,json,yaml" default:"table" placeholder:"FORMAT" help:"table, json or yaml."`
}

// show prints v for programs, as JSON or YAML; false: people are to read it.
func (o output) show(e *env, v any) (bool, error) { return showAs(e.stdout, o.Output, v) }

// showAs prints v in a format that programs read; false: it is none of these.
func showAs(w io.Writer, format string, v any) (bool, error) {
	switch format {
	case "json":
		return true, encode(w, v)
	case "yaml":
		tree, err := treeOf(v)
		if err != nil {
			return true, err
		}
		return true, writeYAML(w, tree)
	}
	return false, nil
}

// isTerminal reports that people look at what is written to f, or write what is read from it.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// coloured reports that colours are wanted on w: by a terminal, of people who have not said no (no-color.org).
func coloured(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// A colour is a code of ECMA-48 for the text that comes.
type colour string

const (
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
	plain  colour = "\x1b[0m"
)

// A page is text for people, with colours if they are wanted. What is written to it is made printable.
type page struct {
	b        strings.Builder
	coloured bool
}

// in writes text in a colour.
func (p *page) in(c colour, format string, args ...any) {
	text := printable(fmt.Sprintf(format, args...))
	if p.coloured {
		text = string(c) + text + string(plain)
	}
	p.b.WriteString(text)
}

// write writes text.
func (p *page) write(format string, args ...any) {
	p.b.WriteString(printable(fmt.Sprintf(format, args...)))
}
