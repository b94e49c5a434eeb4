package tape_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/device/tape/medium"
)

// An ltfs does with a drive what LTFS does, in its order, as its published sources and traces of mounts have it.
type ltfs struct{ *host }

func (l ltfs) locate(partition int, object uint64) outcome {
	l.Helper()
	return l.cmd(wire(0x92, 2, 0, partition, object, uint32(0)), 0, nil)
}

func (l ltfs) position() (partition, object, file uint64) {
	l.Helper()
	b := l.ask(wire(0x34, 6, uint64(0)), 32)
	return be(b[4:8]), be(b[8:16]), be(b[16:24])
}

func (l ltfs) write(data string) {
	l.Helper()
	l.tell(wire(0x0a, 0, u24(len(data)), 0), []byte(data))
}

func (l ltfs) mark() {
	l.Helper()
	l.ask(wire(0x10, 0, u24(1), 0), 0)
}

// label writes what is at the beginning of a partition, and an index.
func (l ltfs) label(partition int) {
	l.Helper()
	if r := l.locate(partition, 0); !r.good() {
		l.Fatal(r)
	}
	l.write("VOL1LUN001L             LTFS" + strings.Repeat(" ", 52))
	l.mark()
	l.write("<ltfslabel/>")
	l.mark()
	l.mark()
	l.index(1)
}

func (l ltfs) index(generation int) {
	l.Helper()
	l.write("<ltfsindex>" + strings.Repeat("g", generation))
	l.mark()
}

// coherent writes the volume coherency of a partition, and checks that it is there with the volume change reference of now.
func (l ltfs) coherent(partition int) {
	l.Helper()
	vcr := l.attribute(partition, 9)
	value := string(wire(8, make([]byte, 4), vcr, uint64(1), uint64(5), 0, 43, "LTFS\x00", strings.Repeat("u", 36), 0, 1))
	if r := l.setAttribute(partition, 0x80c, 0, value); !r.good() {
		l.Fatal(r)
	}
	if got := l.attribute(partition, 0x80c); string(got) != value || len(got) != 70 {
		l.Fatalf("volume coherency %x", got)
	}
	if !bytes.Equal(l.attribute(partition, 9), vcr) {
		l.Error("an attribute changes the volume change reference")
	}
}

func TestLTFS(t *testing.T) {
	k := newDesk(t, nil)
	l := ltfs{k.host(1)}
	tape := blank(func(s *medium.Spec) { s.Capacity = 12_000_000_000_000 })
	// It opens the drive, and has it alone.
	l.ask(wire(0x12, 0, 0, 0, 96, 0), 96)
	l.ask(wire(0xa3, 0x0c, 0x80, 0, 0, 0, uint32(0xffff), 0, 0), 0xffff)
	l.ask(wire(0x5e, 0, 0, 0, 0, 0, 0, uint16(1024), 0), 1024)
	key := wire(uint64(0), uint64(0x1234), uint64(0))
	l.tell(wire(0x5f, 6, 0, 0, 0, uint32(24), 0), key)
	l.tell(wire(0x5f, 1, 6, 0, 0, uint32(24), 0), wire(uint64(0x1234), uint64(0), uint64(0)))
	k.load(tape)
	l.calm()
	l.ask(wire(0x1b, 0, 0, 0, 1, 0), 0)
	if b := l.modeSense(0x3f, 0); b[2] != 0x88 || b[8] != 0x5e {
		t.Fatalf("medium type and density %x", b[:16])
	}
	// mkltfs: two partitions, of which the first is a gigabyte.
	b := l.modeSense(0x11, 0)
	b = b[:16+10+2]
	b[0], b[1], b[17] = 0, 0, 10
	b[19], b[20], b[22] = 1, 0x3c, 9
	copy(b[24:], hexed("0001 ffff"))
	if r := l.modeList(b); !r.good() {
		t.Fatal(r)
	}
	l.ask(wire(4, 0, 1, 0, 0, 0), 0)
	l.label(1)
	l.label(0)
	l.coherent(0)
	l.coherent(1)
	if v := l.logPage(0x17); !bytes.Equal(v[0x202], hexed("0700 0000 000003e8 0700 0001 00b71718")) || be(v[0x204][4:8]) != 999 {
		t.Errorf("capacities %x, left %x", v[0x202], v[0x204])
	}
	if r := l.setAttribute(0, 0x1623, 0, "\x02"); !r.good() || l.attribute(0, 0x1623)[0] != 2 {
		t.Errorf("lock: %v", r)
	}
	// Mounted: append-only, with compression.
	k.load(k.unload())
	l.calm()
	l.sets(0x10, 1, map[int]byte{5: 0x12})
	l.sets(0x0f, 0, map[int]byte{2: 0xc0})
	for p := range 2 {
		if r := l.locate(p, 1<<64-1); !r.is(8, 0, 5) {
			t.Errorf("end of data of partition %d: %v", p, r)
		}
		if partition, object, file := l.position(); partition != uint64(p) || object != 7 || file != 4 {
			t.Errorf("end of data of partition %d is %d/%d/%d", p, partition, object, file)
		}
		if r := l.locate(p, 5); !r.good() {
			t.Fatal(r)
		}
		if got := l.ask(wire(8, 2, u24(1<<16), 0), 1<<16); string(got) != "<ltfsindex>g" {
			t.Errorf("index of partition %d: %q", p, got)
		}
	}
	// Data and its index at the end of the second partition; the index of the first is written over, which has to be allowed.
	if r := l.locate(1, 7); !r.good() {
		t.Fatal(r)
	}
	for range 10 {
		l.write(strings.Repeat("data", 1<<16))
	}
	l.mark()
	l.index(2)
	if r := l.locate(0, 5); !r.good() {
		t.Fatal(r)
	}
	if r := l.cmd(wire(0x0a, 0, u24(4), 0), 0, []byte("data")); r.key != 7 {
		t.Errorf("written over: %v", r)
	}
	l.ask(wire(0x82, 0, 1, 0, uint64(5), uint32(0)), 0)
	before := l.attribute(0, 9)
	l.index(3)
	l.coherent(0)
	l.coherent(1)
	if !bytes.Equal(l.attribute(0, 9), before) {
		t.Error("the volume change reference is another after the second write")
	}
	if _, object, _ := l.position(); object != 7 {
		t.Errorf("behind the index is object %d", object)
	}
	// Unmounted: append-only mode ends without the cartridge; nobody else has to wait any more.
	l.ask(wire(0x1b, 0, 0, 0, 0, 0), 0)
	k.unload()
	l.sets(0x10, 1, map[int]byte{5: 0x02})
	l.tell(wire(0x5f, 0, 0, 0, 0, uint32(24), 0), wire(uint64(0x1234), uint64(0), uint64(0)))
}
