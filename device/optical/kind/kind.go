// Package kind is what a document can say of an optical drive, what people can do with it, and what it says of itself.
package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/record"
)

// Values of options.
const (
	own, shared = "own", "shared"
	none        = "none"
)

// Kind is the device type "optical".
func Kind() plugin.Device {
	identity := plugin.IdentityOptions("optical")
	for i := range identity {
		if identity[i].Name == "serial" {
			identity[i].Help = "Unit serial number, up to 128 characters. Without it, one that follows from the unit's name and this host: it stays when discs change."
		}
	}
	return plugin.Device{About: plugin.About{
		Name: "optical",
		Help: "A drive for optical discs (MMC): CDs, DVDs and Blu-ray discs by the size of their images, whose blocks have 2048 bytes. People put discs in and take them out while it is served, and initiators open and close its tray. The disc at first is `disc`, or the unit's store, if it has one; without either the drive is empty.",
		Options: append([]model.Option{
			{Name: "disc", Type: model.String, Help: "The disc that is in the drive at first: the path of an image, or the name of one in the library."},
			{Name: "library", Type: model.Path, Help: "A directory of images, which `load` finds by their names."},
			{Name: "writable", Type: model.Bool, Help: "Discs can be written: they are DVD+RW up to 4.7 GB, and BD-RE above. Files that this process may not write stay DVDs and the like."},
			{Name: "reservations", Type: model.Path, Words: []string{model.Auto, none}, Default: model.Auto, Help: "The file that keeps registrations with APTPL, and their reservation, through restarts. `auto`: in the state directory, if there is one; `none`: nowhere, and APTPL is refused."},
			{Name: "settings", Default: own, Values: []string{own, shared}, Help: "For whom it holds what an initiator sets by MODE SELECT, such as the format of sense data: `own`, for the commands of that initiator's nexus; `shared`, for those of all."},
			{Name: "workers", Type: model.Int, Max: 1024, Change: model.Live, Help: "How many commands may wait for storage in threads at a time. 0 leaves it to the store of the first disc."},
		}, identity...),
	}, Stores: model.OptionalStore, Type: scsi.TypeOptical, Releases: true, Alone: true, Open: open, Fits: fits, Actions: actions()}
}

// fits finds what is wrong with options and the store without opening anything.
func fits(v model.Values, stores map[string]plugin.Found) error {
	for name, f := range stores {
		if v.String("disc") != "" {
			return errors.New("disc: the unit has a store, which is its disc at first: leave one of the two out")
		}
		if f.Size > 0 && f.Size < optical.BlockSize {
			return fmt.Errorf("the store %q has %d bytes, less than one block of %d", name, f.Size, optical.BlockSize)
		}
	}
	if dir := v.String("library"); dir != "" {
		if err := isLibrary(dir); err != nil {
			return err
		}
	}
	if text := v.String("disc"); text != "" {
		path, err := library{v.String("library")}.find(text)
		if err == nil {
			_, err = lookAt(path)
		}
		if err != nil {
			return fmt.Errorf("disc: %w", err)
		}
	}
	return nil
}

func open(ctx context.Context, p plugin.Parts) ([]plugin.Unit, error) {
	v := p.Values
	seed := plugin.UnitSeed("optical", p.Name)
	if !plugin.Named(v) {
		p.Note(plugin.Notice{Text: "the serial number follows from the name of the unit and this host: it changes with them; to keep it: serial"})
	}
	id, err := plugin.Identity(scsi.TypeOptical, seed, v)
	if err != nil {
		return nil, err
	}
	claims := plugin.Claims(id, "")
	keep, claim, err := reservations(p)
	if err != nil {
		return nil, err
	}
	claims = append(claims, claim...)
	u := &unit{library: library{v.String("library")}, writable: v.Bool("writable"), stores: p.Stores, id: id}
	d, err := u.first(ctx, v.String("disc"), p.Arena)
	if err != nil {
		return nil, err
	}
	cfg := optical.Config{
		Identity: id, Arena: p.Arena, Log: p.Log, Reservations: keep, OwnSettings: v.String("settings") == own,
		Workers: int(v.Int("workers")), Disc: d.disc(),
	}
	if p.Keep != nil {
		cfg.Modes = p.Keep("modes")
	}
	if u.Drive, err = optical.New(cfg); err != nil {
		return nil, err // the daemon closes what it has opened
	}
	d.taken(u)
	if text := d.warning(); text != "" {
		p.Note(plugin.Notice{Warn: true, Text: d.d.Label + ": " + text})
	}
	u.life, u.end = context.WithCancel(context.Background())
	return []plugin.Unit{{LU: u, Claims: claims, Release: u.release, Describe: u.describe, Change: u.change, Act: u.act}}, nil
}

// reservations is where those of the unit are kept; nil: nowhere.
func reservations(p plugin.Parts) (store.Record, []plugin.Claim, error) {
	switch where := p.Values.String("reservations"); where {
	case model.Auto:
		if p.Keep == nil {
			return nil, nil, nil
		}
		return p.Keep("reservations"), nil, nil
	case none, "":
		return nil, nil, nil
	default:
		if _, err := os.Stat(filepath.Dir(where)); err != nil {
			return nil, nil, fmt.Errorf("reservations: the directory of %s: %w", where, err)
		}
		if abs, err := filepath.Abs(where); err == nil {
			where = abs
		}
		return record.At(where).Slot("reservations"), []plugin.Claim{{What: "file of reservations", Value: where, Cure: "each has one of its own"}}, nil
	}
}
