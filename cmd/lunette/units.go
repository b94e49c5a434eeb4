package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// unitCmd is what can be done to units.
type unitCmd struct {
	Create unitCreateCmd `cmd:"" help:"Add a unit."`
	Set    setObject     `cmd:"" help:"Change values of a unit."`
	Resize unitResizeCmd `cmd:"" help:"Make a unit larger, or smaller."`
	Delete unitDeleteCmd `cmd:"" help:"Remove a unit; its data stays, unless --delete-data says otherwise."`
	Load   unitLoadCmd   `cmd:"" help:"Put a disc in an optical drive, in the place of the one that is there."`
	Eject  unitEjectCmd  `cmd:"" help:"Take the disc out of an optical drive."`
	Discs  unitDiscsCmd  `cmd:"" help:"List the images in the library of an optical drive."`
	List   unitsCmd      `cmd:"" help:"List the logical units and what they have done, as \"lunette units\" does."`
	Show   showObject    `cmd:"" help:"Show a unit as it stands in the document."`
}

// unitCreateCmd adds a unit.
type unitCreateCmd struct {
	Name   string   `arg:"" help:"How it is called: up to 64 letters, digits, '.', '-' and '_'."`
	Values []string `arg:"" optional:"" name:"key=value" sep:"none" help:"Values as \"lunette unit set\" has them: all that a document can say."`

	File    string `placeholder:"PATH" complete:"file" group:"Store" help:"It is on this file. With --size a file that does not exist is made."`
	Block   string `placeholder:"PATH" complete:"file" group:"Store" help:"It is on this block device."`
	Memory  string `placeholder:"SIZE" group:"Store" help:"It is anonymous memory of this size, lost when the daemon ends."`
	Null    string `placeholder:"SIZE" group:"Store" help:"It has this size and forgets what is written."`
	Optical string `placeholder:"FILE" complete:"file" group:"Device" help:"It is an optical drive, with this disc in it; - is an empty drive."`

	Passthrough string `placeholder:"ID" complete:"device" group:"Device" help:"It is a SCSI device of the daemon's machine, as \"lunette devices\" lists them."`

	Size      string `placeholder:"SIZE" group:"Store" help:"Size of the file: 512, 10G, 1.5T."`
	ReadOnly  bool   `group:"Device" help:"Refuse writes."`
	BlockSize string `placeholder:"BYTES" group:"Device" help:"Logical block size, 512 or 4096."`
	Serial    string `placeholder:"TEXT" group:"Device" help:"Its serial number."`
	changing
}

// Run adds it.
func (c *unitCreateCmd) Run(e *env) error {
	flags, err := c.flags()
	if err != nil {
		return usageError{err}
	}
	return c.creates(e, model.Key{Kind: model.UnitObject, Name: c.Name}, fields{{"name", c.Name}}, append(flags, c.Values...))
}

// flags are the flags as values of the object.
func (c *unitCreateCmd) flags() ([]string, error) {
	all, err := c.what()
	if err != nil {
		return nil, err
	}
	disk := c.Optical == "" && c.Passthrough == ""
	if c.Size != "" && c.File == "" {
		return nil, errors.New("--size is the size of a file, and there is no --file: --memory and --null have their own, such as --memory 1G")
	}
	for _, v := range []struct{ flag, key, value string }{
		{"--size", "store.size", c.Size}, {"--block-size", "device.block-size", c.BlockSize}, {"--serial", "device.serial", c.Serial},
	} {
		switch {
		case v.value == "":
		case !disk && v.flag == "--block-size", c.Passthrough != "" && v.flag == "--serial":
			return nil, fmt.Errorf("%s is about disks: leave it out", v.flag)
		default:
			all = append(all, v.key+"="+v.value)
		}
	}
	switch {
	case !c.ReadOnly:
	case !disk:
		return nil, errors.New("--read-only is about disks: leave it out; who may not write to a unit is said where it is mapped, such as --lun 0=UNIT,ro")
	default:
		all = append(all, "device.read-only=true")
		if c.File != "" || c.Block != "" {
			all = append(all, "store.read-only=true")
		}
	}
	return all, nil
}

// what says what the unit is, and on what.
func (c *unitCreateCmd) what() ([]string, error) {
	var all []string
	for _, s := range []struct{ kind, of, key, value string }{
		{"file", "store", "path", c.File}, {"block", "store", "path", c.Block}, {"memory", "store", "size", c.Memory}, {"null", "store", "size", c.Null},
		{opticalDevice, "device", "disc", c.Optical}, {"passthrough", "device", "id", c.Passthrough},
	} {
		if s.value == "" {
			continue
		}
		if len(all) > 0 {
			return nil, errors.New("a unit has one store, or is one device: name one of --file, --block, --memory, --null, --optical and --passthrough")
		}
		all = append(all, s.of+".kind="+s.kind)
		if s.kind == opticalDevice && s.value == "-" {
			continue
		}
		if s.key == "path" || s.key == "disc" {
			var err error
			if s.value, err = filepath.Abs(s.value); err != nil { // the daemon has a directory of its own
				return nil, err
			}
		}
		all = append(all, s.of+"."+s.key+"="+s.value)
	}
	return all, nil
}

