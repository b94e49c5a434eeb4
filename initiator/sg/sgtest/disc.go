package sgtest

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// Operation codes of MMC.
const (
	opReadTOC             scsi.Opcode = 0x43
	opGetConfiguration    scsi.Opcode = 0x46
	opGetEventStatus      scsi.Opcode = 0x4a
	opReadDiscInformation scsi.Opcode = 0x51
)

const sector = 2048

// A Disc is a CD drive (MMC) that reads.
type Disc struct {
	*Device
	data  []byte // of the disc; nil: none
	open  bool   // the tray is
	event byte   // the media event that was not asked for yet
}

// NewDisc returns a drive with a disc of whole sectors of 2048 bytes in it; without data it is empty.
func NewDisc(cfg Config, data []byte) *Disc {
	k := &Disc{data: data}
	k.Device = newDevice(cfg, k, scsi.Identity{Type: scsi.TypeOptical, Product: "CD-ROM", Removable: true})
	return k
}

// Insert puts another disc in, and Take takes the one out that is in the drive, whatever initiators prevent.
func (k *Disc) Insert(data []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data, k.open, k.event = data, false, 2
	k.state.attentions = append(k.state.attentions, scsi.ASCMediumMayHaveChanged)
}

// Take is explained at [Disc.Insert].
func (k *Disc) Take() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data, k.open, k.event = nil, true, 3
}

// Button is somebody who presses the eject button: a drive whose medium may not be removed makes an event of it.
func (k *Disc) Button() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state.Prevented {
		k.event = 1
		return
	}
	k.open, k.event = true, 3
}

// TrayOpen reports that the tray is open.
func (k *Disc) TrayOpen() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.open }

func (k *Disc) commands() []command {
	return []command{
		has(scsi.OpReadCapacity10, 10, 10, k.with(func(r *request) {
			r.reply(page.Capacity{Last: k.sectors() - 1, BlockSize: sector}.Append10(nil), 8)
		})),
		has(scsi.OpRead10, 10, 60, k.with(k.read)), has(scsi.OpRead12, 12, 60, k.with(k.read)),
		has(scsi.OpStartStopUnit, 6, 60, k.startStop),
		has(opReadTOC, 10, 30, k.with(k.toc)),
		has(opGetConfiguration, 10, 10, func(r *request) {
			var profile byte
			if _, ok := k.ready(); ok {
				profile = 8 // CD-ROM
			}
			// The list of profiles is the one feature.
			b := []byte{0, 0, 0, 12, 0, 0, 0, profile, 0, 0, 3, 4, 0, 8, profile >> 3 & 1, 0}
			r.reply(b, int(binary.BigEndian.Uint16(r.cdb[7:])))
		}),
		has(opGetEventStatus, 10, 10, k.events),
		has(opReadDiscInformation, 10, 30, k.with(func(r *request) {
			b := make([]byte, 34)
			b[1], b[2], b[3], b[4], b[5], b[6] = 32, 0x0e, 1, 1, 1, 1 // finalized: one track in one session
			r.reply(b, int(binary.BigEndian.Uint16(r.cdb[7:])))
		})),
	}
}

// with is run for a drive with a disc.
func (k *Disc) with(run func(*request)) func(*request) {
	return func(r *request) {
		if s, ok := k.ready(); !ok {
			r.fail(s)
			return
		}
		run(r)
	}
}

func (k *Disc) pages() []modePage {
	capabilities := append([]byte{0x2a, 0x12, 0x03, 0, 0x71, 0x60, 0x29}, make([]byte, 13)...)
	return []modePage{{capabilities, append([]byte{0x2a, 0x12}, make([]byte, 18)...)}}
}

func (k *Disc) vpds() []byte { return nil }

func (k *Disc) vpd(byte) []byte { return nil }

func (k *Disc) ready() (scsi.Sense, bool) {
	switch {
	case k.open:
		return scsi.NotReady(scsi.ASCMediumNotPresentTrayOpen), false
	case k.data == nil:
		return scsi.NotReady(scsi.ASCMediumNotPresentTrayClosed), false
	}
	return scsi.Sense{}, true
}

func (k *Disc) mode() (page.ModeHeader, page.BlockDescriptor) {
	return page.ModeHeader{}, page.BlockDescriptor{BlockSize: sector}
}

func (k *Disc) block(b page.BlockDescriptor) bool { return b.BlockSize == sector }

func (k *Disc) inquiry(*page.Inquiry) {}

func (k *Disc) reset() {}

func (k *Disc) sectors() uint64 { return uint64(len(k.data) / sector) }

func (k *Disc) read(r *request) {
	c, err := cdb.ParseReadWrite(r.cdb)
	switch {
	case r.failed(err):
	case c.LBA+uint64(c.Blocks) > k.sectors():
		r.fail(scsi.LBAOutOfRange())
	default:
		b := k.data[c.LBA*sector:][:uint64(c.Blocks)*sector]
		r.reply(b, len(b))
	}
}

func (k *Disc) startStop(r *request) {
	c, err := cdb.ParseStartStop(r.cdb)
	switch {
	case r.failed(err) || !c.LoadEject:
	case c.Start:
		if k.open && k.data != nil {
			k.event = 2
			k.state.attentions = append(k.state.attentions, scsi.ASCMediumMayHaveChanged)
		}
		k.open = false
	case k.state.Prevented:
		r.fail(scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented))
	default:
		k.open, k.event = true, 3
	}
}

// toc has one track of data.
func (k *Disc) toc(r *request) {
	if r.cdb[2]&0xf != 0 {
		r.fail(scsi.InvalidFieldInCDB(2, 3))
		return
	}
	b := []byte{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0}
	b = binary.BigEndian.AppendUint32(b, uint32(k.sectors()))
	r.reply(b, int(binary.BigEndian.Uint16(r.cdb[7:])))
}

// events is GET EVENT STATUS NOTIFICATION, polled, for media (class 4).
func (k *Disc) events(r *request) {
	room := int(binary.BigEndian.Uint16(r.cdb[7:]))
	switch {
	case r.cdb[1]&1 == 0:
		r.fail(scsi.InvalidFieldInCDB(1, 0))
	case r.cdb[4]&0x10 == 0:
		r.reply([]byte{0, 2, 0x80, 0x10}, room)
	default:
		var status byte
		if k.open {
			status |= 1
		}
		if k.data != nil {
			status |= 2
		}
		r.reply([]byte{0, 6, 4, 0x10, k.event, status, 0, 0}, room)
		if room >= 8 {
			k.event = 0
		}
	}
}
