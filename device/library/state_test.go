package library_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/device/library"
)

// file is a state with some changes.
func (b *bench) file() (path string, content []byte) {
	b.Helper()
	path = filepath.Join(b.store, "libraries", "test.state")
	content, err := os.ReadFile(path)
	b.ok(err)
	return path, content
}

func TestStateOnDisk(t *testing.T) {
	b, ctx := newBench(t, 1, 1, 2), t.Context()
	b.make(1)
	b.ok(b.Move(ctx, 1000, 100))
	_, got := b.file()
	want := `{"version":1,"library":"test","seq":2,"shape":{"slots":2,"mail":1,"drives":1},"elements":[]}
{"seq":3,"set":[{"at":"s1","barcode":"LUN001L8","source":1,"format":"L8","capacity":12000000000000}]}
{"seq":4,"set":[{"at":"s1"},{"at":"d0","barcode":"LUN001L8","source":1,"format":"L8","capacity":12000000000000}]}
`
	var texts strings.Builder
	for line := range strings.Lines(string(got)) {
		texts.WriteString(line[9:])
	}
	if texts.String() != want {
		t.Errorf("%s", texts.String())
	}
}

// A file that is damaged, but for its end, is not used; nor is one of a newer version.
func TestDamagedStates(t *testing.T) {
	b, ctx := newBench(t, 1, 1, 3), t.Context()
	b.make(2)
	b.ok(b.Move(ctx, 1000, 100))
	b.shut()
	path, whole := b.file()
	open := func(content []byte) error {
		b.ok(os.WriteFile(path, content, 0o600))
		l, err := library.Open(ctx, b.cfg)
		if err == nil {
			b.ok(l.Close())
		}
		return err
	}
	lines := bytes.SplitAfter(whole, []byte{'\n'})
	last := len(whole) - len(lines[len(lines)-2])
	for n := range whole {
		err := open(whole[:n])
		if n < len(lines[0]) {
			if !errors.Is(err, library.ErrState) || !strings.Contains(err.Error(), path) {
				t.Fatalf("%d bytes: %v", n, err)
			}
		} else if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 0x01
		if err := open(bad); (err != nil) != (i < last-1) { // from the end of the last but one on it looks like a record that is cut off
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for _, tail := range []string{"x", "\x00\x00\x00\x00", "\n", strings.Repeat("\x00", 5000), "0123 {}\n\x00\x00"} { // what a disk may leave of what was not synchronized
		if err := open(append(bytes.Clone(whole), tail...)); err != nil {
			t.Errorf("%q: %v", tail, err)
		}
	}
	b.ok(os.WriteFile(path, whole, 0o600))
	b.open()
	if b.at(100).Barcode != "LUN001L8" {
		t.Errorf("%+v", b.Elements())
	}
}

// What is cut off at the end does not stay: changes follow what counts.
func TestChangesFollowACut(t *testing.T) {
	b, ctx := newBench(t, 1, 1, 3), t.Context()
	b.make(2)
	b.ok(b.Move(ctx, 1000, 1002))
	b.shut()
	path, whole := b.file()
	b.ok(os.WriteFile(path, whole[:len(whole)-7], 0o600))
	b.open()
	if b.at(1000).Barcode != "LUN001L8" { // the move was not durable
		t.Errorf("%+v", b.Elements())
	}
	b.ok(b.Move(ctx, 1001, 1002))
	b.again()
	if b.at(1002).Barcode != "LUN002L8" {
		t.Errorf("%+v", b.Elements())
	}
}

// The file does not grow with what happens.
func TestRewrite(t *testing.T) {
	b, ctx := &bench{TB: t, store: storeOf(t), media: newMedia()}, t.Context()
	b.cfg = library.Config{Store: b.store, Name: "test", Set: formats, Slots: 2, Media: b.media}
	b.cfg.Model.Addresses.Storage = 1000
	b.open()
	b.make(1)
	for range library.RewriteAfter/2 + 10 {
		b.ok(b.Move(ctx, 1000, 1001))
		b.ok(b.Move(ctx, 1001, 1000))
	}
	if _, content := b.file(); bytes.Count(content, []byte{'\n'}) > library.RewriteAfter {
		t.Errorf("%d records", bytes.Count(content, []byte{'\n'}))
	}
	b.again()
	if b.at(1000).Barcode != "LUN001L8" {
		t.Errorf("%+v", b.Elements())
	}
	b.shut()
}

// A change that cannot be made durable is not made, and the next one can.
func TestFullDisk(t *testing.T) {
	b, ctx := newBench(t, 1, 0, 3), t.Context()
	b.make(1)
	b.shut()
	path, whole := b.file()
	b.ok(os.Rename(path, path+".kept"))
	b.ok(os.Symlink("/dev/full", path))
	if _, err := library.Open(ctx, b.cfg); err == nil {
		t.Error("opened")
	}
	b.ok(os.Remove(path))
	b.ok(os.WriteFile(path, whole, 0o600))
	b.open()
	b.SetPoint(func(place string) {
		if place == "library.unloaded" { // nothing can be written any more
			b.ok(b.Sabotage())
		}
	})
	if err := b.Move(ctx, 1000, 100); err == nil || b.drives[0].Status().Loaded || !b.at(1000).Full || len(b.media.open) != 0 {
		t.Errorf("%v %+v", err, b.Elements())
	}
	b.SetPoint(func(string) {})
	b.ok(b.Move(ctx, 1000, 100))
	b.again()
	if b.at(100).Barcode != "LUN001L8" {
		t.Errorf("%+v", b.Elements())
	}
}

// A library keeps room for moves for itself, where the file system can do that.
func TestRoomForMoves(t *testing.T) {
	b, ctx := newBench(t, 1, 0, 3), t.Context()
	b.make(1)
	probe, err := os.Create(filepath.Join(b.store, "probe"))
	b.ok(err)
	defer probe.Close()
	if err := unix.Fallocate(int(probe.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 1<<16); err != nil {
		t.Skipf("the file system of %s keeps no room for a file: %v", b.store, err)
	}
	for _, again := range []func(){func() {}, b.again} {
		again()
		b.ok(b.Move(ctx, 1000, 100))
		b.ok(b.Move(ctx, 100, 1000))
		path, content := b.file()
		var st unix.Stat_t
		b.ok(unix.Stat(path, &st))
		if n := st.Blocks * 512; n < int64(len(content))+200<<10 {
			t.Errorf("%d bytes have %d of the disk", len(content), n)
		}
	}
}

func FuzzState(f *testing.F) {
	b := newBench(f, 1, 1, 3)
	b.make(2)
	b.ok(b.Move(context.Background(), 1000, 100))
	_, whole := b.file()
	f.Add(whole)
	f.Add([]byte(`00000000 {"version":1}` + "\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		again, size, err := library.Decode(content)
		if err != nil {
			return
		}
		if size > len(content) {
			t.Fatalf("%d of %d bytes count", size, len(content))
		}
		twice, n, err := library.Decode(again)
		if err != nil || n != len(again) || !bytes.Equal(twice, again) {
			t.Fatalf("%s becomes %s, %v", again, twice, err)
		}
	})
}

// FuzzRecords are records whose checksums are right.
func FuzzRecords(f *testing.F) {
	f.Add(`{"version":1,"library":"test","seq":2,"shape":{"slots":2,"mail":1,"drives":1},"elements":[]}`,
		`{"seq":3,"set":[{"at":"s1","barcode":"LUN001L8","source":1,"format":"L8"}]}`)
	f.Add(`{"version":1,"library":"t","seq":1,"shape":{},"elements":[{"at":"d0","barcode":"A"}],"relabel":{"from":"A","to":"B"}}`, `{"seq":2,"set":[],"ends":true}`)
	f.Add(`{"version":2}`, ``)
	f.Fuzz(func(t *testing.T, first, second string) {
		content := library.Seal(first, second)
		again, _, err := library.Decode(content)
		if err != nil {
			return
		}
		if twice, _, err := library.Decode(again); err != nil || !bytes.Equal(twice, again) {
			t.Fatalf("%s becomes %s, %v", again, twice, err)
		}
	})
}

func TestRecordsThatAreRefused(t *testing.T) {
	const first = `{"version":1,"library":"t","seq":5,"shape":{"slots":2,"mail":1,"drives":1},"elements":[{"at":"s1","barcode":"A"}]}`
	if _, _, err := library.Decode(library.Seal(first, `{"seq":6,"set":[{"at":"s2","barcode":"B"}]}`)); err != nil {
		t.Fatal(err)
	}
	for what, records := range map[string][2]string{
		"newer":             {`{"version":2,"something":1}`, ""},
		"no version":        {`{"library":"t","seq":5}`, ""},
		"an unknown field":  {`{"version":1,"library":"t","seq":5,"x":1}`, ""},
		"no sequence":       {`{"version":1,"library":"t"}`, ""},
		"a change is left":  {first, `{"seq":7,"set":[]}`},
		"twice in elements": {first, `{"seq":6,"set":[{"at":"s2","barcode":"A"}]}`},
		"set twice":         {first, `{"seq":6,"set":[{"at":"s2"},{"at":"s2"}]}`},
		"no element":        {first, `{"seq":6,"set":[{"at":"x2"}]}`},
		"slot 0":            {first, `{"seq":6,"set":[{"at":"s0"}]}`},
		"slot 70000":        {first, `{"seq":6,"set":[{"at":"s70000"}]}`},
		"no barcode":        {first, `{"seq":6,"set":[{"at":"s2","barcode":"../x"}]}`},
		"no source":         {first, `{"seq":6,"set":[{"at":"s2","barcode":"B","source":-1}]}`},
		"a relabel":         {first, `{"seq":6,"set":[],"relabel":{"from":"A","to":"a/b"}}`},
		"no JSON":           {first, `{`},
	} {
		_, _, err := library.Decode(library.Seal(records[0], records[1]))
		if want := library.ErrState; what == "newer" && !errors.Is(err, library.ErrNewer) || what != "newer" && !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	for text, want := range map[string]library.Place{
		"slot5": slot(5), "Slot 5": slot(5), "slot-5": slot(5), "mail2": mail(2), "mail slot 2": mail(2), "drive0": inDrive(0), "drive 12": inDrive(12),
		"shelf": library.Shelf, "slot": slot(library.Any), "mail": mail(library.Any), "drive": inDrive(library.Any),
	} {
		if got, err := library.ParsePlace(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if got, err := library.ParsePlace(want.String()); want.Index != library.Any && (err != nil || got != want) {
			t.Errorf("%q: %+v, %v", want.String(), got, err)
		}
	}
	for _, text := range []string{"", "5", "slot0", "mail0", "slot65536", "slot99999999999999999999", "shelf1", "tray1", "slot1x", "slot -1"} {
		if got, err := library.ParsePlace(text); err == nil && text != "slot -1" {
			t.Errorf("%q is %+v", text, got)
		}
	}
	for _, barcode := range []string{"", ".", "..", ".hidden", "a/b", " a", "a ", "a\x00", "ä", strings.Repeat("x", 33)} {
		if library.CheckBarcode(barcode) == nil {
			t.Errorf("%q is a barcode", barcode)
		}
	}
	if err := library.CheckBarcode("LUN001L8"); err != nil {
		t.Error(err)
	}
}

// BenchmarkMove is what a move costs with 10,000 cartridges: one fdatasync.
func BenchmarkMove(b *testing.B) {
	l := newScale(b, 0, 10_001, 10_000)
	ctx := context.Background()
	from, to := uint16(1000), uint16(11_000)
	for b.Loop() {
		l.ok(l.Move(ctx, from, to))
		from, to = to, from
	}
}

// BenchmarkOpen is a start with 100 drives that are loaded, and 10,000 cartridges.
func BenchmarkOpen(b *testing.B) {
	l := newScale(b, 100, 10_000, 10_000)
	for i := range 100 {
		l.ok(l.Move(context.Background(), uint16(1000+i), uint16(100+i)))
	}
	for b.Loop() {
		l.again()
	}
	l.shut()
}

// BenchmarkElements is what READ ELEMENT STATUS asks for after a move, with 10,000 cartridges and 100 drives.
func BenchmarkElements(b *testing.B) {
	l := newScale(b, 100, 10_000, 10_000)
	for b.Loop() {
		l.drives[0].prevent(!l.drives[0].Status().Prevented) // so that it is made anew
		if n := len(l.Elements()); n != 10_101 {
			b.Fatal(n)
		}
	}
}

// newScale is a library with so many cartridges.
func newScale(t testing.TB, drives, slots, cartridges int) *bench {
	t.Helper()
	b := newBench(t, drives, 0, slots)
	b.shut()
	// Cartridges are directories here: the benchmarks are not about making them.
	var records []string
	var first strings.Builder
	fmt.Fprintf(&first, `{"version":1,"library":"test","seq":2,"shape":{"slots":%d,"mail":0,"drives":%d},"elements":[`, slots, drives)
	for i := range cartridges {
		barcode := fmt.Sprintf("C%05dL8", i)
		b.ok(b.media.Create(filepath.Join(b.store, "cartridges", barcode), specOf(barcode)))
		if i > 0 {
			first.WriteByte(',')
		}
		fmt.Fprintf(&first, `{"at":"s%d","barcode":"%s","source":%d,"format":"L8"}`, i+1, barcode, i+1)
	}
	records = append(records, first.String()+"]}")
	path, _ := b.file()
	b.ok(os.WriteFile(path, library.Seal(records...), 0o600))
	b.open()
	return b
}

// A start with 100 drives and 10,000 cartridges takes well under a second; this only looks that it is nothing like a minute.
func TestScale(t *testing.T) {
	b := newScale(t, 100, 10_000, 10_000)
	for i := range 100 {
		b.ok(b.Move(t.Context(), uint16(1000+i), uint16(100+i)))
	}
	start := time.Now()
	b.again()
	t.Logf("start: %v", time.Since(start))
	start = time.Now()
	if n := len(b.Elements()); n != 10_101 {
		t.Error(n)
	}
	t.Logf("inventory: %v", time.Since(start))
	if b.media.opened != 200 {
		t.Errorf("%d cartridges were opened", b.media.opened)
	}
}
