package vtl

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// What the actions of a library come to, whoever does them: a daemon, or a [Panel].
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
		Barcode string `json:"barcode"`
		archive.Check
	}
)

// placeText is a place as [library.ParsePlace] reads it.
func placeText(p library.Place) string {
	word := map[changer.ElementType]string{changer.Storage: "slot", changer.Mail: "mail", changer.Drive: "drive"}[p.Type]
	switch {
	case word == "":
		return "shelf"
	case p.Index == library.Any:
		return word
	}
	return word + strconv.Itoa(p.Index)
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

func shown(c library.Cartridge) Cartridge {
	v := Cartridge{
		Barcode: c.Barcode, Place: placeText(c.Where), Library: c.Library, Format: c.Format, Type: typeText(c.Type), Capacity: c.Capacity, Problem: c.Problem,
	}
	if c.Source != library.Shelf {
		v.Source = placeText(c.Source)
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

// inventory is what is in the elements of a library, and on its shelf.
func inventory(l *library.Library, all []library.Cartridge, empty bool) Inventory {
	v := Inventory{Elements: []Element{}, Shelf: []Cartridge{}, Problems: l.Problems()}
	at := make(map[library.Place]*Cartridge, len(all))
	for _, c := range all {
		x := shown(c)
		if c.Where == library.Shelf {
			v.Shelf = append(v.Shelf, x)
			continue
		}
		at[c.Where] = &x
	}
	count := make(map[changer.ElementType]int)
	for _, e := range l.Elements() {
		if e.Type == changer.Transport {
			continue
		}
		p := library.Place{Type: e.Type, Index: count[e.Type]}
		count[e.Type]++
		if e.Type != changer.Drive {
			p.Index++
		}
		if e.Full || empty || e.Type == changer.Drive {
			v.Elements = append(v.Elements, Element{Place: placeText(p), Address: e.Address, Full: e.Full, Cartridge: at[p], Imported: e.Imported})
		}
	}
	return v
}
