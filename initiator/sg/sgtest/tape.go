package sgtest

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// A Tape is a tape drive (SSC) with one partition, in fixed or variable block mode.
type Tape struct {
	*Device
	loaded bool
	tape   []Object
	at     int // the object that comes next
	size   int // block length, 0: variable
	early  int // from so many bytes on, writing meets early warning
	full   int // more do not fit
}

// An Object is a block on tape, or a filemark.
type Object struct {
	Filemark bool
	Data     []byte
}

// NewTape returns a drive with an empty tape in it, in variable block mode.
func NewTape(cfg Config) *Tape {
	k := &Tape{loaded: true, early: 1 << 30, full: 1 << 31}
	k.Device = newDevice(cfg, k, scsi.Identity{Type: scsi.TypeTape, Product: "TAPE", Removable: true})
	return k
}

// SetEnd says where writing meets early warning, and where the tape ends, in bytes.
func (k *Tape) SetEnd(early, full int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.early, k.full = early, full
}

// Objects are what is on the tape.
func (k *Tape) Objects() []Object {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.tape)
}

// Position is the number of the object that comes next.
func (k *Tape) Position() int { k.mu.Lock(); defer k.mu.Unlock(); return k.at }

// Load puts another tape in, and Take takes the one out that is in the drive, whatever initiators prevent: an operator with a key.
func (k *Tape) Load(objects ...Object) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.loaded, k.tape, k.at = true, objects, 0
	k.state.attentions = append(k.state.attentions, scsi.ASCMediumMayHaveChanged)
}

// Take is explained at [Tape.Load].
func (k *Tape) Take() { k.mu.Lock(); defer k.mu.Unlock(); k.loaded = false }

func (k *Tape) commands() []command {
	const short, long, longest = 60, 900, 6 * 3600
	return []command{
		has(scsi.OpRewind, 6, long, k.wound(func(*request) { k.at = 0 })),
		has(scsi.OpReadBlockLimits, 6, short, func(r *request) { r.reply([]byte{0, 0x80, 0, 0, 0, 1}, 6) }),
		has(scsi.OpRead6, 6, long, k.wound(k.read)),
		has(scsi.OpWrite6, 6, long, k.wound(k.write)),
		has(scsi.OpWriteFilemarks6, 6, long, k.wound(k.filemarks)),
		has(scsi.OpSpace6, 6, long, k.wound(k.space)), has(scsi.OpSpace16, 16, long, k.wound(k.space)),
		has(scsi.OpErase6, 6, longest, k.wound(func(*request) { k.tape = k.tape[:k.at:k.at] })),
		has(scsi.OpLoadUnload, 6, long, k.loadUnload),
		has(scsi.OpLocate10, 10, long, k.wound(k.locate)), has(scsi.OpLocate16, 16, long, k.wound(k.locate)),
		has(scsi.OpReadPosition, 10, short, k.wound(k.position)),
	}
}

// wound is run for a drive with a tape.
func (k *Tape) wound(run func(*request)) func(*request) {
	return func(r *request) {
		if s, ok := k.ready(); !ok {
			r.fail(s)
			return
		}
		run(r)
	}
}

func (k *Tape) pages() []modePage {
	return []modePage{
		controlPage(),
		{page.Compression{Capable: true}.Append(nil), page.Compression{Enabled: true}.Append(nil)},
		{page.Configuration{BlockIDs: true}.Append(nil), page.Configuration{}.Append(nil)},
	}
}

func (k *Tape) vpds() []byte { return []byte{page.VPDSequential} }

func (k *Tape) vpd(code byte) []byte {
	if code != page.VPDSequential {
		return nil
	}
	return []byte{0, 0}
}

func (k *Tape) ready() (scsi.Sense, bool) {
	return scsi.NotReady(scsi.ASCMediumNotPresent), k.loaded
}

