package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lunette-io/lunette/agent/api"
)

// listing is how a list is printed.
type listing struct {
	Output string `short:"o" enum:"table,wide,json,yaml" default:"table" placeholder:"FORMAT" help:"table, which fits 80 columns; wide, with all columns and nothing cut; json or yaml."`
}

// limit is how wide a table may be; 0: as wide as it is.
func (l listing) limit() int {
	if l.Output == "wide" {
		return 0
	}
	return narrow
}

// ask is what commands have that ask the daemon.
type ask struct {
	listing
	at
}

type (
	targetsCmd  struct{ ask }
	unitsCmd    struct{ ask }
	sessionsCmd struct{ ask }
)

// Run lists targets.
func (c *targetsCmd) Run(e *env) error {
	all, err := e.daemon(c.Socket).Targets(e.ctx)
	if err != nil {
		return err
	}
	if c.Output == "json" || c.Output == "yaml" {
		for i := range all {
			all[i].Columns = nil // what they say is in the facts
		}
	}
	if shown, err := showAs(e.stdout, c.Output, all); shown || err != nil {
		return err
	}
	wide := c.Output == "wide"
	facts := columnsOf(all, wide, func(t api.Target) []api.Cell { return t.Columns })
	columns := append([]column{{"TARGET", front}, {"LUNS", back}, {"PORTALS", back}}, facts...)
	rows := make([][]string, len(all))
	for i, t := range all {
		var luns []string
		for _, l := range t.LUNs {
			luns = append(luns, l.String())
		}
		portals := strings.Join(t.Portals, " ")
		if !wide {
			portals = strings.ReplaceAll(portals, e.registry.Schema().Default("transport")+"://", "")
		}
		rows[i] = slices.Concat([]string{t.Name, strings.Join(luns, " "), portals}, cells(facts, t.Columns), []string{fmt.Sprint(t.Sessions)})
	}
	if err := writeTable(e.stdout, append(columns, column{"SESSIONS", never}), rows, c.limit()); err != nil {
		return err
	}
	return showNotes(e.stdout, all)
}

// showNotes prints what transports have to say beside the table.
func showNotes(w io.Writer, all []api.Target) error {
	var b strings.Builder
	for _, t := range all {
		for _, n := range t.Notes {
			fmt.Fprintf(&b, "\n%s\n", n.Title)
			for _, line := range n.Lines {
				fmt.Fprintf(&b, "  %s\n", line)
			}
		}
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

// Run lists units.
func (c *unitsCmd) Run(e *env) error {
	all, err := e.daemon(c.Socket).Units(e.ctx)
	if err != nil {
		return err
	}
	if c.Output == "json" || c.Output == "yaml" {
		for i := range all {
			all[i].Columns = nil // what they say is in the facts
		}
	}
	if shown, err := showAs(e.stdout, c.Output, all); shown || err != nil {
		return err
	}
	facts := columnsOf(all, c.Output == "wide", func(u api.Unit) []api.Cell { return u.Columns })
	columns := append([]column{{"UNIT", front}}, facts...)
	filtered := slices.ContainsFunc(all, func(u api.Unit) bool { return len(u.Filters) > 0 })
	if filtered {
		columns = append(columns, column{"FILTERS", back})
	}
	rows := make([][]string, len(all))
	for i, u := range all {
		rows[i] = append([]string{u.Name}, cells(facts, u.Columns)...)
		if filtered {
			rows[i] = append(rows[i], strings.Join(u.Filters, " "))
		}
		rows[i] = append(rows[i], counts(u.Counts)...)
	}
	return writeTable(e.stdout, append(columns, countColumns()...), rows, c.limit())
}

// countColumns are the columns of [counts]: commands that failed because of the store, and those that
// were refused because of what they asked for, are two things.
func countColumns() []column {
	return []column{{"COMMANDS", never}, {"FAILED", never}, {"REFUSED", never}, {"READ", never}, {"WRITTEN", never}}
}

func counts(c api.Counts) []string {
	return []string{fmt.Sprint(c.Commands), fmt.Sprint(c.Failures), fmt.Sprint(c.Errors - c.Failures), amount(c.BytesRead), amount(c.BytesWritten)}
}

// Run lists sessions.
func (c *sessionsCmd) Run(e *env) error {
	all, err := e.daemon(c.Socket).Sessions(e.ctx)
	if err != nil {
		return err
	}
	if shown, err := showAs(e.stdout, c.Output, all); shown || err != nil {
		return err
	}
	wide := c.Output == "wide"
	columns := []column{{"INITIATOR", front}, {"FROM", front}, {"TARGET", front}}
	if wide {
		columns = append(columns, column{"TRANSPORT", never}, column{"USER", front}, column{"SINCE", never})
	}
	rows := make([][]string, len(all))
	for i, s := range all {
		var from []string
		for _, c := range s.Connections {
			from = append(from, c.Remote)
		}
		name := s.Target
		if name == "" {
			name = "(discovery)"
		}
		rows[i] = []string{s.Initiator, strings.Join(from, " "), name}
		if wide {
			rows[i] = append(rows[i], s.Transport, s.User, s.Since.Local().Format(time.DateTime))
		}
		rows[i] = append(rows[i], counts(s.Counts)...)
	}
	return writeTable(e.stdout, append(columns, countColumns()...), rows, c.limit())
}

// columnsOf are the columns of facts that the elements of a table have, each once.
func columnsOf[T any](all []T, wide bool, of func(T) []api.Cell) []column {
	var columns []column
	for _, v := range all {
		for _, c := range of(v) {
			there := slices.ContainsFunc(columns, func(x column) bool { return x.head == c.Column })
			if !there && (wide || !c.Wide) {
				columns = append(columns, column{c.Column, front})
			}
		}
	}
	return columns
}

// cells are what stands in the columns; nothing where an element has nothing.
func cells(columns []column, of []api.Cell) []string {
	texts := make([]string, len(columns))
	for i, column := range columns {
		for _, c := range of {
			if c.Column == column.head {
				texts[i] = c.Text
			}
		}
	}
	return texts
}

func encode(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, plainJSON(b.String()))
	return err
}

// encodeLine prints v as JSON on one line.
func encodeLine(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, plainJSON(string(text))+"\n")
	return err
}

// plainJSON escapes what a terminal should not have in the strings of JSON: it is nowhere else.
func plainJSON(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r == utf8.RuneError || !unprintable(r) {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// amount rounds a number of bytes to three digits or so, for people.
func amount(n int64) string {
	f, unit := float64(n), ""
	for _, next := range []string{"K", "M", "G", "T", "P", "E"} {
		if f < 1000 {
			break
		}
		f, unit = f/1024, next
	}
	switch {
	case unit == "":
		return fmt.Sprint(n)
	case f < 10:
		return fmt.Sprintf("%.2f%s", f, unit)
	case f < 100:
		return fmt.Sprintf("%.1f%s", f, unit)
	}
	return fmt.Sprintf("%.0f%s", f, unit)
}