// creates adds an object with values as "set" has them.
func (c *changing) creates(e *env, k model.Key, object fields, values []string) error {
	all, err := assignments(values)
	if err != nil {
		return usageError{err}
	}
	if len(all) > 0 {
		s, err := e.shape(c.Socket, k)
		if err != nil {
			return err
		}
		patch, err := assigned(s, kinded(s, object, all), all)
		if err != nil {
			return usageError{err}
		}
		object, _ = merged(object, patch, false).(fields)
	}
	return c.create(e, k, object)
}

// kinded is an object with the kinds alone that are assigned: they decide what the other values are.
func kinded(s shape, object fields, all []assignment) fields {
	for _, a := range all {
		if a.path[len(a.path)-1] != "kind" {
			continue
		}
		if p, err := patchAt(object, s.listed(object, a.path), a.text); err == nil {
			object, _ = merged(object, p, false).(fields)
		}
	}
	return object
}

// unitResizeCmd gives a unit another size.
type unitResizeCmd struct {
	Name  string `arg:"" complete:"sibling" help:"Which one."`
	Size  string `arg:"" help:"The size that it is to have: 20G, 1.5T. A smaller one wants --delete-data."`
	Store string `placeholder:"NAME" help:"Of a unit with several stores: which one."`
	changing
}

// Run resizes it.
func (c *unitResizeCmd) Run(e *env) error {
	if _, err := model.ParseSize(c.Size); err != nil {
		return usageError{err}
	}
	path := []string{"store", "size"}
	if c.Store != "" {
		path = []string{"stores", c.Store, "size"}
	}
	return c.set(e, model.Key{Kind: model.UnitObject, Name: c.Name}, []assignment{{path, c.Size}})
}

// unitDeleteCmd removes a unit.
type unitDeleteCmd struct{ deleteObject }

// Run removes it, and its data if that is wanted.
func (c *unitDeleteCmd) Run(e *env) error {
	o := c.options()
	if c.DeleteData {
		o.Delete = []string{c.Name}
	}
	return c.remove(e, model.Key{Kind: model.UnitObject, Name: c.Name}, o)
}

// reservationCmd is what can be done to persistent reservations.
type reservationCmd struct {
	Show  reservationShowCmd  `cmd:"" help:"Show the persistent reservations of a logical unit."`
	Clear reservationClearCmd `cmd:"" help:"Remove the persistent reservations of a logical unit, with all registrations."`
}

// reservationShowCmd shows reservations.
type reservationShowCmd struct {
	Unit string `arg:"" complete:"lu" help:"The logical unit."`
	output
	at
}

// Run shows them.
func (c *reservationShowCmd) Run(e *env) error {
	r, err := e.daemon(c.Socket).Reservations(e.ctx, c.Unit)
	if err != nil {
		return err
	}
	if shown, err := c.show(e, r); shown || err != nil {
		return err
	}
	held := "nobody holds a reservation"
	if r.Type != "" {
		held = "reserved: " + r.Type
	}
	kept := "they end with the daemon"
	if r.Persist {
		kept = "they outlive a restart"
	}
	fmt.Fprintln(e.stdout, printable(strings.Join([]string{r.Unit + ": " + held, count(len(r.Registrations), "registration"), kept}, ", ")))
	if len(r.Registrations) == 0 {
		return nil
	}
	rows := make([][]string, len(r.Registrations))
	for i, x := range r.Registrations {
		holder := ""
		if x.Holder {
			holder = "holder"
		}
		rows[i] = []string{x.Key, x.Initiator, x.Target, x.User, holder}
	}
	return writeTable(e.stdout, []column{{"KEY", never}, {"INITIATOR", front}, {"TARGET", front}, {"USER", front}, {"", never}}, rows, narrow)
}

// reservationClearCmd removes reservations.
type reservationClearCmd struct {
	Unit string `arg:"" complete:"lu" help:"The logical unit."`
	at
}

// Run removes them.
func (c *reservationClearCmd) Run(e *env) error {
	if err := e.daemon(c.Socket).ClearReservations(e.ctx, c.Unit); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "The unit %s has no reservations and no registrations.\n", printable(c.Unit))
	return err
}
