// Package kind is what a document can say of a tape library, how one is made of robot, drives and cartridges, and what people can
// do with it.
package kind

import (
	"fmt"
	"path/filepath"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
)

// Bounds of a library.
const (
	maxDrives = 1000
	maxSlots  = 60000
	maxMail   = 4096
)

// Names of logical units, behind that of the unit.
const (
	robotName   = "changer"
	driveNumber = "drive%d"
)

// Kind is the device type "library".
func Kind() plugin.Device {
	return plugin.Device{About: plugin.About{
		Name: "library",
		Help: "A tape library (SMC, SSC): a robot `UNIT/changer` and drives `UNIT/drive0`, `UNIT/drive1` … The cartridges are in a directory, which `lunette vtl create` makes.",
		Options: []model.Option{
			{Name: "store", Type: model.Path, Required: true, Help: "The directory with the cartridges and the state of the library. Several libraries may have one: then each has a `name`, and cartridges go from one to another by way of the shelf."},
			{Name: "library", Type: model.String, Default: "ibm-ts3500", Check: plain, Help: "What the robot is: one of the [libraries](personalities.md#libraries)."},
			{Name: "drives", Type: model.String, List: true, Required: true, Empty: "a library has a drive at least, such as 4xlto8", Check: checkDrives, Help: "Its drives, in order: names of [drives](personalities.md#drives) such as `ibm-lto8`, or in short `lto8` for that of the library's maker. A number stands for as many: `4xlto8`."},
			{Name: "slots", Type: model.Int, Required: true, Min: 1, Max: maxSlots, Help: "How many storage slots there are."},
			{Name: "mail-slots", Type: model.Int, Default: "1", Max: maxMail, Help: "How many mail slots (import/export elements) there are."},
			{Name: "name", Type: model.String, Check: checkName, Help: "Of the library in its directory. Without it, that of the unit: who calls the unit otherwise keeps the old one here."},
			{Name: "addresses", Type: model.Group, Help: "The element addresses of the first of each type, where they are others than those of the machine.", Options: []model.Option{
				{Name: "transport", Type: model.Int, Max: 0xffff, Help: "The robot's hand."},
				{Name: "storage", Type: model.Int, Max: 0xffff, Help: "The first storage slot."},
				{Name: "mail", Type: model.Int, Max: 0xffff, Help: "The first mail slot."},
				{Name: "drive", Type: model.Int, Max: 0xffff, Help: "The first drive."},
			}},
			{Name: "personalities", Type: model.Path, Help: "A file with [personalities](personalities.md) of your own, or a folder of such files."},
			{Name: "serial", Type: model.String, Exclusive: true, Check: checkSerial, Help: "Serial number of the library, up to 12 characters; those of the drives follow from it. Without it, one that is kept in the directory."},
			{Name: "compression", Type: model.String, Default: "fast", Values: []string{"off", "fast", "zstd"}, Help: "How blocks are kept while an initiator has compression on: `fast`, so that a drive keeps up; `zstd`, smaller; `off`, as they come."},
			{Name: "buffer", Type: model.Bytes, Default: "16M", Min: 1 << 20, Max: 1 << 30, Help: "How much a drive buffers of what is written, and reads ahead."},
		},
	}, Stores: model.NoStore, Units: units, Type: scsi.TypeChanger, Alone: true, Open: open, Fits: fits, Actions: actions()}
}

// codecs are the values of the option compression.
func codec(word string) medium.Codec {
	switch word {
	case "fast":
		return medium.Fast
	case "zstd":
		return medium.Zstd
	}
	return medium.Plain
}

// fits finds what is wrong with options without opening anything.
func fits(v model.Values, _ map[string]plugin.Found) error {
	if _, err := newParts(v); err != nil {
		return err
	}
	return there(v.String("store"))
}

// units are the robot and the drives.
func units(v model.Values) []string {
	all := []string{robotName}
	for _, words := range v.Strings("drives") {
		n, _, err := cut(words)
		for range n {
			if err != nil || len(all) > maxDrives {
				break
			}
			all = append(all, fmt.Sprintf(driveNumber, len(all)-1))
		}
	}
	return all
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