func (k *Tape) mode() (page.ModeHeader, page.BlockDescriptor) {
	return page.ModeHeader{Device: 0x10}, page.BlockDescriptor{BlockSize: uint32(k.size)}.WithDensity(0x5e)
}

func (k *Tape) block(b page.BlockDescriptor) bool {
	if b.BlockSize > 0x800000 {
		return false
	}
	k.size = int(b.BlockSize)
	return true
}

func (k *Tape) inquiry(*page.Inquiry) {}

func (k *Tape) reset() {}

// used is how many bytes are on the tape.
func (k *Tape) used() (n int) {
	for _, o := range k.tape {
		n += len(o.Data)
	}
	return n
}

// stops is the sense of a command that stopped before its end, with so much of what it was asked for left.
func stops(key scsi.SenseKey, asc scsi.ASC, left int64) scsi.Sense {
	return scsi.NewSense(key, asc).WithInfo(uint64(left))
}

// next is the object that comes next, or the sense of what else does, with a residue of left.
func (k *Tape) next(left int64) (Object, scsi.Sense, bool) {
	if k.at == len(k.tape) {
		return Object{}, stops(scsi.KeyBlankCheck, scsi.ASCEndOfData, left), false
	}
	o := k.tape[k.at]
	k.at++
	if o.Filemark {
		s := stops(scsi.KeyNoSense, scsi.ASCFilemarkDetected, left)
		s.Filemark = true
		return o, s, false
	}
	return o, scsi.Sense{}, true
}

func (k *Tape) read(r *request) {
	c, err := cdb.ParseTransfer(r.cdb)
	switch {
	case r.failed(err):
	case c.Fixed && (k.size == 0 || c.SILI):
		r.fail(scsi.InvalidFieldInCDB(1, 0))
	case c.Fixed:
		k.readFixed(r, int64(c.Length))
	case c.Length > 0:
		k.readVariable(r, int64(c.Length), c.SILI)
	}
}

func (k *Tape) readVariable(r *request, n int64, sili bool) {
	o, s, ok := k.next(n)
	if !ok {
		r.fail(s)
		return
	}
	r.reply(o.Data, int(n))
	if left := n - int64(len(o.Data)); left != 0 && (left < 0 && k.size != 0 || !sili) {
		s := stops(scsi.KeyNoSense, scsi.ASCNoAdditionalSense, left)
		s.ILI = true
		r.fail(s)
	}
}

func (k *Tape) readFixed(r *request, n int64) {
	var data []byte
	for ; n > 0; n-- {
		o, s, ok := k.next(n)
		if ok && len(o.Data) != k.size {
			s, ok = stops(scsi.KeyNoSense, scsi.ASCNoAdditionalSense, n), false
			s.ILI = true
		}
		if !ok {
			r.fail(s)
			break
		}
		data = append(data, o.Data...)
	}
	r.reply(data, len(data))
}

func (k *Tape) write(r *request) {
	c, err := cdb.ParseTransfer(r.cdb)
	if r.failed(err) {
		return
	}
	n, size := 1, int(c.Length)
	if c.Fixed {
		n, size = int(c.Length), k.size
	}
	switch {
	case c.Fixed && k.size == 0:
		r.fail(scsi.InvalidFieldInCDB(1, 0))
		return
	case c.Length == 0:
		return
	}
	data := r.take(n * size)
	if data == nil {
		return
	}
	for i := range n {
		if k.used()+size > k.full {
			left := int64(n - i)
			if !c.Fixed {
				left = int64(size)
			}
			s := stops(scsi.KeyVolumeOverflow, scsi.ASCEndOfPartition, left)
			s.EOM = true
			r.fail(s)
			r.moved = i * size
			return
		}
		k.put(Object{Data: bytes.Clone(data[i*size : (i+1)*size])})
	}
	k.warn(r)
}

// put writes o here: what was behind it is gone.
func (k *Tape) put(o Object) {
	k.tape = append(k.tape[:k.at], o)
	k.at++
}

