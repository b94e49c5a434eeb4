package panel

import (
	"encoding/hex"
	"strings"

	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// Results are what is said of a library, and of what was done with it, in JSON.
type (
	// An Inventory is what is where: the result of ls.
	Inventory struct {
		Library  string      `json:"library"`
		Store    string      `json:"store"`
		Model    string      `json:"model"`
		Elements []Element   `json:"elements"`
		Shelf    []Cartridge `json:"shelf"`
		Problems []string    `json:"problems,omitempty"`
	}

	// An Element is where a cartridge can be.
	Element struct {
		Place     string     `json:"place"` // slot7, mail1, drive0
		Address   uint16     `json:"address"`
		Full      bool       `json:"full"`
		Cartridge *Cartridge `json:"cartridge,omitempty"`
		Imported  bool       `json:"imported,omitempty"`
		Drive     *Drive     `json:"drive,omitempty"`
	}

	// A Drive is what a drive says of itself, in a daemon.
	Drive struct {
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

	// A Cartridge is what is known of one.
	Cartridge struct {
		Barcode  string   `json:"barcode"`
		Place    string   `json:"place"`
		Library  string   `json:"library,omitempty"` // the other library of the store that has it
		Source   string   `json:"source,omitempty"`  // the slot that it came from
		Format   string   `json:"format"`
		Type     string   `json:"type"` // data, worm, cleaning
		Capacity int64    `json:"capacity"`
		Problem  string   `json:"problem,omitempty"`
		Details  *Details `json:"details,omitempty"`
	}

	// Details are what is in the files of a cartridge.
	Details struct {
		Serial       string      `json:"serial"`
		Maker        string      `json:"maker"`
		Made         string      `json:"made"`
		WriteProtect bool        `json:"writeProtect"`
		Loads        uint64      `json:"loads"`
		Cleanings    uint64      `json:"cleanings"`
		Written      uint64      `json:"written"` // bytes, through its life
		Read         uint64      `json:"read"`
		Drives       []string    `json:"drives"` // the last that had it
		Partitions   []Partition `json:"partitions"`
	}

	// A Partition is what is in one.
	Partition struct {
		Capacity   int64       `json:"capacity"`
		Used       int64       `json:"used"`
		Objects    uint64      `json:"objects"`
		Files      uint64      `json:"files"`
		Blocks     int64       `json:"blocks"` // bytes of blocks, as they were written
		Stored     int64       `json:"stored"` // bytes of files
		Attributes []Attribute `json:"attributes"`
	}

	// An Attribute is one that a host has set.
	Attribute struct {
		ID    uint16 `json:"id"`
		Text  string `json:"text,omitempty"`
		Bytes string `json:"bytes,omitempty"` // hexadecimal, of what is no text
	}

	// At is where a cartridge is.
	At struct {
		Barcode string `json:"barcode"`
		Place   string `json:"place"`
	}

	// Moved is the result of what moves cartridges.
	Moved struct {
		Moved []At `json:"moved"`
	}

	// Created is the result of create.
	Created struct {
		Created []At `json:"created"`
	}

	// Changed is the result of what changes cartridges: their barcodes.
	Changed struct {
		Changed []string `json:"changed"`
	}

	// Checked is the result of verify.
	Checked struct {
		Checked []Check `json:"checked"`
	}

	// A Check is what was found on a cartridge.
	Check struct {
		Barcode string   `json:"barcode"`
		Objects uint64   `json:"objects"` // blocks and filemarks that were read
		Bytes   int64    `json:"bytes"`   // as they are kept
		Damaged []Damage `json:"damaged"`
		More    int      `json:"more,omitempty"` // places that are damaged and are not listed
	}

	// A Damage is a place of a cartridge that cannot be read.
	Damage struct {
		Partition int    `json:"partition"`
		Object    uint64 `json:"object"`
		Count     uint64 `json:"count"`
		What      string `json:"what"`
	}
)

// typeText is what a cartridge is for, in a word.
func typeText(t medium.Type) string {
	switch t {
	case medium.Cleaning:
		return "cleaning"
	case medium.WORM:
		return "worm"
	}
	return "data"
}

// shown is a cartridge for people.
func shown(c library.Cartridge) Cartridge {
	v := Cartridge{
		Barcode: c.Barcode, Place: c.Where.Text(), Library: c.Library, Format: c.Format, Type: typeText(c.Type), Capacity: c.Capacity, Problem: c.Problem,
	}
	if c.Source != library.Shelf {
		v.Source = c.Source.Text()
	}
	if c.Info != nil {
		v.Details = details(*c.Info)
	}
	return v
}

func details(i medium.Info) *Details {
	d := &Details{
		Serial: i.Label.Serial, Maker: i.Label.Maker, Made: i.Label.Made, WriteProtect: i.Label.WriteProtect, Loads: i.Usage.Loads,
		Cleanings: i.Usage.Cleanings, Written: i.Usage.Written, Read: i.Usage.Read, Drives: append([]string{}, i.Usage.Drives...),
		Partitions: []Partition{},
	}
	for _, p := range i.Partitions {
		part := Partition{Capacity: p.Capacity, Used: p.Used, Objects: p.Objects, Files: p.Files, Blocks: p.Blocks, Stored: p.Stored, Attributes: []Attribute{}}
		for _, a := range p.Attributes {
			part.Attributes = append(part.Attributes, attribute(a))
		}
		d.Partitions = append(d.Partitions, part)
	}
	return d
}

// attribute is one as text, where it is that.
func attribute(a medium.Attribute) Attribute {
	text := strings.TrimRight(string(a.Value), " \x00")
	if a.Format == 0 || strings.ToValidUTF8(text, "") != text || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return Attribute{ID: a.ID, Bytes: hex.EncodeToString(a.Value)}
	}
	return Attribute{ID: a.ID, Text: text}
}
