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
	t := model.Target{Name: c.Target, Initiators: c.Initiator, SRP: model.SRP{Initiators: c.SRPInitiator}}
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
	if t.Name == "" {
		t.Name = model.NamePrefix + d.Units[0].Name
	}
	c.network(d)
	var err error
	if t.Auth, err = c.auth(d); err != nil {
		return nil, err
	}
	d.Targets = []model.Target{t}
	d.Label("targets[0].name", "--target")
	d.Label("targets[0].initiators", "--initiator")
	d.Label("targets[0].srp.initiators", "--srp-initiator")
	for i, text := range c.Portal {
		p, err := model.ParsePortal(text)
		if err != nil {
			return nil, fmt.Errorf("--portal: %w", err)
		}
		d.Portals = append(d.Portals, p)
		d.Label(fmt.Sprintf("portals[%d]", i), "--portal "+text)
	}
	return d, d.Validate(schema)
}

// network lets the flags go before what the document says.
func (c *serveCmd) network(d *model.Document) {
	if c.Engine != model.Auto {
		d.Network.Engine = c.Engine
		d.Label("network.engine", "--engine")
	}
	if c.BusyPoll != model.Auto {
		d.Network.BusyPoll = c.BusyPoll
		d.Label("network.busy-poll", "--busy-poll")
	}
}

// unit makes the unit of one argument.
func (c *serveCmd) unit(d *model.Document, a unitArg) (model.Unit, error) {
	at := fmt.Sprintf("units[%d]", len(d.Units))
	name := a.flag
	u := model.Unit{Store: model.Plugin{Kind: a.flag}, Device: model.Plugin{Kind: "disk"}}
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
	if c.BlockSize != "" {
		u.Device = u.Device.With("block-size", c.BlockSize)
		d.Label(at+".device.block-size", "--block-size")
	}
	return u, nil
}

// place makes the store of a file or block device.
func (c *serveCmd) place(p *model.Plugin, path string) error {
	p.Kind = "file"
	*p = p.With("path", path)
	if c.ReadOnly {
		*p = p.With("read-only", "true")
	}
	info, err := os.Stat(path)
	switch {
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
	if c.Direct && p.Kind == "file" { // a block store knows nothing else
		*p = p.With("direct", "true")
	}
	return nil
}

// auth reads the flags about CHAP.
func (c *serveCmd) auth(d *model.Document) (model.Auth, error) {
	var a model.Auth
	for _, f := range []struct {
		flag string
		from []string
		to   *[]model.User
	}{{"--chap", c.Chap, &a.Users}, {"--discovery-chap", c.DiscoveryChap, &d.Discovery.Auth.Users}} {
		for _, text := range f.from {
			u, err := user(f.flag, text)
			if err != nil {
				return a, err
			}
			*f.to = append(*f.to, u)
		}
	}
	d.Label("targets[0].auth.users", "--chap")
	d.Label("discovery.auth.users", "--discovery-chap")
	if c.MutualChap != "" {
		u, err := user("--mutual-chap", c.MutualChap)
		if err != nil {
			return a, err
		}
		if len(a.Users) == 0 {
			return a, errors.New("--mutual-chap is there without --chap: we prove who we are only to initiators that do so first")
		}
		a.Mutual = &u
		d.Label("targets[0].auth.mutual", "--mutual-chap")
	}
	return a, nil
}

// user reads USER:FILE. Names have colons, so that the file is behind the last.
func user(flag, text string) (model.User, error) {
	i := strings.LastIndexByte(text, ':')
	if i <= 0 || i == len(text)-1 {
		return model.User{}, fmt.Errorf("%s: %q is not USER:FILE, the name that the initiator gives and the file with its secret", flag, text)
	}
	return model.User{Name: text[:i], SecretFile: text[i+1:]}, nil
}
