package sgtest

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// A Disk is a device with blocks (SBC).
type Disk struct {
	*Device
	size    int
	data    []byte // blocks of size bytes
	stopped bool
	syncs   int
}

// NewDisk returns a disk with so many blocks of so many bytes, all zeros.
func NewDisk(cfg Config, blocks uint64, size int) *Disk {
	k := &Disk{size: size, data: make([]byte, blocks*uint64(size))}
	k.Device = newDevice(cfg, k, scsi.Identity{Type: scsi.TypeDisk, Product: "DISK"})
	return k
}

// Resize makes it a disk with another number and length of blocks, whose data stays where it fits; the initiator hears of it by a unit
// attention, CAPACITY DATA HAS CHANGED.
func (k *Disk) Resize(blocks uint64, size int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	data := make([]byte, blocks*uint64(size))
	copy(data, k.data)
	k.data, k.size = data, size
	k.state.attentions = append(k.state.attentions, scsi.ASCCapacityDataChanged)
}

// Bytes is a copy of n bytes at off.
func (k *Disk) Bytes(off, n int) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]byte(nil), k.data[off:off+n]...)
}

// Syncs is how many SYNCHRONIZE CACHE there were.
func (k *Disk) Syncs() int { k.mu.Lock(); defer k.mu.Unlock(); return k.syncs }

func (k *Disk) blocks() uint64 { return uint64(len(k.data) / k.size) }

func (k *Disk) commands() []command {
	all := []command{
		has(scsi.OpReadCapacity10, 10, 10, k.capacity),
		does(scsi.OpServiceActionIn16, scsi.ActionReadCapacity16, 16, 10, k.capacity),
		has(scsi.OpSynchronizeCache10, 10, 60, k.sync), has(scsi.OpSynchronizeCache16, 16, 60, k.sync),
		has(scsi.OpStartStopUnit, 6, 60, k.startStop),
		has(scsi.OpFormatUnit, 6, 24*3600, func(*request) { clear(k.data) }),
		has(scsi.OpVerify10, 10, 60, func(*request) {}),
	}
	for _, x := range []struct {
		op     scsi.Opcode
		length uint16
	}{
		{scsi.OpRead6, 6}, {scsi.OpRead10, 10}, {scsi.OpRead12, 12}, {scsi.OpRead16, 16},
		{scsi.OpWrite6, 6}, {scsi.OpWrite10, 10}, {scsi.OpWrite12, 12}, {scsi.OpWrite16, 16},
	} {
		all = append(all, has(x.op, x.length, 60, k.move))
	}
	return all
}

func (k *Disk) pages() []modePage {
	return []modePage{
		{page.Caching{WriteCache: true}.Append(nil), page.Caching{WriteCache: true}.Append(nil)},
		controlPage(),
	}
}

func (k *Disk) vpds() []byte { return []byte{page.VPDBlockLimits} }

func (k *Disk) vpd(code byte) []byte {
	if code != page.VPDBlockLimits {
		return nil
	}
	return page.BlockLimits{MaxTransfer: 1 << 20, OptimalTransfer: 1 << 10}.Append(nil, page.PeripheralOf(scsi.TypeDisk))[4:]
}

func (k *Disk) ready() (scsi.Sense, bool) {
	return scsi.NotReady(scsi.ASCInitializingCommandRequired), !k.stopped
}

func (k *Disk) mode() (page.ModeHeader, page.BlockDescriptor) {
	return page.ModeHeader{Device: page.ModeDPOFUA}, page.BlockDescriptor{Blocks: k.blocks(), BlockSize: uint32(k.size)}
}

func (k *Disk) block(b page.BlockDescriptor) bool { return int(b.BlockSize) == k.size }

func (k *Disk) inquiry(*page.Inquiry) {}

func (k *Disk) reset() { k.stopped = false }

func (k *Disk) capacity(r *request) {
	c, err := cdb.ParseReadCapacity(r.cdb)
	if r.failed(err) {
		return
	}
	capacity := page.Capacity{Last: k.blocks() - 1, BlockSize: uint32(k.size)}
	if c.Opcode == scsi.OpReadCapacity10 {
		r.reply(capacity.Append10(nil), 8)
	} else {
		r.reply(capacity.Append16(nil), int(c.Allocation))
	}
}

func (k *Disk) sync(*request) { k.syncs++ }

func (k *Disk) startStop(r *request) {
	c, err := cdb.ParseStartStop(r.cdb)
	if !r.failed(err) && c.Condition == 0 {
		k.stopped = !c.Start
	}
}

// move reads or writes blocks.
func (k *Disk) move(r *request) {
	c, err := cdb.ParseReadWrite(r.cdb)
	if r.failed(err) {
		return
	}
	if s, ok := k.ready(); !ok {
		r.fail(s)
		return
	}
	n := uint64(c.Blocks)
	if c.LBA > k.blocks() || n > k.blocks()-c.LBA {
		r.fail(scsi.LBAOutOfRange())
		return
	}
	at := k.data[c.LBA*uint64(k.size) : (c.LBA+n)*uint64(k.size)]
	if !c.IsWrite() {
		r.reply(at, len(at))
		return
	}
	if k.protected() {
		r.fail(scsi.DataProtect(scsi.ASCSoftwareWriteProtected))
		return
	}
	if b := r.take(len(at)); b != nil {
		copy(at, b)
	}
}

// protected reports SWP of the control mode page.
func (k *Disk) protected() bool {
	for _, m := range k.state.modes {
		if m.current[0]&0x3f == 0x0a {
			return m.current[4]&0x08 != 0
		}
	}
	return false
}
