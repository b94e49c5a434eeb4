package tape_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Formats and a model with all that pages can say.
var (
	deskFormats = []personality.Format{
		{Name: "L8", Density: 0x5e, MediumType: 0x88, WORMType: 0x8c, Capacity: 12_000_000, BitsPerMM: 20669, Tracks: 6656, Width: 127, Length: 960,
			Organization: "LTO-CVE", Density8: "U-832", Description: "Ultrium 8/32T", Memory: 16384},
		{Name: "L7", Density: 0x5c, MediumType: 0x78, WORMType: 0x7c, Capacity: 6_000_000, BitsPerMM: 19107, Tracks: 3584, Width: 127, Length: 960,
			Organization: "LTO-CVE", Density8: "U-732", Description: "Ultrium 7/32T", Memory: 16384},
		{Name: "L6", Density: 0x5a, MediumType: 0x68, Capacity: 2_500_000, Organization: "LTO-CVE", Density8: "U-616", Description: "Ultrium 6/16T", Memory: 16384},
	}
	deskModel = personality.Drive{
		Name: "ibm-lto8", Vendor: "IBM", Product: "ULT3580-TD8", Revision: "HB81",
		Formats:  []personality.DriveFormat{{Format: "L8", Write: true}, {Format: "L7", Write: true}, {Format: "L6"}},
		MaxBlock: 8 << 20, Partitions: 4, Compression: 1, Encryption: 0x10014, UKAD: 32, AKAD: 12, Protection: []byte{1, 2}, WORM: true, AppendOnly: true,
		CapacityPage: true,
	}
)

const deskSerial = "1013000001"

func deskIdentity() scsi.Identity {
	return scsi.Identity{Vendor: "IBM", Product: "ULT3580-TD8", Revision: "HB81", Serial: deskSerial, NAA: scsi.NAA6("desk")}
}

// A desk is a drive with hosts that send it CDBs as programs do, byte by byte.
type desk struct {
	*testing.T
	drive *tape.Drive
	arena *buffer.Arena
	port  *target.Port
	now   time.Time
}

