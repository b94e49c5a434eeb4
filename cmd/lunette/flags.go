package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// fromFlags makes the document of one target with all units.
func (c *serveCmd) fromFlags(schema model.Schema, stores []plugin.Store) (*model.Document, error) {
	args := inOrder(c.File, c.Memory, c.Null, c.Passthrough)
	if len(args) == 0 {
		return nil, errors.New("there is nothing to serve: name a file or a block device, or give --memory SIZE, --passthrough ID or --config FILE")
	}
	d := &model.Document{Version: model.Version}
	t := model.Target{Name: c.Target}
	if len(c.Initiator) > 0 {
		t.Given = t.Given.Put(model.Listed("initiators", initiators(c.Initiator)...))
	}
	if c.TargetReset != "" {
		t.Given = t.Given.Put(model.Text("target-reset", c.TargetReset))
		d.Label("targets[0].target-reset", "--target-reset")
	}
	if len(c.SRPInitiator) > 0 {
		t.Given = t.Given.Put(model.Grouped("srp", model.Texts("initiators", c.SRPInitiator...)))
	}
	if len(c.FCPInitiator) > 0 {
		t.Given = t.Given.Put(model.Grouped("fcp", model.Texts("initiators", c.FCPInitiator...)))
	}
	made := units{schema: schema, stores: stores, d: d}
	for i, a := range args {
		u, err := c.unit(&made, a)
		if err != nil {
			return nil, err
		}
		d.Units = append(d.Units, u)
		t.LUNs = append(t.LUNs, model.LUN{Number: i, Unit: u.Name})
	}
	if err := c.unused(&made, len(args)); err != nil {
		return nil, err
	}
	if t.Name == "" {
		t.Name = model.NamePrefix + d.Units[0].Name
	}
	if err := c.auth(d, &t); err != nil {
		return nil, err
	}
	d.Targets = []model.Target{t}
	d.Label("targets[0].name", "--target")
	d.Label("targets[0].initiators", "--initiator")
	d.Label("targets[0].srp.initiators", "--srp-initiator")
	d.Label("targets[0].fcp.initiators", "--fcp-initiator")
	networks := 0 // of Fibre Channel: on each the target has a port of its own
	for i, text := range c.Portal {
		p, err := schema.ParsePortal(text)
		if err != nil {
			return nil, fmt.Errorf("--portal: %w", err)
		}
		if p.Transport() == "fcp" {
			if networks++; networks > 1 {
				p.Tag = networks
			}
		}
		d.Portals = append(d.Portals, p)
		d.Label(fmt.Sprintf("portals[%d]", i), "--portal "+text)
	}
	if err := d.Validate(schema); err != nil {
		return nil, err
	}
	for _, n := range made.notes {
		d.Notes = append(d.Notes, d.Problem(n.at, n.err))
	}
	return d, c.idle(d)
}

// idle finds flags that have no effect, since no portal is of the transport that they are about: whoever
// gives them believes that they keep somebody out.
func (c *serveCmd) idle(d *model.Document) error {
	of := make(map[string]bool) // transports
	for _, p := range d.Portals {
		of[p.Transport()] = true
	}
	switch {
	case len(c.SRPInitiator) > 0 && !of["srp"]:
		return errors.New("--srp-initiator is there without a portal of SRP, and would keep nobody out: add --portal srp+iwarp://ADDR, or leave it out")
	case len(c.FCPInitiator) > 0 && !of["fcp"]:
		return errors.New("--fcp-initiator is there without a portal of FCP, and would keep nobody out: add --portal fcp+fcoe://INTERFACE, or leave it out")
	}
	delete(of, "srp")
	delete(of, "fcp")
	delete(of, "virtio")
	if len(of) > 0 {
		return nil
	}
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"--initiator", len(c.Initiator) > 0}, {"--chap", len(c.Chap) > 0}, {"--discovery-chap", len(c.DiscoveryChap) > 0},
	} {
		if f.given {
			return fmt.Errorf("%s is about iSCSI, and no portal is of it: add --portal ADDR, or leave it out; SRP has --srp-initiator, FCP has --fcp-initiator, and a socket of virtio is for who may open it", f.name)
		}
	}
	return nil
}

// network are the flags that go before what a document says.
func (c *serveCmd) network() (all []model.Flag) {
	for _, f := range []struct{ flag, option, value string }{{"--engine", "engine", c.Engine}, {"--busy-poll", "busy-poll", c.BusyPoll}} {
		if f.value != model.Auto {
			all = append(all, model.Flag{Name: f.flag, Given: model.Grouped("network", model.Text(f.option, f.value))})
		}
	}
	return all
}

// auth reads the flags about CHAP.
func (c *serveCmd) auth(d *model.Document, t *model.Target) error {
	users, err := c.userList("--chap", c.Chap)
	if err != nil {
		return err
	}
	finders, err := c.userList("--discovery-chap", c.DiscoveryChap)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		t.Given = t.Given.Put(model.Grouped("auth", model.Listed("users", users...)))
	}
	if len(finders) > 0 {
		d.Given = d.Given.Put(model.Grouped("discovery", model.Grouped("auth", model.Listed("users", finders...))))
	}
	if c.OpenDiscovery {
		d.Given = d.Given.Put(model.Grouped("discovery", model.Text("open", "true")))
	}
	d.Label("discovery.open", "--open-discovery")
	if len(c.ChapAlgorithms) > 0 {
		if len(users)+len(finders) == 0 {
			return errors.New("--chap-algorithms is there without --chap or --discovery-chap: nobody has to prove who they are")
		}
		allowed := model.Grouped("auth", model.Texts("algorithms", c.ChapAlgorithms...))
		if len(users) > 0 {
			t.Given = t.Given.Put(allowed)
		}
		if len(finders) > 0 {
			d.Given = d.Given.Put(model.Grouped("discovery", allowed))
		}
	}
	d.Label("targets[0].auth.algorithms", "--chap-algorithms")
	d.Label("discovery.auth.algorithms", "--chap-algorithms")
	d.Label("targets[0].auth.users", "--chap")
	d.Label("discovery.auth.users", "--discovery-chap")
	if c.MutualChap == "" {
		return nil
	}
	u, err := c.user("--mutual-chap", c.MutualChap)
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return errors.New("--mutual-chap is there without --chap: we prove who we are only to initiators that do so first")
	}
	t.Given = t.Given.Put(model.Grouped("auth", model.Grouped("mutual", u.Of...)))
	d.Label("targets[0].auth.mutual", "--mutual-chap")
	return nil
}

// initiators reads NAME or NAME,user=USER: no name on a list has a comma.
func initiators(from []string) []model.Given {
	var all []model.Given
	for _, text := range from {
		name, user, tied := strings.Cut(text, ",user=")
		g := model.Text("", text)
		if tied {
			g = model.Grouped("", model.Text("name", name), model.Text("user", user))
		}
		all = append(all, g)
	}
	return all
}

func (c *serveCmd) userList(flag string, from []string) ([]model.Given, error) {
	var all []model.Given
	for _, text := range from {
		u, err := c.user(flag, text)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

// user reads USER:FILE. Names have colons, so that the file is behind the last.
func (c *serveCmd) user(flag, text string) (model.Given, error) {
	i := strings.LastIndexByte(text, ':')
	if i <= 0 || i == len(text)-1 {
		return model.Given{}, fmt.Errorf("%s: %q is not USER:FILE, the name that the initiator gives and the file with its secret", flag, text)
	}
	return model.Grouped("", model.Text("user", text[:i]), model.Text("secret-file", c.lasting(text[i+1:]))), nil
}
