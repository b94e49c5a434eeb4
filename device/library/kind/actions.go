package kind

import (
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// Names of actions.
const (
	doLs      = "ls"
	doLoad    = "load"
	doUnload  = "unload"
	doEject   = "eject"
	doMove    = "move"
	doImport  = "import"
	doExport  = "export"
	doCreate  = "create"
	doLabel   = "label"
	doLock    = "lock"
	doUnlock  = "unlock"
	doDelete  = "delete"
	doInspect = "inspect"
	doVerify  = "verify"
	doCompact = "compact"
)

// actions are what people can do with a library. What they come to is in package panel.
func actions() []plugin.Action {
	one := model.Option{Name: "barcode", Type: model.String, Required: true, Help: "Of the cartridge."}
	some := model.Option{Name: "barcode", Type: model.String, List: true, Required: true, Empty: "name a cartridge at least", Help: "Of the cartridges."}
	drive := model.Option{Name: "drive", Type: model.Int, Max: maxDrives - 1, Help: "Its number, from 0."}
	fromDrive := []model.Option{drive, {Name: "barcode", Type: model.String, Help: "Of the cartridge that is in the drive, instead of the drive's number."}}
	free := drive
	free.Help += " Without it, the first that is empty."
	return []plugin.Action{
		{Name: doLs, Help: "Says what is where: elements that are full, drives, and the shelf.", Arguments: []model.Option{
			{Name: "empty", Type: model.Bool, Help: "Empty slots and mail slots, too."},
			{Name: "details", Type: model.Bool, Help: "What the cartridges have: it takes a look into each of them."},
		}},
		{Name: doLoad, Help: "Moves a cartridge into a drive.", Changes: true, Arguments: []model.Option{one, free}},
		{Name: doUnload, Help: "Moves the cartridge in a drive to the slot that it came from, or to one that is free, unless an initiator prevents it.", Changes: true, Arguments: fromDrive},
		{Name: doEject, Help: "Does what unload does, also if an initiator prevents it.", Changes: true, Arguments: fromDrive},
		{Name: doMove, Help: "Moves a cartridge of the library to another element.", Changes: true, Arguments: []model.Option{
			one, {Name: "to", Type: model.String, Required: true, Check: checkPlace, Help: "`slot7`, `mail2`, `drive0`, or `slot` and `mail` for one that is free."},
		}},
		{Name: doImport, Help: "Puts cartridges from the shelf into the library.", Changes: true, Arguments: []model.Option{
			some, {Name: "to", Type: model.String, Default: "slot", Check: checkPlace, Help: "`slot` or `mail` for those that are free; of a single cartridge, `slot7` or `mail2`."},
		}},
		{Name: doExport, Help: "Takes cartridges out of the library, from slots or mail slots, to the shelf.", Changes: true, Arguments: []model.Option{some}},
		{Name: doCreate, Help: "Makes cartridges.", Changes: true, Arguments: []model.Option{
			{Name: "format", Type: model.String, Required: true, Help: "One of the [media](personalities.md#media), such as `L8`."},
			{Name: "count", Type: model.Int, Default: "1", Min: 1, Max: maxSlots, Help: "How many."},
			{Name: "type", Type: model.String, Default: "data", Values: []string{"data", "worm", "cleaning"}, Help: "What they are for."},
			{Name: "capacity", Type: model.Bytes, Min: 1 << 20, Help: "How much goes on one without compression. Without it, as much as on a real one."},
			{Name: "prefix", Type: model.String, Help: "Barcodes begin with it: a number follows, of as many digits as make it six characters, and the name of the format."},
			{Name: "start", Type: model.Int, Max: 999999, Help: "The number of the first. Without it, the first that is free."},
			{Name: "barcode", Type: model.String, Help: "The barcode, of a single cartridge."},
			{Name: "shelf", Type: model.Bool, Help: "They stay on the shelf; else they go to free slots."},
		}},
		{Name: doLabel, Help: "Gives a cartridge that is in no drive another barcode.", Changes: true, Arguments: []model.Option{
			one, {Name: "becomes", Type: model.String, Required: true, Help: "The barcode that it gets."},
		}},
		{Name: doLock, Help: "Moves the tab of cartridges that are in no drive, so that they cannot be written.", Changes: true, Arguments: []model.Option{some}},
		{Name: doUnlock, Help: "Moves the tab back.", Changes: true, Arguments: []model.Option{some}},
		{Name: doDelete, Help: "Removes cartridges of the shelf, with all that is on them.", Changes: true, Arguments: []model.Option{some}},
		{Name: doInspect, Help: "Says what a cartridge has.", Arguments: []model.Option{one}},
		{Name: doVerify, Help: "Reads all of cartridges that are in no drive, and checks it.", Arguments: []model.Option{some}},
		{Name: doCompact, Help: "Gives back the space of what counts only in part, of cartridges that are in no drive.", Changes: true, Arguments: []model.Option{some}},
	}
}
