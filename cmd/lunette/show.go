package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
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
	err = show(e.stdout, c.Output, all, "TARGET\tLUNS\tPORTALS\tAUTH\tINITIATORS\tSESSIONS", func(t api.Target) string {
		var luns []string
		for _, l := range t.LUNs {
			luns = append(luns, fmt.Sprintf("%d=%s", l.LUN, l.Unit))
		}
		initiators := "any"
		if len(t.Initiators) > 0 {
			initiators = strings.Join(t.Initiators, " ")
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d", t.Name, strings.Join(luns, " "), strings.Join(t.Portals, " "), t.Auth, initiators, t.Sessions)
	})
	if err != nil || c.Output == "json" {
		return err
	}
	return showAddTarget(e.stdout, all)
}

// showAddTarget prints what attaches targets by SRP, which takes more than their names.
func showAddTarget(w io.Writer, all []api.Target) error {
	var b strings.Builder
	for _, t := range all {
		for _, line := range t.AddTarget {
			fmt.Fprintf(&b, "\nto attach %s by SRP\n  %s\n", t.Name, line)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Run lists units.
func (c *unitsCmd) Run(e *env) error {
	all, err := client.New(c.Socket).Units(e.ctx)
	if err != nil {
		return err
	}
	return show(e.stdout, c.Output, all, "UNIT\tSIZE\tBLOCK\tACCESS\tSTORE\tCOMMANDS\tERRORS\tREAD\tWRITTEN", func(u api.Unit) string {
		access := "read-write"
		if u.ReadOnly {
			access = "read-only"
		}
		return fmt.Sprintf("%s\t%v\t%d\t%s\t%s\t%d\t%d\t%s\t%s", u.Name, model.Size(u.Size), u.BlockSize, access, u.Store,
			u.Commands, u.Errors, amount(u.BytesIn), amount(u.BytesOut))
	})
}

// Run lists sessions.
func (c *sessionsCmd) Run(e *env) error {
	all, err := client.New(c.Socket).Sessions(e.ctx)
	if err != nil {
		return err
	}
	return show(e.stdout, c.Output, all, "INITIATOR\tFROM\tTARGET\tUSER\tSINCE\tCOMMANDS\tERRORS\tREAD\tWRITTEN", func(s api.Session) string {
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

// show prints all as a table with a head, or as JSON.
func show[T any](w io.Writer, format string, all []T, head string, row func(T) string) error {
	if format == "json" {
		return encode(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, head)
	for _, v := range all {
		fmt.Fprintln(t, row(v))
	}
	return t.Flush()
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
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