// warn says that early warning was passed, though all was written.
func (k *Tape) warn(r *request) {
	if k.used() >= k.early {
		s := stops(scsi.KeyNoSense, scsi.ASCEndOfPartition, 0)
		s.EOM = true
		r.fail(s)
	}
}

func (k *Tape) filemarks(r *request) {
	c, err := cdb.ParseWriteFilemarks(r.cdb)
	if r.failed(err) || c.Count == 0 {
		return
	}
	for range min(c.Count, 1000) {
		k.put(Object{Filemark: true})
	}
	k.warn(r)
}

func (k *Tape) space(r *request) {
	c, err := cdb.ParseSpace(r.cdb)
	if r.failed(err) {
		return
	}
	switch c.Code {
	case cdb.SpaceEndOfData:
		k.at = len(k.tape)
		return
	case cdb.SpaceBlocks, cdb.SpaceFilemarks:
	default:
		r.fail(scsi.InvalidFieldInCDB(1, 3))
		return
	}
	marks := c.Code == cdb.SpaceFilemarks
	for left := c.Count; left > 0; {
		if k.at == len(k.tape) {
			r.fail(stops(scsi.KeyBlankCheck, scsi.ASCEndOfData, left))
			return
		}
		o := k.tape[k.at]
		k.at++
		if k.passed(r, o, marks, &left, -1) {
			return
		}
	}
	for left := c.Count; left < 0; {
		if k.at == 0 {
			s := stops(scsi.KeyNoSense, scsi.ASCBeginningOfPartition, -left)
			s.EOM = true
			r.fail(s)
			return
		}
		k.at--
		if k.passed(r, k.tape[k.at], marks, &left, 1) {
			return
		}
	}
}

// passed counts an object that SPACE has passed, and reports that a filemark has stopped it.
func (k *Tape) passed(r *request, o Object, marks bool, left *int64, by int64) bool {
	if o.Filemark == marks {
		*left += by
	}
	if !o.Filemark || marks {
		return false
	}
	s := stops(scsi.KeyNoSense, scsi.ASCFilemarkDetected, max(*left, -*left))
	s.Filemark = true
	r.fail(s)
	return true
}

func (k *Tape) locate(r *request) {
	c, err := cdb.ParseLocate(r.cdb)
	switch {
	case r.failed(err):
	case c.Identifier > uint64(len(k.tape)):
		k.at = len(k.tape)
		r.fail(scsi.NewSense(scsi.KeyBlankCheck, scsi.ASCEndOfData))
	default:
		k.at = int(c.Identifier)
	}
}

func (k *Tape) position(r *request) {
	c, err := cdb.ParseReadPosition(r.cdb)
	if r.failed(err) {
		return
	}
	var flags byte
	if k.at == 0 {
		flags = 0x80 // BOP
	}
	b := []byte{flags, 0, 0, 0}
	switch c.Action {
	case 0, 1:
		b = binary.BigEndian.AppendUint32(b, uint32(k.at))
		b = binary.BigEndian.AppendUint32(b, uint32(k.at))
		r.reply(append(b, make([]byte, 8)...), 20)
	case 6:
		marks := 0
		for _, o := range k.tape[:k.at] {
			if o.Filemark {
				marks++
			}
		}
		b = binary.BigEndian.AppendUint32(b, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(k.at))
		b = binary.BigEndian.AppendUint64(b, uint64(marks))
		r.reply(append(b, make([]byte, 8)...), 32)
	default:
		r.fail(scsi.InvalidFieldInCDB(1, 4))
	}
}

func (k *Tape) loadUnload(r *request) {
	c, err := cdb.ParseLoadUnload(r.cdb)
	switch {
	case r.failed(err):
	case c.Load:
		k.loaded, k.at = true, 0
	case k.state.Prevented:
		r.fail(scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented))
	default:
		k.loaded = false
	}
}
