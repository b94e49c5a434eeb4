package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// targetCmd is what can be done to targets.
type targetCmd struct {
	Create      targetCreateCmd      `cmd:"" help:"Add a target."`
	Set         setObject            `cmd:"" help:"Change values of a target."`
	Map         targetMapCmd         `cmd:"" help:"Show units as LUNs of a target."`
	Unmap       targetUnmapCmd       `cmd:"" help:"Take LUNs away from a target."`
	Maintenance targetMaintenanceCmd `cmd:"" help:"Have initiators leave a target, or let them in again."`
	Delete      deleteObject         `cmd:"" help:"Remove a target; its units stay."`
	List        targetsCmd           `cmd:"" help:"List the targets as they are served, as \"lunette targets\" does."`
	Show        showObject           `cmd:"" help:"Show a target as it stands in the document."`
}

// targetCreateCmd adds a target.
type targetCreateCmd struct {
	Name   string   `arg:"" help:"Its iSCSI name, such as iqn.2026-11.io.lunette:db."`
	Values []string `arg:"" optional:"" name:"key=value" sep:"none" help:"Values as \"lunette target set\" has them: all that a document can say."`

	Alias     string   `placeholder:"TEXT" help:"What people call it."`
	LUN       []string `name:"lun" sep:"none" placeholder:"N=UNIT[,ro]" help:"Show a unit as LUN N; with ro nobody writes to it here. Repeatable."`
	Initiator []string `sep:"none" placeholder:"NAME[,user=USER]" help:"Let in only the initiator of this name; with a user, only if USER proves to be there. Repeatable."`
	User      []string `sep:"none" placeholder:"USER[:FILE]" help:"Let in only who proves to be USER: one of the document, or one whose secret is in FILE. Repeatable."`
	changing
}

// Run adds it.
func (c *targetCreateCmd) Run(e *env) error {
	object := fields{{"name", c.Name}}
	if c.Alias != "" {
		object = object.with("alias", c.Alias)
	}
	luns, err := mapping(c.LUN)
	if err != nil {
		return usageError{fmt.Errorf("--lun: %w", err)}
	}
	if len(luns) > 0 {
		object = object.with("luns", luns)
	}
	var names, users []any
	for _, text := range c.Initiator {
		name, user, tied := strings.Cut(text, ",user=")
		if tied {
			names = append(names, fields{{"name", name}, {"user", user}})
			continue
		}
		names = append(names, text)
	}
	for _, text := range c.User {
		name, file, own := strings.Cut(text, ":")
		u := fields{{"user", name}}
		if own {
			u = u.with("secret-file", file)
		}
		users = append(users, u)
	}
	if len(names) > 0 {
		object = object.with("initiators", names)
	}
	if len(users) > 0 {
		object = object.with("auth", fields{{"users", users}})
	}
	return c.creates(e, model.Key{Kind: model.TargetObject, Name: c.Name}, object, c.Values)
}

// mapping reads N=UNIT, or N=UNIT,ro.
func mapping(args []string) (fields, error) {
	luns := fields{}
	for _, arg := range args {
		number, unit, ok := strings.Cut(arg, "=")
		unit, how, said := strings.Cut(unit, ",")
		if _, err := strconv.ParseUint(number, 10, 16); err != nil || !ok || unit == "" || said && how != "ro" {
			return nil, fmt.Errorf("%q is not N=UNIT or N=UNIT,ro, such as 0=db", arg)
		}
		if _, twice := luns.get(number); twice {
			return nil, fmt.Errorf("LUN %s is here twice", number)
		}
		var value any = unit
		if said {
			value = fields{{"unit", unit}, {"read-only", true}}
		}
		luns = append(luns, field{number, value})
	}
	return luns, nil
}

// mapped is the merge patch that has these LUNs be these, whatever they are now.
func mapped(object, luns fields) fields {
	old, _ := object.get("luns")
	have, _ := old.(fields)
	patch := fields{}
	for _, l := range luns {
		value := l.value
		if now, ok := have.get(l.name); ok && value != nil {
			if of, ok := now.(fields); ok { // what it says now and is not to say any more
				gone := fields{}
				for _, f := range of {
					gone = append(gone, field{f.name, nil})
				}
				if is, ok := value.(fields); ok {
					value = merged(gone, is, true)
				}
			}
		}
		patch = append(patch, field{l.name, value})
	}
	return fields{{"luns", patch}}
}

// targetMapCmd maps units.
type targetMapCmd struct {
	Name string   `arg:"" complete:"sibling" help:"The target."`
	LUNs []string `arg:"" name:"n=unit[,ro]" sep:"none" help:"The LUN, and the unit that it is to be; with ro nobody writes to it here."`
	changing
}

// Run maps them.
func (c *targetMapCmd) Run(e *env) error {
	luns, err := mapping(c.LUNs)
	if err != nil {
		return usageError{err}
	}
	return c.patch(e, model.Key{Kind: model.TargetObject, Name: c.Name}, func(object fields) (fields, error) { return mapped(object, luns), nil })
}

// targetUnmapCmd takes LUNs away.
type targetUnmapCmd struct {
	Name string   `arg:"" complete:"sibling" help:"The target."`
	LUNs []uint16 `arg:"" name:"n" help:"The LUN."`
	changing
}

// Run takes them away.
func (c *targetUnmapCmd) Run(e *env) error {
	luns := fields{}
	for _, n := range c.LUNs {
		luns = append(luns, field{strconv.Itoa(int(n)), nil})
	}
	return c.patch(e, model.Key{Kind: model.TargetObject, Name: c.Name}, func(object fields) (fields, error) { return mapped(object, luns), nil })
}

// targetMaintenanceCmd begins and ends maintenance.
type targetMaintenanceCmd struct {
	Name    string `arg:"" complete:"sibling" help:"The target."`
	State   string `arg:"" enum:"on,off,redirect" help:"on: who is there is asked to leave, and nobody gets in; redirect: they are sent to the same target at ADDRESS; off: as always."`
	Address string `arg:"" optional:"" help:"ADDRESS[:PORT], of redirect."`
	changing
}

// Run changes it.
func (c *targetMaintenanceCmd) Run(e *env) error {
	if (c.State == "redirect") != (c.Address != "") {
		return usageError{fmt.Errorf("write on, off, or redirect ADDRESS[:PORT]")}
	}
	var value any
	switch c.State {
	case "on":
		value = true
	case "redirect":
		value = fields{{"redirect", c.Address}}
	}
	return c.patch(e, model.Key{Kind: model.TargetObject, Name: c.Name}, func(fields) (fields, error) {
		return fields{{"maintenance", value}}, nil
	})
}
