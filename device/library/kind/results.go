package kind

import (
	"encoding/hex"
	"strings"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// An inventory is the result of ls.
type inventory struct {
	Library  string          `json:"library"`
	Store    string          `json:"store"`
	Model    string          `json:"model"`
	Elements []elementShown  `json:"elements"`
	Shelf    []cartridgeInfo `json:"shelf"`
	Problems []string        `json:"problems,omitempty"`
}

// An elementShown is an element, with the cartridge in it.
type elementShown struct {
	Place     string         `json:"place"` // slot7, mail1, drive0
	Address   uint16         `json:"address"`
	Full      bool           `json:"full"`
	Cartridge *cartridgeInfo `json:"cartridge,omitempty"`
	Imported  bool           `json:"imported,omitempty"`
	Drive     *driveShown    `json:"drive,omitempty"`
}

// A driveShown is a drive.
type driveShown struct {
	Vendor    string `json:"vendor"`
	Product   string `json:"product"`
	Serial    string `json:"serial"`
	Activity  string `json:"activity"`
	Prevented bool   `json:"prevented"`
	Problem   string `json:"problem,omitempty"`
	Partition int    `json:"partition"`
	Object    uint64 `json:"object"`
	File      uint64 `json:"file"`
	Written   uint64 `json:"written"`
	Read      uint64 `json:"read"`
	Alerts    []int  `json:"alerts"`
}

// A cartridgeInfo is a cartridge: inspect's result, and a part of that of ls.
type cartridgeInfo struct {
	Barcode  string       `json:"barcode"`
	Place    string       `json:"place"`
	Library  string       `json:"library,omitempty"` // the other library of the store that has it
	Source   string       `json:"source,omitempty"`  // the slot that it came from
	Format   string       `json:"format"`
	Type     string       `json:"type"` // data, worm, cleaning
	Capacity int64        `json:"capacity"`
	Problem  string       `json:"problem,omitempty"`
	Details  *detailsInfo `json:"details,omitempty"`
}

// A detailsInfo is what is in the files of a cartridge.
type detailsInfo struct {
	Serial       string          `json:"serial"`
	Maker        string          `json:"maker"`
	Made         string          `json:"made"`
	WriteProtect bool            `json:"writeProtect"`
	Loads        uint64          `json:"loads"`
	Cleanings    uint64          `json:"cleanings"`
	Written      uint64          `json:"written"`
	Read         uint64          `json:"read"`
	Drives       []string        `json:"drives"`
	Partitions   []partitionInfo `json:"partitions"`
}

// A partitionInfo is a partition of a cartridge.
type partitionInfo struct {
	Capacity   int64           `json:"capacity"`
	Used       int64           `json:"used"`
	Objects    uint64          `json:"objects"`
	Files      uint64          `json:"files"`
	Blocks     int64           `json:"blocks"`
	Stored     int64           `json:"stored"`
	Attributes []attributeInfo `json:"attributes"`
}

// An attributeInfo is an attribute that a host has set.
type attributeInfo struct {
	ID    uint16 `json:"id"`
	Text  string `json:"text,omitempty"`
	Bytes string `json:"bytes,omitempty"` // hexadecimal, of what is no text
}

// A moved is what has come of a cartridge.
type moved struct {
	Barcode string `json:"barcode"`
	Place   string `json:"place"`
}

// Results of actions.
type (
	movedResult struct {
		Moved []moved `json:"moved"`
	}
	createdResult struct {
		Created []moved `json:"created"`
	}
	changedResult struct {
		Changed []string `json:"changed"`
	} // barcodes
	checkedResult struct {
		Checked []checked `json:"checked"`
	}
)

// A checked is what verify has found on a cartridge.
type checked struct {
	Barcode string   `json:"barcode"`
	Objects uint64   `json:"objects"`
	Bytes   int64    `json:"bytes"`
	Damaged []damage `json:"damaged"`
	More    int      `json:"more,omitempty"`
}

// A damage is a place of a cartridge that cannot be read.
type damage struct {
	Partition int    `json:"partition"`
	Object    uint64 `json:"object"`
	Count     uint64 `json:"count"`
	What      string `json:"what"`
}

func typeText(t medium.Type) string {
	switch t {
	case medium.Cleaning:
		return "cleaning"
	case medium.WORM:
		return "worm"
	}
	return "data"
}

func typeOf(text string) medium.Type {
	switch text {
	case "cleaning":
		return medium.Cleaning
	case "worm":
		return medium.WORM
	}
	return medium.Data
}

// shownCartridge is a cartridge for people.
func shownCartridge(c library.Cartridge) cartridgeInfo {
	v := cartridgeInfo{
		Barcode: c.Barcode, Place: placeText(c.Where), Library: c.Library, Format: c.Format, Type: typeText(c.Type), Capacity: c.Capacity, Problem: c.Problem,
	}
	if c.Source != library.Shelf {
		v.Source = placeText(c.Source)
	}
	if c.Info == nil {
		return v
	}
	l, u := c.Info.Label, c.Info.Usage
	v.Details = &detailsInfo{
		Serial: l.Serial, Maker: l.Maker, Made: l.Made, WriteProtect: l.WriteProtect, Loads: u.Loads, Cleanings: u.Cleanings,
		Written: u.Written, Read: u.Read, Drives: append([]string{}, u.Drives...), Partitions: []partitionInfo{},
	}
	for _, p := range c.Info.Partitions {
		part := partitionInfo{Capacity: p.Capacity, Used: p.Used, Objects: p.Objects, Files: p.Files, Blocks: p.Blocks, Stored: p.Stored, Attributes: []attributeInfo{}}
		for _, a := range p.Attributes {
			part.Attributes = append(part.Attributes, shownAttribute(a))
		}
		v.Details.Partitions = append(v.Details.Partitions, part)
	}
	return v
}

// shownAttribute is an attribute as text, where it is one.
func shownAttribute(a medium.Attribute) attributeInfo {
	text := strings.TrimRight(string(a.Value), " \x00")
	if a.Format == 0 || strings.ToValidUTF8(text, "") != text || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return attributeInfo{ID: a.ID, Bytes: hex.EncodeToString(a.Value)}
	}
	return attributeInfo{ID: a.ID, Text: text}
}

