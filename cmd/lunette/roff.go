package main

import (
	"fmt"
	"io"
	"strings"
)

// A roff writes a page in the macros of man(7).
type roff struct{ b strings.Builder }

// roff writes the manual page of m; all are those that there are.
func (m manual) roff(w io.Writer, all []manual) error {
	var r roff
	fmt.Fprintf(&r.b, ".TH %s 1 \"\" lunette \"lunette manual\"\n", strings.ToUpper(r.text(m.file())))
	r.section("NAME")
	r.line("%s \\- %s", r.text(m.file()), r.text(strings.TrimSuffix(m.help, ".")))
	r.section("SYNOPSIS")
	if m.usage != "" {
		r.line(".B %s", r.text(m.usage))
	}
	if !m.top {
		for _, c := range m.commands {
			r.line(".B %s\n.br", r.text(c.usage))
		}
	}
	r.section("DESCRIPTION")
	r.line("%s", r.text(m.help))
	if m.top {
		r.section("COMMANDS")
		for _, c := range m.commands {
			r.entry(".BR "+r.text(c.file())+" (1)", c.help)
		}
	} else {
		r.command(m, "OPTIONS")
	}
	if m.top {
		r.section("EXIT STATUS")
		for _, x := range exitStatuses() {
			r.entry(fmt.Sprintf(".B %d", x.status), x.means)
		}
		r.section("ENVIRONMENT")
		for _, x := range environment() {
			r.entry(".B "+x.word, x.help)
		}
	}
	r.section("SEE ALSO")
	var also []string
	for _, x := range all {
		if x.name != m.name && (m.top || x.top) {
			also = append(also, ".BR "+r.text(x.file())+" (1)")
		}
	}
	r.line("%s", strings.Join(also, ",\n"))
	_, err := io.WriteString(w, r.b.String())
	return err
}

// environment are the variables that commands look at.
func environment() []entry {
	return []entry{
		{"XDG_RUNTIME_DIR", "Where the socket of a daemon is that is not root's."},
		{"LUNETTE_ENGINE", "The default of --engine of \"lunette serve\"."},
		{"VISUAL, EDITOR", "The editor of \"lunette edit\"."},
		{"NO_COLOR", "If it is set and not empty there are no colours."},
	}
}

// command writes what there is to say of a command, or of those below it.
func (r *roff) command(m manual, title string) {
	for _, c := range m.commands {
		r.section(strings.ToUpper(strings.TrimPrefix(c.name, "lunette ")))
		r.line("%s", r.text(c.help))
		r.command(c, "")
	}
	for _, a := range m.arguments {
		r.entry(".I "+r.text(a.word), a.help)
	}
	if title != "" && len(m.groups) > 0 {
		r.section(title)
	}
	for _, g := range m.groups {
		if g.title != "" {
			r.line(".SS %s", r.text(g.title))
		}
		for _, f := range g.flags {
			r.entry(".B "+r.text(f.word), f.help)
		}
	}
	if m.examples == "" {
		return
	}
	if title != "" {
		r.section("EXAMPLES")
	} else {
		r.line(".SS Examples")
	}
	r.line(".nf")
	for line := range strings.SplitSeq(m.examples, "\n") {
		r.line("%s", r.text(line))
	}
	r.line(".fi")
}

func (r *roff) section(title string) { r.line(".SH %s", title) }

func (r *roff) entry(head, help string) { r.line(".TP\n%s\n%s", head, r.text(help)) }

func (r *roff) line(format string, args ...any) { fmt.Fprintf(&r.b, format+"\n", args...) }

// text is text as roff has it: nothing in it is a request or an escape.
func (r *roff) text(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "\"", `\(dq`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
