// Package echo is a small device type: a processor device (SCSI-2 9) that returns the message it was sent.
//
// It has neither a store nor a medium. It shows all that a device type can add to a
// [device.Server], in one folder: commands, a default row, mode pages with a subpage and saved
// values, and log pages that LOG SELECT resets and sets.
package echo

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// The commands of a processor device; their operation codes are those of READ(6) and WRITE(6).
const (
	Receive = scsi.OpRead6
	Send    = scsi.OpWrite6
)

// typeProcessor is its peripheral device type.
const typeProcessor scsi.PeripheralType = 0x03

// The pages that are its own. Mode pages 20h and up are the vendor's; the second is a subpage.
const (
	ModePage       = 0x20
	ModeSubpage    = 0x01
	LogClient      = 0x0f // application client (SPC-5 7.3.4)
	LogMessages    = 0x30
	LogMessagesSub = 0x01
)

// maxText bounds a parameter of the application client log page, and texts how many there are.
const (
	maxText = 64
	texts   = 4
)

// Config says what New makes.
type Config struct {
	Identity scsi.Identity // its Type is set by New
	// Modes and Reservations keep what is to outlive the unit; nil: nothing is kept.
	Modes        device.ModeKeeper
	Reservations reserve.Keeper
}

// A Processor keeps the last message that it was sent. It is a [target.LogicalUnit].
type Processor struct {
	*device.Server

	mu      sync.Mutex
	message []byte        // guarded by mu
	texts   [texts][]byte // guarded by mu

	sent, received atomic.Uint64 // messages
	passed         atomic.Uint64 // commands that came to the default row
}

// New returns a processor.
func New(cfg Config) (*Processor, error) {
	p := &Processor{}
	cfg.Identity.Type = typeProcessor
	server, err := device.New(device.Config{
		Identity: cfg.Identity, Workers: 1,
		Commands: []device.Command{
			{Op: Receive, Usage: "\x08\x00\xff\xff\xff\x00", Access: reserve.Reading, Order: target.Reads, Run: p.receive},
			{Op: Send, Usage: "\x0a\x00\xff\xff\xff\x00", Access: reserve.Writing, Order: target.Writes, Run: p.send},
		},
		Default: &device.Command{
			Access: reserve.Writing, OrderOf: func([]byte) target.Order { return device.WholeUnit(target.Writes) }, Run: p.pass,
		},
		Modes: []*device.ModePage{
			{Default: []byte{ModePage, 2, 0, 9}, Changeable: []byte{ModePage, 2, 0xff, 0}, Apply: accept},
			{Default: []byte{ModePage | 0x40, ModeSubpage, 0, 3, 1, 2, 0}, Changeable: []byte{ModePage | 0x40, ModeSubpage, 0, 3, 0, 0, 0x0f}, Apply: accept},
		},
		ModeKeeper: cfg.Modes,
		Logs: []device.LogPage{
			{Code: LogClient, Append: p.appendTexts, MaySet: mayText, Set: p.setText},
			{Code: LogMessages, Append: counter(LogMessages, 0, &p.sent), Reset: func() { p.sent.Store(0) }},
			{Code: LogMessages, Subpage: LogMessagesSub, Append: counter(LogMessages, LogMessagesSub, &p.received), Reset: func() { p.received.Store(0) }},
		},
		Reservations: cfg.Reservations,
	})
	p.Server = server
	return p, err
}

// accept is what a page does whose values change nothing.
func accept(*target.ITL, []byte) error { return nil }

// Passed counts the commands that came to the default row.
func (p *Processor) Passed() uint64 { return p.passed.Load() }

func length(c []byte) int { return int(c[2])<<16 | int(c[3])<<8 | int(c[4]) }

// receive is RECEIVE: the message, as much of it as the CDB asks for.
func (p *Processor) receive(t *target.Task) {
	p.mu.Lock()
	data := slices.Clone(p.message)
	p.mu.Unlock()
	p.received.Add(1)
	p.Reply(t, data, uint32(length(t.CDB)))
}

// send is SEND: the data-out is the message.
func (p *Processor) send(t *target.Task) {
	n := length(t.CDB)
	if n == 0 {
		p.Good(t)
		return
	}
	p.ReceiveList(t, int64(n), func(t *target.Task, message []byte) {
		p.mu.Lock()
		p.message = message
		p.mu.Unlock()
		p.sent.Add(1)
		p.Used(t, n)
	})
}

// pass is the default row: a device type that passes commands on would do so here.
func (p *Processor) pass(t *target.Task) {
	p.passed.Add(1)
	p.Good(t)
}

func counter(code, subpage byte, n *atomic.Uint64) func([]byte, *target.Unit) []byte {
	return func(dst []byte, _ *target.Unit) []byte {
		v := binary.BigEndian.AppendUint64(nil, n.Load())
		return page.AppendLogPage(dst, code, subpage, page.AppendLogParameter(nil, 1, page.LogCounter, v...))
	}
}

func (p *Processor) appendTexts(dst []byte, _ *target.Unit) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []byte
	for i, text := range p.texts {
		list = page.AppendLogParameter(list, uint16(i), page.LogBinaryList, text...)
	}
	return page.AppendLogPage(dst, LogClient, 0, list)
}

func mayText(parameter uint16, value []byte) bool { return parameter < texts && len(value) <= maxText }

func (p *Processor) setText(parameter uint16, value []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.texts[parameter] = slices.Clone(value)
}
