package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
)

// output is how a list is printed.
type output struct {
	Output string `short:"o" enum:"table,json" default:"table" placeholder:"FORMAT" help:"table or json."`
}

// ask is what commands have that ask the daemon.
type ask struct {
	output
	Socket string `default:"${socket}" placeholder:"PATH" help:"Socket of the daemon. Default: ${default}."`
}

type (
	targetsCmd  struct{ ask }
	unitsCmd    struct{ ask }
	sessionsCmd struct{ ask }
)

// Run lists targets.
func (c *targetsCmd) Run(e *env) error {
	all, err := client.New(c.Socket).Targets(e.ctx)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		for i := range all {
			all[i].Columns = nil // what they say is in the facts
		}
		return encode(e.stdout, all)
	}
	facts := columnsOf(all, func(t api.Target) []api.Cell { return t.Columns })
	head := "TARGET\tLUNS\tPORTALS\t" + tabbed(facts) + "SESSIONS"
	err = table(e.stdout, all, head, func(t api.Target) string {
		var luns []string
		for _, l := range t.LUNs {
			luns = append(luns, fmt.Sprintf("%d=%s", l.LUN, l.Unit))
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s%d", t.Name, strings.Join(luns, " "), strings.Join(t.Portals, " "), cells(facts, t.Columns), t.Sessions)
	})
	if err != nil {
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
	all, err := client.New(c.Socket).Units(e.ctx)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		for i := range all {
			all[i].Columns = nil // what they say is in the facts
		}
		return encode(e.stdout, all)
	}
	facts := columnsOf(all, func(u api.Unit) []api.Cell { return u.Columns })
	head := "UNIT\t" + tabbed(facts) + "COMMANDS\tERRORS\tREAD\tWRITTEN"
	return table(e.stdout, all, head, func(u api.Unit) string {
		return fmt.Sprintf("%s\t%s%d\t%d\t%s\t%s", u.Name, cells(facts, u.Columns), u.Commands, u.Errors, amount(u.BytesIn), amount(u.BytesOut))
	})
}

// Run lists sessions.
func (c *sessionsCmd) Run(e *env) error {
	all, err := client.New(c.Socket).Sessions(e.ctx)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return encode(e.stdout, all)
	}
	return table(e.stdout, all, "INITIATOR\tFROM\tTARGET\tUSER\tSINCE\tCOMMANDS\tERRORS\tREAD\tWRITTEN", func(s api.Session) string {
		var from []string
		for _, c := range s.Connections {
			from = append(from, c.Remote)
		}
		name := s.Target
		if name == "" {
			name = "(discovery)"
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s", s.Initiator, strings.Join(from, " "), name, orDash(s.User),
			s.Since.Local().Format(time.DateTime), s.Commands, s.Errors, amount(s.BytesIn), amount(s.BytesOut))
	})
}

// table prints all as a table with a head.
func table[T any](w io.Writer, all []T, head string, row func(T) string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, head)
	for _, v := range all {
		fmt.Fprintln(t, printable(row(v)))
	}
	return t.Flush()
}

// columnsOf are the columns that the elements of a table have, each once.
func columnsOf[T any](all []T, of func(T) []api.Cell) []string {
	var columns []string
	for _, v := range all {
		for _, c := range of(v) {
			if !slices.Contains(columns, c.Column) {
				columns = append(columns, c.Column)
			}
		}
	}
	return columns
}

// tabbed are words, each with a tab behind it.
func tabbed(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(w + "\t")
	}
	return b.String()
}

// cells are what stands in the columns, each with a tab behind it; a dash where an element has nothing.
func cells(columns []string, of []api.Cell) string {
	texts := make([]string, len(columns))
	for i, column := range columns {
		texts[i] = "-"
		for _, c := range of {
			if c.Column == column {
				texts[i] = orDash(c.Text)
			}
		}
	}
	return tabbed(texts)
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
