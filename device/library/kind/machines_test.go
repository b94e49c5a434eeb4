package kind

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A machine is a library with an initiator that is logged in to it: LUN 0 is the robot, and the drives follow.
type machine struct {
	*testing.T
	units []plugin.Unit
	*loopback.Session
}

// opened opens a library with options.
func opened(t *testing.T, options string) *machine {
	t.Helper()
	arena := buffer.NewArena(64 << 20)
	units, err := open(t.Context(), plugin.Parts{
		Name: "lib", Log: slog.New(slog.DiscardHandler), Note: func(plugin.Notice) {}, Values: values(t, options), Arena: arena,
	})
	if err != nil {
		t.Fatalf("%s: %v", options, err)
	}
	m := &machine{T: t, units: units}
	var luns []target.Mapping
	for i, u := range units {
		n, err := scsi.FlatLUN(uint32(i))
		if err != nil {
			t.Fatal(err)
		}
		luns = append(luns, target.Mapping{LUN: n, Unit: target.NewUnit(u.Name, u.LU)})
	}
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:test", luns...)
	if err != nil {
		t.Fatal(err)
	}
	port := &target.Port{Target: tgt, Protocol: scsi.ProtocolISCSI, Relative: 1, Name: "iqn.2026-11.io.lunette:test,t,0x0001"}
	m.Session = loopback.Login(port, target.Initiator{Name: "iqn.2026-11.io.lunette:me,i,0x800000000001"}, loopback.Options{})
	t.Cleanup(func() {
		if err := m.Session.Close(); err != nil {
			t.Error(err)
		}
		for _, u := range units {
			if err := u.LU.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// run runs a command past unit attentions.
func (m *machine) run(lun int, cdb []byte, room int) (scsi.Sense, []byte) {
	m.Helper()
	n, err := scsi.FlatLUN(uint32(lun))
	if err != nil {
		m.Fatal(err)
	}
	for range 8 {
		r, in, err := m.Do(m.Context(), n, cdb, nil, room)
		switch {
		case err != nil:
			m.Fatal(err)
		case r.Status == scsi.Good:
			return scsi.Sense{}, in
		case r.Status != scsi.CheckCondition:
			m.Fatalf("LUN %d: %x: %v", lun, cdb, r.Status)
		case r.Sense.Key != scsi.KeyUnitAttention:
			return r.Sense, in
		}
	}
	m.Fatalf("LUN %d: %x: nothing but unit attentions", lun, cdb)
	return scsi.Sense{}, nil
}

func (m *machine) act(action, args string) any {
	m.Helper()
	i := slices.IndexFunc(actions(), func(a plugin.Action) bool { return a.Name == action })
	v, err := model.Arguments([]byte(args), actions()[i].Arguments)
	if err != nil {
		m.Fatal(err)
	}
	result, err := m.units[0].Act(m.Context(), action, v)
	if err != nil {
		m.Fatalf("%s %s: %v", action, args, err)
	}
	return result
}

// inMemory makes an empty directory for a library, in memory where there is some: nothing here is about disks.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "lunette-kind-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// is checks INQUIRY data of a logical unit.
func (m *machine) is(lun int, t scsi.PeripheralType, vendor, product, revision string) {
	m.Helper()
	_, in := m.run(lun, []byte{byte(scsi.OpInquiry), 0, 0, 0, 96, 0}, 96)
	if got, want := string(in[8:36]), fmt.Sprintf("%-8s%-16s%-4s", vendor, product, revision); in[0] != byte(t) || in[1] != 0x80 || got != want {
		m.Errorf("LUN %d: type %02x, byte 1 %02x, %q, want %q", lun, in[0], in[1], got, want)
	}
}

// serial is the unit serial number of a logical unit.
func (m *machine) serial(lun int) string {
	m.Helper()
	_, in := m.run(lun, []byte{byte(scsi.OpInquiry), 1, 0x80, 0, 96, 0}, 96)
	return string(in[4 : 4+in[3]])
}

// Every library can be opened, calls itself what it is, has its elements where it says, and moves a cartridge into a drive and
// out of it.
func TestEveryLibrary(t *testing.T) {
	set, err := personality.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	dir := inMemory(t)
	for i, l := range set.Libraries {
		t.Run(l.Name, func(t *testing.T) {
			m := opened(t, fmt.Sprintf("{store: %s, name: n%d, library: %s, drives: [2xlto8], slots: 3, mail-slots: 1}", dir, i, l.Name))
			m.is(0, scsi.TypeChanger, l.Vendor, l.Product, l.Revision)
			if s := m.serial(0); len(s) < serialLength {
				t.Errorf("serial number %q", s)
			}
			_, in := m.run(0, []byte{0x1a, 8, 0x1d, 0, 255, 0}, 255)
			a := l.Addresses
			want := []uint16{a.Transport, 1, a.Storage, 3, a.Mail, 1, a.Drive, 2}
			for i, n := range want {
				if got := binary.BigEndian.Uint16(in[6+2*i:]); got != n {
					t.Errorf("page 1Dh has %d at %d, want %d", got, i, n)
				}
			}
			m.act(doCreate, fmt.Sprintf("{format: L8, barcode: X%05dL8, capacity: 4M}", i))
			move := func(from, to uint16) {
				t.Helper()
				c := make([]byte, 12)
				c[0] = 0xa5
				binary.BigEndian.PutUint16(c[2:], a.Transport)
				binary.BigEndian.PutUint16(c[4:], from)
				binary.BigEndian.PutUint16(c[6:], to)
				if s, _ := m.run(0, c, 0); s != (scsi.Sense{}) {
					t.Errorf("a move from %d to %d: %v", from, to, s)
				}
			}
			move(a.Storage, a.Drive+1)
			if s, _ := m.run(2, make([]byte, 6), 0); s != (scsi.Sense{}) {
				t.Errorf("the loaded drive: %v", s)
			}
			// The robot names the drive as the drive does itself.
			res := []byte{0xb8, 4, 0, 0, 0, 9, 1, 0, 2, 0, 0, 0}
			if _, in := m.run(0, res, 512); !strings.Contains(string(in), m.serial(2)) {
				t.Errorf("READ ELEMENT STATUS does not have the serial number %q", m.serial(2))
			}
			move(a.Drive+1, a.Mail)
			if s, _ := m.run(2, make([]byte, 6), 0); s.Key != scsi.KeyNotReady {
				t.Errorf("the empty drive: %v", s)
			}
		})
	}
}

// Every drive can be opened, calls itself what it is, takes the media that the table has for it, and refuses all others and
// lives on.
func TestEveryDrive(t *testing.T) {
	set, err := personality.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range set.Drives {
		names = append(names, d.Name)
	}
	m := opened(t, fmt.Sprintf("{store: %s, library: stk-sl500, drives: [%s], slots: 100}", inMemory(t), strings.Join(names, ", ")))
	for _, f := range set.Formats {
		kind := "data"
		if f.Name == "CU" {
			continue
		}
		m.act(doCreate, fmt.Sprintf("{format: %s, barcode: DAT001%s, capacity: 4M, type: %s}", f.Name, f.Name, kind))
	}
	for i, d := range set.Drives {
		m.is(1+i, scsi.TypeTape, d.Vendor, d.Product, d.Revision)
		if s := m.serial(1 + i); strings.TrimSpace(s) != driveSerial(m.serialOfLibrary(), i) {
			t.Errorf("%s has the serial number %q", d.Name, s)
		}
		for _, f := range set.Formats {
			u, takes := set.Use(d, f.Name)
			if f.Name == "CU" || !takes && (i+int(f.Density))%5 != 0 { // all that it takes, and some others
				continue
			}
			m.act(doLoad, fmt.Sprintf("{barcode: DAT001%s, drive: %d}", f.Name, i))
			s, _ := m.run(1+i, make([]byte, 6), 0)
			if ready := s == (scsi.Sense{}); ready != takes {
				t.Errorf("%s with %s: %v, and the table says %v", d.Name, f.Name, s, takes)
			}
			if takes {
				s, in := m.run(1+i, []byte{0x1a, 0, 0, 0, 12, 0}, 12)
				if s != (scsi.Sense{}) || len(in) < 12 {
					t.Fatalf("%s with %s: MODE SENSE: %v, %x", d.Name, f.Name, s, in)
				}
				if in[4] != u.Density || in[1] != f.MediumType || in[2]&0x80 == 0 != u.Write {
					t.Errorf("%s with %s: MODE SENSE has density %02x, medium type %02x, WP %v", d.Name, f.Name, in[4], in[1], in[2]&0x80 != 0)
				}
			}
			m.act(doUnload, fmt.Sprintf("{drive: %d}", i))
		}
		if s, _ := m.run(1+i, make([]byte, 6), 0); s.Key != scsi.KeyNotReady {
			t.Errorf("%s, empty: %v", d.Name, s)
		}
	}
}

// serialOfLibrary is the serial number that drives follow.
func (m *machine) serialOfLibrary() string { return m.units[0].LU.(robot).u.serial }

// A library cannot be opened where it is not, and leaves nothing open.
func TestNotOpened(t *testing.T) {
	dir := inMemory(t)
	for options, want := range map[string]string{
		"{store: " + filepath.Join(dir, "none") + ", drives: [lto8], slots: 3}": `"lunette vtl create NAME --store`,
		"{store: /proc/self/exe, drives: [lto8], slots: 3}":                     "is not a directory",
		"{store: " + dir + ", drives: [lto80], slots: 3}":                       "lto80",
	} {
		_, err := open(t.Context(), plugin.Parts{Name: "lib", Log: slog.New(slog.DiscardHandler), Note: func(plugin.Notice) {}, Values: values(t, options)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", options, err)
		}
	}
	m := opened(t, "{store: "+dir+", drives: [lto8], slots: 3}")
	if _, err := open(t.Context(), plugin.Parts{Name: "lib", Log: slog.New(slog.DiscardHandler), Note: func(plugin.Notice) {}, Values: values(t, "{store: "+dir+", drives: [lto8], slots: 3}")}); err == nil || !strings.Contains(err.Error(), "another") {
		t.Error(err)
	}
	if _, err := m.units[0].Act(t.Context(), "dance", nil); err == nil {
		t.Error("it dances")
	}
}