// newDesk makes one; change is told of its configuration.
func newDesk(t *testing.T, change func(*tape.Config)) *desk {
	t.Helper()
	k := &desk{T: t, arena: buffer.NewArena(256 << 20), now: time.UnixMilli(1_800_000_000_000)}
	cfg := tape.Config{
		Model: deskModel, Formats: deskFormats, Identity: deskIdentity(), Library: "LIBRARY00", Arena: k.arena, Compression: medium.Zstd,
		Clock: func() time.Time { return k.now },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if k.drive, err = tape.New(cfg); err != nil {
		t.Fatal(err)
	}
	unit := target.NewUnit("desk", k.drive)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:desk", target.Mapping{Unit: unit})
	if err != nil {
		t.Fatal(err)
	}
	if k.port, err = tgt.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:desk,t,0x0001"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unit.Close(); err != nil {
			t.Error(err)
		}
		if n := k.arena.Outstanding(); n != 0 {
			t.Errorf("%d bytes of the arena are not given back", n)
		}
		if err := k.arena.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// blank is a cartridge for tests; change is told what it will be.
func blank(change func(*medium.Spec)) medium.Tape {
	s := medium.Spec{Barcode: "LUN001L8", Serial: "1234567890", Format: "L8", Maker: "LUNETTE", Capacity: 64 << 20}
	if change != nil {
		change(&s)
	}
	return medium.Memory(s)
}

// load puts t into the drive; nil: an ordinary cartridge.
func (k *desk) load(t medium.Tape) medium.Tape {
	k.Helper()
	if t == nil {
		t = blank(nil)
	}
	if err := k.drive.Load(k.Context(), t); err != nil {
		k.Fatal(err)
	}
	return t
}

func (k *desk) unload() medium.Tape {
	k.Helper()
	t, err := k.drive.Unload(k.Context(), false)
	if err != nil {
		k.Fatal(err)
	}
	return t
}

// A host is an initiator.
type host struct {
	*desk
	s *loopback.Session
}

// host logs in. Its unit attentions are taken.
func (k *desk) host(id byte) *host {
	k.Helper()
	h := &host{k, loopback.Login(k.port, target.Initiator{Name: "iqn.host", Port: scsi.ISCSIPort("iqn.host", [6]byte{5: id})}, loopback.Options{Arena: k.arena})}
	k.Cleanup(func() {
		if err := h.s.Close(); err != nil {
			k.Error(err)
		}
	})
	h.calm()
	return h
}

// calm takes the unit attentions of h, as "28/00".
func (h *host) calm() (all []string) {
	h.Helper()
	for range 40 {
		r := h.once([]byte{0, 0, 0, 0, 0, 0}, 0, nil)
		if r.key != 6 {
			return all
		}
		all = append(all, r.code())
	}
	h.Fatal("unit attentions without end")
	return nil
}

// An outcome is how a command ended, as sg's users see it.
type outcome struct {
	status scsi.Status
	key    int // -1: GOOD
	asc    scsi.ASC
	sense  scsi.Sense
	data   []byte
	resid  int
}

func (o outcome) good() bool   { return o.key < 0 && o.status == scsi.Good }
func (o outcome) code() string { return fmt.Sprintf("%02x/%02x", o.asc.Code(), o.asc.Qualifier()) }

// is reports that it ended with this sense: key, ASC and qualifier.
func (o outcome) is(key, asc, q int) bool {
	return o.key == key && int(o.asc.Code()) == asc && int(o.asc.Qualifier()) == q
}

func (o outcome) String() string {
	if o.good() {
		return fmt.Sprintf("good, %d bytes, %d residual", len(o.data), o.resid)
	}
	return fmt.Sprintf("status %v, %v", o.status, o.sense)
}

// once runs a command; in is how much data-in is waited for.
func (h *host) once(c []byte, in int, out []byte) outcome {
	h.Helper()
	r, data, err := h.s.Do(h.Context(), 0, c, out, in)
	if err != nil {
		h.Fatalf("%x: %v", c, err)
	}
	o := outcome{status: r.Status, key: -1, data: data[:r.In], resid: int(r.Residual)}
	if r.Status == scsi.CheckCondition {
		o.key, o.asc, o.sense = int(r.Sense.Key), r.Sense.ASC, r.Sense
	}
	return o
}

// cmd is once, without unit attentions. Who has had one looks whether the drive is ready.
func (h *host) cmd(c []byte, in int, out []byte) outcome {
	h.Helper()
	for range 4 {
		if o := h.once(c, in, out); o.key != 6 {
			return o
		}
		h.calm()
	}
	h.Fatal("unit attentions without end")
	return outcome{}
}

// ask is cmd for a command that must be GOOD.
func (h *host) ask(c []byte, in int) []byte {
	h.Helper()
	o := h.cmd(c, in, nil)
	if !o.good() {
		h.Fatalf("%x: %v", c, o)
	}
	return o.data
}

// tell is cmd for a command with a parameter list that must be GOOD.
func (h *host) tell(c, out []byte) {
	h.Helper()
	if o := h.cmd(c, 0, out); !o.good() || o.resid != 0 {
		h.Fatalf("%x: %v", c, o)
	}
}

// refused is cmd for one that must end with this sense.
func (h *host) refused(c, out []byte, want scsi.Sense) {
	h.Helper()
	if o := h.cmd(c, 512, out); o.sense != want {
		h.Errorf("%x: %v, want %v", c, o, want)
	}
}

// wire builds a CDB of bytes, and of numbers of more: u16, u24, u32, u64.
func wire(parts ...any) (b []byte) {
	for _, p := range parts {
		switch v := p.(type) {
		case int:
			b = append(b, byte(v))
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case u24:
			b = append(b, byte(v>>16), byte(v>>8), byte(v))
		case []byte:
			b = append(b, v...)
		case string:
			b = append(b, v...)
		}
	}
	return b
}

type u24 uint32
