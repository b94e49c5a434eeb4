package device_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A modeDisk keeps mode pages, or fails.
type modeDisk struct {
	mu    sync.Mutex
	pages []byte
	err   error
	saves int
}

func (d *modeDisk) Load(context.Context) ([]byte, error) { return d.pages, d.err }

func (d *modeDisk) Save(_ context.Context, pages []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saves++
	if d.err == nil {
		d.pages = slices.Clone(pages)
	}
	return d.err
}

func (d *modeDisk) fails(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// save is MODE SELECT with SP.
func (b *bench) save(s *loopback.Session, list []byte) loopback.Result {
	b.Helper()
	r, _ := b.do(s, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Save: true, Length: uint16(len(list))}.Append(nil), list, 0)
	return r
}

func (b *bench) savedPage(s *loopback.Session, code byte) []byte {
	b.Helper()
	c := cdb.ModeSense{Opcode: scsi.OpModeSense10, Control: cdb.PageSaved, Page: code, Allocation: 255}
	return b.good(s, c.Append(nil), nil, 255)[8:]
}

// Values that cannot be saved are set, told to the others, and are gone after a reset; the
// answer says that they were not saved.
func TestSaveFails(t *testing.T) {
	d := &modeDisk{}
	b := newBenchWith(t, 0, keepers{modes: d})
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	if r := b.save(s, slices.Concat(header6, []byte{boxPage, 3, 0x11, 0, 9})); r.Err() != nil {
		t.Fatal(r.Err())
	}
	b.told(other, scsi.ASCModeParametersChanged)
	d.fails(scsi.NotReady(scsi.ASCBecomingReady))
	if r := b.save(s, slices.Concat(header6, box)); r.Sense != scsi.NotReady(scsi.ASCBecomingReady) {
		t.Errorf("%v %v", r.Status, r.Sense)
	}
	b.told(other, scsi.ASCModeParametersChanged)
	if now, saved := b.modePage(s, boxPage), b.savedPage(s, boxPage); now[2] != 0x55 || saved[2] != 0x11 {
		t.Errorf("the page is %x, saved %x", now, saved)
	}
	d.fails(errors.New("broken"))
	b.fails(s, []byte{0x15, 0x11, 0, 0, 0, 0}, nil, scsi.InternalTargetFailure())
	d.fails(nil)
	saves := d.saves
	b.fails(s, []byte{0x15, 0x11, 0, 0, 9, 0}, slices.Concat(header6, []byte{boxPage, 3, 1, 1, 9}), scsi.InvalidFieldInParameterList(7, 0))
	if d.saves != saves {
		t.Error("a list that was refused was saved")
	}
	// A page that does not change has what it has by default, saved or not.
	if p := b.savedPage(s, page.ModeExceptions); p[0] != page.ModeExceptions {
		t.Errorf("%x", p)
	}
}

// What was kept by another version of the program is used as far as it fits.
func TestLoadedPages(t *testing.T) {
	sense := control
	sense.DescriptorSense, sense.TaskSets = true, 7
	for name, c := range map[string]struct {
		kept []byte
		want byte // of the box page
		desc bool // the control page has D_SENSE
	}{
		"nothing":               {nil, 0, false},
		"one page":              {box, 0x55, false},
		"other fixed bits":      {[]byte{boxPage | 0x80, 3, 0x55, 7, 7}, 0x55, false},
		"longer":                {[]byte{boxPage, 4, 0x55, 0, 9, 0}, 0, false},
		"a page that is not":    {slices.Concat([]byte{0x3d, 1, 7}, box), 0x55, false},
		"a subpage that is not": {slices.Concat([]byte{boxPage | 0x40, 1, 0, 1, 7}, box), 0x55, false},
		"values that may not":   {sense.Append(nil), 0, false},
		"all":                   {slices.Concat(controlSense.Append(nil), box), 0x55, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBenchWith(t, 0, keepers{modes: &modeDisk{pages: c.kept}})
			s := b.login(1, loopback.Options{})
			if got := b.modePage(s, boxPage); !bytes.Equal(got, []byte{boxPage | 0x80, 3, c.want, 0, 9}) {
				t.Errorf("the page is %x", got)
			}
			if r, _ := b.do(s, []byte{0xff, 5: 0}, nil, 0); r.Descriptor != c.desc {
				t.Errorf("D_SENSE is %v", r.Descriptor)
			}
			if got, want := b.p.reverted.Load(), map[bool]int64{true: 1}[c.want != 0]; got != want {
				t.Errorf("the unit was told %d times", got)
			}
		})
	}
	for name, d := range map[string]*modeDisk{
		"broken": {err: errors.New("broken")}, "cut off": {pages: box[:4]}, "half a header": {pages: []byte{0x40 | boxPage, 0, 0}},
	} {
		if _, err := device.New(device.Config{ModeKeeper: d}); err == nil || !strings.HasPrefix(err.Error(), "saved mode pages: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any bytes that a keeper may have: an error, or pages that MODE SELECT could have made.
func FuzzLoadModes(f *testing.F) {
	f.Add([]byte{})
	f.Add(slices.Concat(controlSense.Append(nil), box))
	f.Fuzz(func(t *testing.T, kept []byte) {
		now := []byte{boxPage, 3, 0, 0, 9}
		s, err := device.New(device.Config{ModeKeeper: &modeDisk{pages: kept}, Modes: []*device.ModePage{{
			Default: now, Changeable: []byte{boxPage, 3, 0x0f, 0, 0}, Apply: func(*target.ITL, []byte) error { return nil },
			Reverted: func(p []byte) { now = slices.Clone(p) },
		}}})
		if err != nil {
			return
		}
		if len(now) != 5 || now[0] != boxPage || now[1] != 3 || now[2]&0xf0 != 0 || now[3] != 0 || now[4] != 9 {
			t.Fatalf("%x is used as %x", kept, now)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
