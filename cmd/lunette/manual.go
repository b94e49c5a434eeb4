package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"
)

// A manual is what is said of a command in the manual, whatever it is printed as.
type manual struct {
	name      string // lunette, or lunette unit
	help      string
	commands  []manual // that are told of on the same page
	usage     string   // empty: it has commands
	arguments []entry
	groups    []flagGroup
	examples  string
	top       bool
}

// An entry is a word and what it means.
type entry struct{ word, help string }

// A flagGroup are flags that belong together.
type flagGroup struct {
	title string // empty: those of no group
	flags []entry
}

// manuals are those of lunette itself and of each command that is not below another one.
func (e *env) manuals() ([]manual, error) {
	k, err := e.parser(func(int) {}, "that of the daemon of this user")
	if err != nil {
		return nil, err
	}
	top := manual{name: "lunette", help: k.Model.Help, usage: "lunette COMMAND [ARGUMENTS] [FLAGS]", top: true}
	all := []manual{}
	for _, c := range k.Model.Children {
		if c.Hidden {
			continue
		}
		m := manualOf("lunette", c)
		top.commands = append(top.commands, manual{name: m.name, help: m.help})
		all = append(all, m)
	}
	return append([]manual{top}, all...), nil
}

func manualOf(above string, n *kong.Node) manual {
	m := manual{name: above + " " + n.Name, help: n.Help}
	if len(n.Children) > 0 {
		for _, c := range n.Children {
			m.commands = append(m.commands, manualOf(m.name, c))
		}
		return m
	}
	m.usage = m.name
	m.examples = examples()[strings.TrimPrefix(m.name, "lunette ")]
	for _, p := range n.Positional {
		word := strings.ToUpper(p.Name)
		m.arguments = append(m.arguments, entry{word, p.Help})
		if p.IsCumulative() {
			word += "..."
		}
		if !p.Required {
			word = "[" + word + "]"
		}
		m.usage += " " + word
	}
	m.usage += " [FLAGS]"
	for _, f := range n.Flags {
		if f.Hidden {
			continue
		}
		title := ""
		if f.Group != nil {
			title = f.Group.Title
		}
		m.add(title, entry{flagText(f), f.Help})
	}
	return m
}

// add adds a flag to its group; groups stand in the order in which they come, those of none at first.
func (m *manual) add(title string, x entry) {
	for i := range m.groups {
		if m.groups[i].title == title {
			m.groups[i].flags = append(m.groups[i].flags, x)
			return
		}
	}
	g := flagGroup{title, []entry{x}}
	if title == "" {
		m.groups = append([]flagGroup{g}, m.groups...)
		return
	}
	m.groups = append(m.groups, g)
}

// flagText is a flag as it is written.
func flagText(f *kong.Flag) string {
	text := "--" + f.Name
	if f.Short != 0 {
		text = "-" + string(f.Short) + ", " + text
	}
	if !f.IsBool() {
		text += " " + f.FormatPlaceHolder()
	}
	return text
}

// file is the name of the page without its section.
func (m manual) file() string { return strings.ReplaceAll(m.name, " ", "-") }

// manCmd writes manual pages.
type manCmd struct {
	Dir string `arg:"" complete:"dir" help:"The directory in which they are to be, such as /usr/local/share/man/man1."`
}

// Run writes them.
func (c *manCmd) Run(e *env) error {
	all, err := e.manuals()
	if err != nil {
		return err
	}
	for _, m := range all {
		path := filepath.Join(c.Dir, m.file()+".1")
		if err := whole(path, func(w io.Writer) error { return m.roff(w, all) }); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o644); err != nil { // for all who read it
			return err
		}
	}
	_, err = fmt.Fprintf(e.stdout, "%s are in %s\n", count(len(all), "manual page"), printable(c.Dir))
	return err
}
