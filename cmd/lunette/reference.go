package main

import (
	"fmt"
	"io"
	"strings"
)

// writeReference writes the page about all commands in Markdown.
func writeReference(w io.Writer, all []manual) error {
	var b strings.Builder
	b.WriteString("# The command line\n\nAll commands of `lunette`, with their arguments and flags, as `lunette COMMAND --help` has them. The [guide](../guide/living.md)\nshows them at work. This page is generated: `make reference`.\n\n")
	b.WriteString("## Exit statuses\n\n| status | |\n|---|---|\n")
	for _, x := range exitStatuses() {
		fmt.Fprintf(&b, "| %d | %s |\n", x.status, cell(x.means))
	}
	b.WriteString("\n## Environment\n\n| variable | |\n|---|---|\n")
	for _, x := range environment() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", x.word, cell(x.help))
	}
	for _, m := range all {
		if !m.top {
			m.markdown(&b, "##")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (m manual) markdown(b *strings.Builder, level string) {
	fmt.Fprintf(b, "\n%s %s\n\n%s\n", level, m.name, m.help)
	for _, c := range m.commands {
		c.markdown(b, level+"#")
	}
	if m.usage == "" {
		return
	}
	fmt.Fprintf(b, "\n    %s\n", m.usage)
	rows := [][2]string{}
	for _, a := range m.arguments {
		rows = append(rows, [2]string{"`" + a.word + "`", a.help})
	}
	changes := false
	for _, g := range m.groups {
		if changes = changes || g.title == changeGroup; g.title == changeGroup {
			continue
		}
		for _, f := range g.flags {
			rows = append(rows, [2]string{"`" + f.word + "`", f.help})
		}
	}
	if m.name == "lunette apply" { // the first that has them tells of those that all changes have
		for _, g := range m.groups {
			if g.title == changeGroup {
				for _, f := range g.flags {
					rows = append(rows, [2]string{"`" + f.word + "`", f.help})
				}
			}
		}
		changes = false
	}
	if len(rows) > 0 {
		b.WriteString("\n| | |\n|---|---|\n")
		for _, r := range rows {
			fmt.Fprintf(b, "| %s | %s |\n", strings.ReplaceAll(r[0], "|", `\|`), cell(r[1]))
		}
	}
	if changes {
		b.WriteString("\nAnd the flags of every change: those of [lunette apply](#lunette-apply) from `--dry-run` on.\n")
	}
	if m.examples != "" {
		fmt.Fprintf(b, "\n    %s\n", strings.ReplaceAll(m.examples, "\n", "\n    "))
	}
}

// changeGroup is the group of flags that every change has.
const changeGroup = "Change"

// cell is text in a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`).Replace(text)
}
