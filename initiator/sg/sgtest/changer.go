package sgtest

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// Element types (SMC-3).
const (
	elementTransport = 1
	elementStorage   = 2
	elementMail      = 3
	elementDrive     = 4
)

// Where the elements of a [Changer] are.
const (
	FirstTransport = 0
	FirstDrive     = 1
	FirstMail      = 16
	FirstStorage   = 32
)

// A Changer is a medium changer (SMC): a transport, some drives, a mail slot and some slots.
type Changer struct {
	*Device
	elements []element
}

type element struct {
	kind    uint8
	address uint16
	tag     string // of the medium; empty: none
	source  uint16
	known   bool // source is where it came from
}

// NewChanger returns a changer with two drives, a mail slot and so many slots, which have media with these tags; an empty one is an empty slot.
func NewChanger(cfg Config, tags ...string) *Changer {
	k := &Changer{elements: []element{
		{kind: elementTransport, address: FirstTransport}, {kind: elementDrive, address: FirstDrive}, {kind: elementDrive, address: FirstDrive + 1},
		{kind: elementMail, address: FirstMail},
	}}
	for i, tag := range tags {
		k.elements = append(k.elements, element{kind: elementStorage, address: FirstStorage + uint16(i), tag: tag})
	}
	k.Device = newDevice(cfg, k, scsi.Identity{Type: scsi.TypeChanger, Product: "CHANGER"})
	return k
}

// At is the tag of the medium in an element.
func (k *Changer) At(address uint16) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.find(address); e != nil {
		return e.tag
	}
	return ""
}

func (k *Changer) find(address uint16) *element {
	for i := range k.elements {
		if k.elements[i].address == address {
			return &k.elements[i]
		}
	}
	return nil
}

func (k *Changer) commands() []command {
	return []command{
		has(scsi.OpInitializeElementStatus, 6, 1800, func(*request) {}),
		has(scsi.OpPositionToElement, 10, 600, func(*request) {}),
		has(scsi.OpMoveMedium, 12, 600, k.move),
		has(scsi.OpReadElementStatus, 12, 600, k.status),
	}
}

func (k *Changer) pages() []modePage {
	addresses := page.ElementAddresses{
		Transports: page.ElementsOf{First: FirstTransport, Count: 1}, Drives: page.ElementsOf{First: FirstDrive, Count: 2},
		ImportExport: page.ElementsOf{First: FirstMail, Count: 1}, Storage: page.ElementsOf{First: FirstStorage, Count: uint16(len(k.elements) - 4)},
	}
	const all = page.BitStorage | page.BitMail | page.BitDrive
	caps := page.ChangerCapabilities{Stores: all, Moves: [4]byte{0, all, all, all}}
	return []modePage{
		controlPage(),
		{addresses.Append(nil), page.ElementAddresses{}.Append(nil)},
		{page.AppendTransportGeometry(nil, 1), page.AppendTransportGeometry(nil, 1)},
		{caps.Append(nil), page.ChangerCapabilities{}.Append(nil)},
	}
}

func (k *Changer) vpds() []byte { return nil }

func (k *Changer) vpd(byte) []byte { return nil }

func (k *Changer) ready() (scsi.Sense, bool) { return scsi.Sense{}, true }

func (k *Changer) mode() (page.ModeHeader, page.BlockDescriptor) {
	return page.ModeHeader{}, page.BlockDescriptor{}
}

func (k *Changer) block(page.BlockDescriptor) bool { return true }

func (k *Changer) inquiry(i *page.Inquiry) { i.Barcodes = true }

func (k *Changer) reset() {}

func (k *Changer) move(r *request) {
	c, err := cdb.ParseMoveMedium(r.cdb)
	if r.failed(err) {
		return
	}
	from, to := k.find(c.Source), k.find(c.Destination)
	switch {
	case c.Transport != FirstTransport || from == nil || to == nil:
		r.fail(scsi.IllegalRequest(scsi.ASCInvalidElementAddress))
	case from.tag == "":
		r.fail(scsi.IllegalRequest(scsi.ASCMediumSourceEmpty))
	case to != from && to.tag != "":
		r.fail(scsi.IllegalRequest(scsi.ASCMediumDestinationFull))
	case to.kind == elementMail && k.state.Prevented:
		r.fail(scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented))
	case to != from:
		to.tag, to.source, to.known = from.tag, from.address, true
		from.tag, from.known = "", false
	}
}

func (k *Changer) status(r *request) {
	c, err := cdb.ParseReadElementStatus(r.cdb)
	if r.failed(err) {
		return
	}
	length := page.ElementDescriptorLen
	if c.Tags {
		length += page.VolumeTagLen
	}
	var pages []byte
	first, count := uint16(0), uint16(0)
	for kind := uint8(elementTransport); kind <= elementDrive; kind++ {
		var descriptors []byte
		for _, e := range k.elements {
			if e.kind != kind || c.Type != 0 && c.Type != kind || e.address < c.Start || count == c.Count {
				continue
			}
			d := page.ElementDescriptor{Address: e.address, Source: e.source, SourceValid: e.known, Tag: e.tag, Flags: page.ElementAccess}
			if e.tag != "" {
				d.Flags |= page.ElementFull
			}
			if count == 0 {
				first = e.address
			}
			count++
			descriptors = d.Append(descriptors, c.Tags, length)
		}
		if len(descriptors) > 0 {
			pages = page.ElementPage{Type: kind, Tags: c.Tags, Length: uint16(length), Bytes: uint32(len(descriptors))}.Append(pages)
			pages = append(pages, descriptors...)
		}
	}
	b := page.ElementHeader{First: first, Count: count, Bytes: uint32(len(pages))}.Append(nil)
	r.reply(append(b, pages...), int(c.Allocation))
}
