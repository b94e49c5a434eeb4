// Package kind is what a document can say of a disk, and what a disk says of itself.
package kind

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store/record"
)

// Values of the option settings.
const own, shared = "own", "shared"

// Kind is the device type "disk".
func Kind() plugin.Device {
	return plugin.Device{About: plugin.About{
		Name: "disk",
		Help: "A disk (SBC): block-addressed, with the store's bytes.",
		Options: append([]model.Option{
			{Name: "block-size", Type: model.Bytes, Default: "512", Values: []string{"512", "4096"}, Help: "Logical block size in bytes."},
			{Name: "read-only", Type: model.Bool, Change: model.Telling, Help: "Refuses writes."},
			{Name: "rotation", Type: model.Int, Words: []string{"ssd", model.Auto}, Default: "ssd", Min: 0x401, Max: 0xfffe, Change: model.Telling, Help: "What hosts are told of the medium: `ssd`, that it does not turn; turns per minute; or `auto`, what the system says of the disk that the store is on."},
			{Name: "reservations", Type: model.Path, Words: []string{model.Auto, "none"}, Default: model.Auto, Help: "The file that keeps registrations with APTPL, and their reservation, through restarts. `auto`: beside the data, where that is a file, and else in the state directory, if there is one; `none`: nowhere, and APTPL is refused."},
			{Name: "settings", Default: own, Values: []string{own, shared}, Help: "For whom it holds what an initiator sets by START STOP UNIT and MODE SELECT, such as a stop of the unit or its write protection: `own`, for the commands of that initiator's nexus; `shared`, for those of all."},
			{Name: "workers", Type: model.Int, Max: 1024, Change: model.Live, Help: "How many commands may wait for storage in threads at a time. Of several, at least one is left for other initiators. 0 leaves it to the store. What io_uring does does not count."},
		}, plugin.IdentityOptions("disk")...),
	}, Stores: model.OneStore, Type: scsi.TypeDisk, Releases: true, Open: open, Fits: fits}
}

// fits refuses a store with less than one block.
func fits(v model.Values, stores map[string]plugin.Found) error {
	if f := stores[""]; f.Size > 0 {
		return disk.CheckSize(f.Size, int(v.Size("block-size")))
	}
	return nil
}

func open(ctx context.Context, p plugin.Parts) ([]plugin.Unit, error) {
	s, err := p.Stores.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	id, err := p.Identity(scsi.TypeDisk, s)
	if err != nil {
		return nil, err
	}
	claims := plugin.Claims(id, s.Forget)
	keep := s.Reservations
	switch where := p.Values.String("reservations"); where {
	case model.Auto:
	case "none":
		keep = nil
	default:
		if _, err := os.Stat(filepath.Dir(where)); err != nil {
			return nil, fmt.Errorf("reservations: the directory of %s: %w", where, err)
		}
		file := record.At(where)
		keep = file.Slot("reservations")
		claims = append(claims, plugin.Claim{What: "file of reservations", Value: absolute(where), Cure: "each has one of its own"})
	}
	d, err := disk.New(disk.Config{
		Store: s.Store, Arena: p.Arena, Identity: id, Log: p.Log, Reservations: keep, Modes: s.Modes, Rotation: rotation(p.Values),
		OwnSettings: p.Values.String("settings") == own,
		BlockSize:   int(p.Values.Size("block-size")), ReadOnly: p.Values.Bool("read-only"), Workers: int(p.Values.Int("workers")),
	})
	if err != nil {
		return nil, err
	}
	return []plugin.Unit{{
		LU: d, Claims: claims, Release: d.Release,
		Describe: func() plugin.Description { return describe(d, s) },
		Change: func(ctx context.Context, c plugin.Changing) (plugin.Changed, error) {
			return change(ctx, d, c)
		},
	}}, nil
}

// change prepares other options, and another size.
func change(ctx context.Context, d *disk.Disk, c plugin.Changing) (plugin.Changed, error) {
	var sized *disk.Resizing
	if size, ok := c.Sizes[""]; ok {
		var err error
		if sized, err = d.PrepareResize(ctx, c.Unit, size); err != nil {
			return plugin.Changed{}, err
		}
	}
	x := plugin.Changed{Publish: func() {
		if sized != nil {
			sized.Publish()
		}
		d.SetReadOnly(c.New.Bool("read-only"))
		d.SetRevision(c.New.String("revision"))
		d.SetRotation(rotation(c.New))
		d.SetWorkers(int(c.New.Int("workers")))
	}}
	if sized != nil {
		x.Retire, x.Undo = sized.Retire, sized.Undo
	}
	return x, nil
}

// rotation is the MEDIUM ROTATION RATE.
func rotation(v model.Values) uint16 {
	switch v.String("rotation") {
	case "ssd":
		return page.NonRotating
	case model.Auto:
		return 0
	}
	return uint16(v.Int("rotation"))
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func describe(d *disk.Disk, s plugin.Opened) plugin.Description {
	id, access := d.Identity(), "read-write"
	if d.ReadOnly() {
		access = "read-only"
	}
	size, failed := d.Size(), d.Errors()
	made := ""
	if s.New {
		made = ", which was made and is empty"
	}
	facts := api.Facts{
		{Name: "size", Value: size, Column: "SIZE", Text: model.Size(size).String()},
		{Name: "blockSize", Value: d.BlockSize(), Column: "BLOCK", Text: fmt.Sprint(d.BlockSize()), Wide: true},
		{Name: "readOnly", Value: d.ReadOnly(), Column: "ACCESS", Text: access, Wide: true},
		{Name: "store", Value: s.Label, Column: "STORE", Text: s.Label},
		{Name: "serial", Value: id.Serial},
		{Name: "naa", Value: strings.TrimPrefix(id.NAA.String(), "naa.")},
		{Name: "mediumErrors", Value: failed.Medium},
		{Name: "refused", Value: failed.Refused},
	}
	if s.Describe != nil {
		facts = append(facts, s.Describe()...)
	}
	return plugin.Description{
		Summary: fmt.Sprintf("%v disk of %d-byte blocks, %s, on %s%s", model.Size(size), d.BlockSize(), access, s.Label, made),
		Facts:   facts,
	}
}
