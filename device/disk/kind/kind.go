// Package kind is what a document can say of a disk, and what a disk says of itself.
package kind

import (
	"context"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
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
			{Name: "read-only", Type: model.Bool, Help: "Refuses writes."},
			{Name: "settings", Default: own, Values: []string{own, shared}, Help: "For whom it holds what an initiator sets by START STOP UNIT and MODE SELECT, such as a stop of the unit or its write protection: `own`, for the commands of that initiator's nexus; `shared`, for those of all."},
			{Name: "workers", Type: model.Int, Max: 1024, Help: "How many commands may wait for storage in threads at a time; 0 leaves it to the store. What io_uring does does not count."},
		}, plugin.IdentityOptions("disk")...),
	}, Stores: model.OneStore, Open: open}
}

func open(ctx context.Context, p plugin.Parts) ([]plugin.Unit, error) {
	s, err := p.Stores.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	id, err := plugin.Identity(scsi.TypeDisk, s.Seed, p.Values)
	if err != nil {
		return nil, err
	}
	d, err := disk.New(disk.Config{
		Store: s.Store, Arena: p.Arena, Identity: id,
		OwnSettings: p.Values.String("settings") == own,
		BlockSize:   int(p.Values.Size("block-size")), ReadOnly: p.Values.Bool("read-only"), Workers: int(p.Values.Int("workers")),
	})
	if err != nil {
		return nil, err
	}
	return []plugin.Unit{{LU: d, Describe: func() plugin.Description {
		return describe(d, id, s, p.Values.Bool("read-only") || s.Info().ReadOnly)
	}}}, nil
}

func describe(d *disk.Disk, id scsi.Identity, s plugin.Opened, readOnly bool) plugin.Description {
	access := "read-write"
	if readOnly {
		access = "read-only"
	}
	size := s.Info().Size
	facts := api.Facts{
		{Name: "size", Value: size, Column: "SIZE", Text: model.Size(size).String()},
		{Name: "blockSize", Value: d.BlockSize(), Column: "BLOCK", Text: fmt.Sprint(d.BlockSize()), Wide: true},
		{Name: "readOnly", Value: readOnly, Column: "ACCESS", Text: access, Wide: true},
		{Name: "store", Value: s.Label, Column: "STORE", Text: s.Label},
		{Name: "serial", Value: id.Serial},
		{Name: "naa", Value: strings.TrimPrefix(id.NAA.String(), "naa.")},
	}
	if s.Describe != nil {
		facts = append(facts, s.Describe()...)
	}
	return plugin.Description{
		Summary: fmt.Sprintf("%v disk of %d-byte blocks, %s, on %s", model.Size(size), d.BlockSize(), access, s.Label),
		Facts:   facts,
	}
}