// shownDrive is a drive for people.
func (u *unit) shownDrive(i int) *driveShown {
	s := u.drives[i].Status()
	return &driveShown{
		Vendor: u.about[i].Vendor, Product: u.about[i].Product, Serial: u.about[i].Serial, Activity: s.Activity, Prevented: s.Prevented, Problem: s.Problem,
		Partition: s.Partition, Object: s.Position.Object, File: s.Position.File, Written: s.Written, Read: s.Read, Alerts: append([]int{}, s.Alerts...),
	}
}

// ls is the inventory.
func (u *unit) ls(all []library.Cartridge, empty bool) inventory {
	v := inventory{Library: u.name, Store: u.store, Model: u.model.Name, Elements: []elementShown{}, Shelf: []cartridgeInfo{}, Problems: u.lib.Problems()}
	at := make(map[library.Place]*cartridgeInfo, len(all))
	for _, c := range all {
		shown := shownCartridge(c)
		if c.Where == library.Shelf {
			v.Shelf = append(v.Shelf, shown)
			continue
		}
		at[c.Where] = &shown
	}
	count := make(map[changer.ElementType]int)
	for _, e := range u.lib.Elements() {
		if e.Type == changer.Transport {
			continue
		}
		p := library.Place{Type: e.Type, Index: count[e.Type]}
		count[e.Type]++
		if e.Type != changer.Drive {
			p.Index++
		}
		shown := elementShown{Place: placeText(p), Address: e.Address, Full: e.Full, Cartridge: at[p], Imported: e.Imported}
		if e.Type == changer.Drive {
			shown.Drive = u.shownDrive(p.Index)
		}
		if e.Full || empty || e.Type == changer.Drive {
			v.Elements = append(v.Elements, shown)
		}
	}
	return v
}
