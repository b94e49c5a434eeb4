package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// fromFlags makes the document of one target with all units.
func (c *serveCmd) fromFlags(schema model.Schema) (*model.Document, error) {
	args := inOrder(c.File, c.Memory, c.Null)
	if len(args) == 0 {
		return nil, errors.New("there is nothing to serve: name a file or a block device, or give --memory SIZE or --config FILE")
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
	for i, a := range args {
		u, err := c.unit(d, a)
		if err != nil {
			return nil, err
		}
		d.Units = append(d.Units, u)
		t.LUNs = append(t.LUNs, model.LUN{Number: i, Unit: u.Name})
	}
	if c.Size != "" && len(c.File) == 0 {
		return nil, errors.New("--size is the size of files, and there is none: --memory and --null have their own, such as --memory 1G")
	}
	if c.Direct && len(c.File) == 0 {
		return nil, errors.New("--direct is about files, and there is none")
	}
	if c.Serial != "" && len(args) > 1 {
		return nil, fmt.Errorf("--serial is that of one disk, and there are %d: write a document, with a serial for each", len(args))
	}
	if c.Format == "raw" && len(c.File) == 0 {
		return nil, errors.New("--format is about files, and there is none")
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
	for i, text := range c.Portal {
		p, err := schema.ParsePortal(text)
		if err != nil {
			return nil, fmt.Errorf("--portal: %w", err)
		}
		d.Portals = append(d.Portals, p)
		d.Label(fmt.Sprintf("portals[%d]", i), "--portal "+text)
	}
	if err := d.Validate(schema); err != nil {
		return nil, err
	}
	return d, c.idle(d)
}

// idle finds flags that have no effect, since no portal is of the transport that they are about: whoever
// gives them believes that they keep somebody out.
func (c *serveCmd) idle(d *model.Document) error {
	var iscsi, srp bool
	for _, p := range d.Portals {
		srp = srp || p.Transport() == "srp"
		iscsi = iscsi || p.Transport() != "srp"
	}
	switch {
	case len(c.SRPInitiator) > 0 && !srp:
		return errors.New("--srp-initiator is there without a portal of SRP, and would keep nobody out: add --portal srp+iwarp://ADDR, or leave it out")
	case iscsi:
		return nil
	}
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"--initiator", len(c.Initiator) > 0}, {"--chap", len(c.Chap) > 0}, {"--discovery-chap", len(c.DiscoveryChap) > 0},
	} {
		if f.given {
			return fmt.Errorf("%s is about iSCSI, and no portal is of it: add --portal ADDR, or leave it out; SRP has --srp-initiator", f.name)
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

// unit makes the unit of one argument.
func (c *serveCmd) unit(d *model.Document, a unitArg) (model.Unit, error) {
	at := fmt.Sprintf("units[%d]", len(d.Units))
	name := a.flag
	u := model.Unit{Store: model.Plugin{Kind: a.flag}}
	if a.flag == "file" {
		name = model.PlainName(a.value)
		d.Label(at, a.value)
		d.Label(at+".store.size", "--size")
		if err := c.place(&u.Store, a.value); err != nil {
			return u, err
		}
	} else {
		d.Label(at, "--"+a.flag)
		u.Store = u.Store.With("size", a.value)
	}
	u.Name = d.UniqueUnitName(name)
	if c.ReadOnly {
		u.Device = u.Device.With("read-only", "true")
	}
	if c.Serial != "" {
		u.Device = u.Device.With("serial", c.Serial)
		d.Label(at+".device.serial", "--serial")
	}
	if c.Settings != "" {
		u.Device = u.Device.With("settings", c.Settings)
		d.Label(at+".device.settings", "--settings")
	}
	if c.BlockSize != "" {
		u.Device = u.Device.With("block-size", c.BlockSize)
		d.Label(at+".device.block-size", "--block-size")
	}
	return u, nil
}

// place makes the store of a file or block device.
func (c *serveCmd) place(p *model.Plugin, path string) error {
	p.Kind = "file"
	*p = p.With("path", c.lasting(path))
	if c.ReadOnly {
		*p = p.With("read-only", "true")
	}
	info, err := os.Stat(path)
	to, _ := os.Readlink(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && to != "":
		return fmt.Errorf("%s: it is a symbolic link to %s, which does not exist: make that first, or name it instead", path, to)
	case errors.Is(err, fs.ErrNotExist) && c.Size == "":
		return fmt.Errorf("%s: there is no such file: add --size 10G to make it, sparse, with that size", path)
	case errors.Is(err, fs.ErrNotExist) && c.ReadOnly:
		return fmt.Errorf("%s: there is no such file, and --read-only makes none", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	case err == nil && info.IsDir():
		return fmt.Errorf("%s: it is a directory: name a file or a block device", path)
	case err == nil && info.Mode().Type() == fs.ModeDevice: // a block device
		if c.Size != "" {
			return fmt.Errorf("--size: %s is a block device, which has its own size", path)
		}
		p.Kind = "block"
	case err == nil && info.Mode().IsRegular() && info.Size() == 0 && c.Size == "":
		return fmt.Errorf("%s: the file is empty: add --size 10G to give it a size", path)
	}
	if c.Size != "" {
		*p = p.With("size", c.Size)
	}
	if c.Format == "raw" && p.Kind == "file" {
		*p = p.With("format", "raw")
	}
	if c.Direct && p.Kind == "file" { // a block store knows nothing else
		*p = p.With("direct", "true")
	}
	return nil
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
