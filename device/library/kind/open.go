package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/scsi"
)

// A unit is a library that is open: robot, drives, and what operators do.
type unit struct {
	parts
	name, store string
	serial      string
	lock        *os.File // see kept.lock
	lib         *library.Library
	robot       *changer.Changer
	drives      []*tape.Drive
	about       []changer.Identifier // of the drives

	// closing is held for reading while somebody acts, and for writing when it is closed.
	closing sync.RWMutex
	closed  bool
	// life ends when it begins to be closed: what takes long ends with it.
	life context.Context
	end  context.CancelFunc
}

// A robot is the logical unit of the changer. With it the library is closed, before any drive is.
type robot struct {
	*changer.Changer
	u *unit
}

// Close implements [target.LogicalUnit].
func (r robot) Close() error {
	r.u.end()
	r.u.closing.Lock()
	r.u.closed = true
	r.u.closing.Unlock()
	return errors.Join(r.Changer.Close(), r.u.lib.Close(), r.u.lock.Close())
}

func open(ctx context.Context, p plugin.Parts) ([]plugin.Unit, error) {
	v := p.Values
	u := &unit{store: v.String("store"), name: cmp.Or(v.String("name"), p.Name)}
	var err error
	if err = checkName(u.name); err != nil {
		return nil, fmt.Errorf("the library would be called %q, as the unit is: %w; give it a name", u.name, err)
	}
	if u.parts, err = newParts(v); err != nil {
		return nil, err
	}
	if err = there(u.store); err != nil {
		return nil, err
	}
	k := kept{filepath.Join(u.store, keptDir, u.name)}
	if u.lock, err = k.lock(); err != nil {
		return nil, err
	}
	if u.serial, err = k.serial(v.String("serial")); err == nil {
		err = u.make(ctx, p, k)
	}
	if err != nil {
		return nil, errors.Join(err, u.lock.Close())
	}
	u.life, u.end = context.WithCancel(context.Background())
	return u.logical(), nil
}

// make makes drives, library and robot. What it has made is closed when it fails.
func (u *unit) make(ctx context.Context, p plugin.Parts, k kept) (err error) {
	defer func() {
		if err == nil {
			return
		}
		if u.lib != nil {
			err = errors.Join(err, u.lib.Close())
		}
		for _, d := range u.drives {
			err = errors.Join(err, d.Close())
		}
	}()
	var inLibrary []library.Drive
	for i, m := range u.parts.drives {
		name := fmt.Sprintf(driveNumber, i)
		formats, err := u.set.FormatsOf(m)
		if err != nil {
			return err
		}
		id := scsi.Identity{
			Type: scsi.TypeTape, Vendor: m.Vendor, Product: m.Product, Revision: m.Revision,
			Serial: driveSerial(u.serial, i), NAA: naa(u.serial, name), Removable: true,
		}
		cfg := tape.Config{
			Model: m, Formats: formats, Identity: id, Library: u.serial, Arena: p.Arena, Buffer: p.Values.Size("buffer"),
			Compression: codec(p.Values.String("compression")), Log: p.Log.With("drive", i),
		}
		cfg.Reservations, cfg.Modes = k.slots(name)
		d, err := tape.New(cfg)
		if err != nil {
			return fmt.Errorf("drive %d: %w", i, err)
		}
		u.drives = append(u.drives, d)
		inLibrary = append(inLibrary, d)
		u.about = append(u.about, changer.Identifier{Vendor: id.Vendor, Product: id.Product, Serial: id.Serial})
	}
	u.lib, err = library.Open(ctx, library.Config{
		Store: u.store, Name: u.name, Model: u.model, Set: u.set, Addresses: u.addresses,
		Drives: inLibrary, DriveNames: u.about, Slots: u.slots, Mail: u.mail, Log: p.Log,
	})
	if err != nil {
		return err
	}
	for _, text := range u.lib.Problems() {
		p.Note(plugin.Notice{Warn: true, Text: text})
	}
	cfg := changer.Config{
		Model: u.model, Inventory: u.lib, Log: p.Log,
		Identity: scsi.Identity{
			Type: scsi.TypeChanger, Vendor: u.model.Vendor, Product: u.model.Product, Revision: u.model.Revision,
			Serial: u.serial, NAA: naa(u.serial, robotName),
		},
	}
	cfg.Reservations, cfg.Modes = k.slots(robotName)
	if u.robot, err = changer.New(cfg); err != nil {
		return err
	}
	u.lib.Tell(u.robot.Changed)
	u.lib.OnMove(func(m library.Move) {
		who := "operator"
		if m.Robot {
			who = "initiator"
		}
		p.Log.Info("a cartridge was moved", "barcode", m.Barcode, "from", m.From.Text(), "to", m.To.Text(), "by", who)
	})
	return nil
}

// logical are the logical units.
func (u *unit) logical() []plugin.Unit {
	const cure = "give one of them another \"serial\""
	claims := func(serial string, id scsi.NAA) []plugin.Claim {
		return []plugin.Claim{{What: "serial number", Value: serial, Cure: cure}, {What: "NAA name", Value: strings.TrimPrefix(id.String(), "naa."), Cure: cure}}
	}
	all := []plugin.Unit{{
		Name: robotName, LU: robot{u.robot, u}, Describe: u.describe, Act: u.act,
		Claims: append(claims(u.serial, naa(u.serial, robotName)), plugin.Claim{
			What: "library", Value: absolute(u.store) + " " + u.name, Cure: "give one of them another \"name\", or another \"store\"",
		}),
	}}
	for i, d := range u.drives {
		name := fmt.Sprintf(driveNumber, i)
		all = append(all, plugin.Unit{
			Name: name, LU: d, Claims: claims(u.about[i].Serial, naa(u.serial, name)),
			Describe: func() plugin.Description { return u.describeDrive(i) },
		})
	}
	return all
}
