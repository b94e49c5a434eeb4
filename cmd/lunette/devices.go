package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/initiator/sg/attached"
)

// An attachedHost is what has SCSI devices: [attached.Host] is one.
type attachedHost interface {
	List() ([]attached.Unit, error)
	Users(u attached.Unit) ([]string, error)
}

// devicesCmd lists the SCSI devices of this machine.
type devicesCmd struct{ listing }

// A shownDevice is a device for programs.
type shownDevice struct {
	Address     string   `json:"address"`
	Type        string   `json:"type"`
	Vendor      string   `json:"vendor"`
	Product     string   `json:"product"`
	Revision    string   `json:"revision"`
	Serial      string   `json:"serial,omitempty"`
	Name        string   `json:"name,omitempty"`
	Driver      string   `json:"driver,omitempty"`
	Node        string   `json:"node,omitempty"`
	BSG         string   `json:"bsg,omitempty"`
	SG          string   `json:"sg,omitempty"`
	MaxTransfer int64    `json:"maxTransfer,omitempty"`
	Depth       int      `json:"depth,omitempty"`
	Users       []string `json:"users"`
	Problem     string   `json:"problem,omitempty"` // why it is not known who uses it
	Notes       []string `json:"notes,omitempty"`
}

// Run lists them. No daemon is asked.
func (c *devicesCmd) Run(e *env) error {
	units, err := e.attached.List()
	if err != nil {
		return fmt.Errorf("the SCSI devices of this machine: %w", err)
	}
	all := make([]shownDevice, len(units))
	for i, u := range units {
		all[i] = e.device(u)
	}
	if shown, err := showAs(e.stdout, c.Output, all); shown || err != nil {
		return err
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(e.stdout, "No SCSI devices are attached to this machine.")
		return err
	}
	columns := []column{{"ADDRESS", never}, {"TYPE", never}, {"VENDOR", never}, {"PRODUCT", never}, {"SERIAL", front}, {"DRIVER", never}, {"NODE", front}, {"USED BY", back}}
	if c.Output == "wide" {
		columns = append(columns, column{"NAME", front}, column{"BSG", front}, column{"SG", front})
	}
	rows := make([][]string, len(all))
	for i, d := range all {
		used := strings.Join(d.Users, "; ")
		if d.Problem != "" {
			used = "? " + d.Problem
		}
		rows[i] = []string{d.Address, d.Type, d.Vendor, d.Product, d.Serial, d.Driver, d.Node, used}
		if c.Output == "wide" {
			rows[i] = append(rows[i], d.Name, d.BSG, d.SG)
		}
	}
	if err := writeTable(e.stdout, columns, rows, c.limit()); err != nil {
		return err
	}
	for _, u := range units {
		if lacks := u.Missing(); lacks != "" {
			if _, err := fmt.Fprintln(e.stdout, printable(u.Address+": "+lacks)); err != nil {
				return err
			}
		}
	}
	return nil
}

// device is a device for programs, with those who use it.
func (e *env) device(u attached.Unit) shownDevice {
	d := shownDevice{
		Address: u.Address, Type: u.Type.String(), Vendor: u.Vendor, Product: u.Product, Revision: u.Revision, Serial: u.Serial, Name: u.Name,
		Driver: u.Driver, Node: u.Nodes.Upper, BSG: u.Nodes.BSG, SG: u.Nodes.SG, MaxTransfer: u.MaxTransfer, Depth: u.Depth, Users: []string{}, Notes: u.Notes(),
	}
	users, err := e.attached.Users(u)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		d.Problem = err.Error()
	default:
		d.Users = append(d.Users, users...)
	}
	return d
}

// devices are the names of devices that are attached, the lasting ones before device files.
func (l *commandLine) devices() []candidate {
	var all []candidate
	units, _ := l.attached.List() // which nobody may have
	for _, u := range units {
		what := strings.Join(strings.Fields(u.Type.String()+" "+u.Vendor+" "+u.Product), " ")
		for _, name := range []string{u.Name, u.Serial, u.Nodes.Upper, u.Nodes.BSG} {
			if name != "" {
				all = append(all, candidate{name, what})
			}
		}
	}
	return all
}
