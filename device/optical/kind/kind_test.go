package kind

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/store/record"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files are stores on files, as the daemon opens them.
type files struct {
	named map[string]string // path by name of a store of the document

	mu   sync.Mutex
	open map[string]int // by path
}

func (f *files) Names() (all []string) {
	for name := range f.named {
		all = append(all, name)
	}
	return all
}

func (f *files) Open(ctx context.Context, name string) (plugin.Opened, error) {
	return f.OpenPath(ctx, f.named[name], false)
}

func (f *files) OpenPath(_ context.Context, path string, readOnly bool) (plugin.Opened, error) {
	s, err := file.Open(file.Config{Path: path, ReadOnly: readOnly, IO: "threads"})
	if err != nil {
		return plugin.Opened{}, err
	}
	count := func(n int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open == nil {
			f.open = make(map[string]int)
		}
		f.open[path] += n
	}
	count(1)
	return plugin.Opened{Store: s, Label: "file " + path, Taken: func() {}, Closed: func() { count(-1) }}, nil
}

// left are the files that are open.
func (f *files) left() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, n := range f.open {
		if n != 0 {
			all = append(all, path)
		}
	}
	return all
}

// values are the options of a unit in a document.
func values(t testing.TB, given map[string]string) model.Values {
	t.Helper()
	v := model.Values{"settings": own, "reservations": model.Auto}
	for name, text := range given {
		switch name {
		case "writable":
			v[name] = text == "true"
		default:
			v[name] = text
		}
	}
	return v
}

// A drive is a unit that is open, with an initiator that is logged in.
type drive struct {
	testing.TB
	plugin.Unit
	files *files
	s     *loopback.Session
}

// opened opens a unit.
func opened(t testing.TB, f *files, given map[string]string) *drive {
	t.Helper()
	arena := buffer.NewArena(16 << 20)
	units, err := open(context.Background(), plugin.Parts{
		Name: "cd", Log: slog.New(slog.DiscardHandler), Note: func(plugin.Notice) {}, Values: values(t, given), Arena: arena, Stores: f,
	})
	if err != nil {
		t.Fatal(err)
	}
	u := target.NewUnit("cd", units[0].LU)
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:test", target.Mapping{Unit: u})
	if err != nil {
		t.Fatal(err)
	}
	port := &target.Port{Target: tgt, Protocol: scsi.ProtocolISCSI, Relative: 1, Name: "iqn.2026-11.io.lunette:test,t,0x0001"}
	d := &drive{t, units[0], f, loopback.Login(port, target.Initiator{Name: "iqn.host", Port: scsi.ISCSIPort("iqn.host", [6]byte{5: 1})}, loopback.Options{})}
	t.Cleanup(func() {
		if err := d.s.Close(); err != nil {
			t.Error(err)
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
		if left := f.left(); len(left) > 0 {
			t.Errorf("%v are open", left)
		}
		if _, err := d.Act(context.Background(), doEject, model.Values{}); !errors.Is(err, optical.ErrClosed) {
			t.Errorf("the drive is closed, and acts: %v", err)
		}
		d.Describe()
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// do is a command past unit attentions.
func (d *drive) do(c []byte, room int) (scsi.Sense, []byte) {
	d.Helper()
	for {
		r, data, err := d.s.Do(context.Background(), 0, c, nil, room)
		switch {
		case err != nil:
			d.Fatal(err)
		case r.Status == scsi.Good:
			return scsi.Sense{}, data
		case r.Sense.Key != scsi.KeyUnitAttention:
			return r.Sense, nil
		}
	}
}

// first is the first byte of block 16 of the disc.
func (d *drive) first() byte {
	d.Helper()
	why, data := d.do(cdb.ReadWrite{Opcode: scsi.OpRead10, LBA: 16, Blocks: 1}.Append(nil), 2048)
	if !why.IsZero() {
		d.Fatal(why)
	}
	return data[2047]
}

// discImage makes the image of a disc whose block 16 ends with mark.
func discImage(t testing.TB, path string, mark byte) string {
	t.Helper()
	data := make([]byte, 20*2048)
	copy(data[16*2048:], "\x01CD001\x01\x00")
	data[17*2048-1] = mark
	copy(data[17*2048:], "\xffCD001\x01\x00")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (d *drive) act(action string, args model.Values) (any, error) {
	return d.Act(context.Background(), action, args)
}

func TestActions(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	discImage(t, filepath.Join(dir, "one.iso"), 1)
	two := discImage(t, filepath.Join(dir, "two.img"), 2)
	three := discImage(t, filepath.Join(elsewhere, "three.iso"), 3)
	if err := os.Symlink(three, filepath.Join(dir, "out.iso")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("these are discs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := opened(t, &files{}, map[string]string{"disc": "one", "library": dir})
	if n := d.first(); n != 1 {
		t.Errorf("disc %d is there at first", n)
	}
	for _, c := range []struct {
		medium string
		mark   byte
	}{{"two.img", 2}, {"one.iso", 1}, {three, 3}, {"one", 1}, {"one", 1}} {
		got, err := d.act(doLoad, model.Values{"medium": c.medium})
		if err != nil {
			t.Fatal(c.medium, err)
		}
		if r := got.(result); r.Profile != "CD-ROM" || r.Size != 20*2048 || r.Tray != "closed" || r.Writable || !strings.HasPrefix(filepath.Base(c.medium), strings.TrimSuffix(filepath.Base(r.Disc), ".iso")) && c.medium != filepath.Base(r.Disc) {
			t.Errorf("%s: %+v", c.medium, r)
		}
		if n := d.first(); n != c.mark {
			t.Errorf("%s: disc %d", c.medium, n)
		}
	}
	if left := d.files.left(); len(left) != 1 {
		t.Errorf("%v are open", left)
	}
	for medium, want := range map[string]string{
		"../" + filepath.Base(elsewhere) + "/three.iso": "outside of the library",
		"out.iso":                      "give the whole path",
		"folder":                       "is no file",
		"four":                         "the action \"ls\" lists",
		filepath.Join(dir, "four.iso"): "four.iso",
		"":                             "",
	} {
		if _, err := d.act(doLoad, model.Values{"medium": medium}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", medium, err, want)
		}
	}
	if _, err := d.act(doLoad, model.Values{"medium": "four"}); !errors.Is(err, plugin.ErrNotThere) {
		t.Error(err)
	}
	if n := d.first(); n != 1 {
		t.Errorf("disc %d after discs that are not there", n)
	}
	list, err := d.act(doLs, model.Values{})
	if err != nil {
		t.Fatal(err)
	}
	images := list.(listing).Images
	if len(images) != 2 || images[0].Name != "one.iso" || !images[0].Loaded || images[1].Name != "two.img" || images[1].Loaded || images[1].path != two {
		t.Errorf("%+v", images)
	}
	if list.(listing).Incomplete {
		t.Error("the list is said to be incomplete")
	}
	// A list of less than all says so.
	if list, err := d.LU.(*unit).list(1); err != nil || !list.(listing).Incomplete || len(list.(listing).Images) > 1 {
		t.Errorf("%+v, %v", list, err)
	}
	// Prevented: asked, and by force.
	if why, _ := d.do(cdb.Prevent{Mode: 1}.Append(nil), 0); !why.IsZero() {
		t.Fatal(why)
	}
	for _, act := range []string{doLoad, doEject} {
		if _, err := d.act(act, model.Values{"medium": "two.img"}); !errors.Is(err, optical.ErrPrevented) || !strings.Contains(err.Error(), "iqn.host") {
			t.Errorf("%s: %v", act, err)
		}
	}
	got, err := d.act(doEject, model.Values{"force": true})
	if r, ok := got.(result); err != nil || !ok || r.Disc != "" || r.Tray != "open" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := d.act(doEject, model.Values{}); !errors.Is(err, optical.ErrEmpty) || !errors.Is(err, plugin.ErrNotThere) {
		t.Error(err)
	}
	if x := d.Describe(); !strings.Contains(x.Summary, "empty") || !strings.Contains(x.Summary, "open") {
		t.Error(x.Summary)
	}
}

// What an image is opened for follows the option writable; a file that cannot be written is a disc that cannot be.
func TestWritable(t *testing.T) {
	dir := t.TempDir()
	path := discImage(t, filepath.Join(dir, "a.img"), 1)
	d := opened(t, &files{}, map[string]string{"disc": path, "writable": "true"})
	if x := d.Describe(); !strings.Contains(x.Summary, "DVD+RW") || !strings.Contains(x.Summary, "read-write") {
		t.Error(x.Summary)
	}
	// The disc that is in the drive is put in again, after an initiator has opened the tray.
	if why, _ := d.do(cdb.StartStop{LoadEject: true}.Append(nil), 0); !why.IsZero() {
		t.Fatal(why)
	}
	for range 2 {
		got, err := d.act(doLoad, model.Values{"medium": path})
		if r, ok := got.(result); err != nil || !ok || r.Disc != path || r.Tray != "closed" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n := d.first(); n != 1 {
		t.Errorf("disc %d", n)
	}
	if _, err := d.act(doLs, model.Values{}); err == nil || !strings.Contains(err.Error(), "option library") {
		t.Error(err)
	}
	if _, err := d.act(doLoad, model.Values{"medium": "a.img"}); err == nil || !strings.Contains(err.Error(), "the whole path") {
		t.Error(err)
	}
}

// The disc at first may be the store of the document; serial numbers do not follow from discs.
func TestStoreOfTheDocument(t *testing.T) {
	dir := t.TempDir()
	one, two := discImage(t, filepath.Join(dir, "one.iso"), 1), discImage(t, filepath.Join(dir, "two.iso"), 2)
	d := opened(t, &files{named: map[string]string{"": one}}, nil)
	if n := d.first(); n != 1 {
		t.Errorf("disc %d", n)
	}
	serial := d.LU.(*unit).Identity().Serial
	if _, err := d.act(doLoad, model.Values{"medium": two}); err != nil {
		t.Fatal(err)
	}
	if n := d.first(); n != 2 {
		t.Errorf("disc %d", n)
	}
	for _, name := range []string{one, "file " + one} { // it comes back, though nobody can open it a second time
		if _, err := d.act(doEject, model.Values{}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.act(doLoad, model.Values{"medium": name}); err != nil {
			t.Fatal(err)
		}
		if n := d.first(); n != 1 {
			t.Errorf("disc %d", n)
		}
	}
	if _, err := d.Change(t.Context(), plugin.Changing{New: values(t, nil), Sizes: map[string]int64{"": 1 << 20}}); err == nil {
		t.Error("a disc has another size")
	}
	empty := opened(t, &files{}, nil)
	if got := empty.LU.(*unit).Identity().Serial; got != serial {
		t.Errorf("serial number %s without a disc, %s with one", got, serial)
	}
	if why, _ := empty.do(cdb.AppendTestUnitReady(nil), 0); why != scsi.NotReady(scsi.ASCMediumNotPresentTrayClosed) {
		t.Error(why)
	}
}

// A disc that can be written, and whose file was taken away, is not put in again: the tray stays as it is.
func TestLoadOfAFileThatIsGone(t *testing.T) {
	disc := discImage(t, filepath.Join(t.TempDir(), "disc.iso"), 1)
	d := opened(t, &files{}, map[string]string{"disc": disc, "writable": "true"})
	if err := os.Remove(disc); err != nil {
		t.Fatal(err)
	}
	if v, err := d.act(doLoad, model.Values{"medium": disc}); err == nil {
		t.Error(v)
	}
}

// Registrations with APTPL are kept where the document says, or in the state directory; without either they are refused.
func TestReservationsAreKept(t *testing.T) {
	register := func(d *drive) scsi.Sense {
		list := make([]byte, 24)
		list[15], list[20] = 1, 1 // SERVICE ACTION RESERVATION KEY, APTPL
		c := cdb.PersistentOut{Action: scsi.ActionRegisterAndIgnoreExistingKey, Length: 24}.Append(nil)
		for {
			r, _, err := d.s.Do(context.Background(), 0, c, list, 0)
			switch {
			case err != nil:
				t.Fatal(err)
			case r.Status == scsi.Good:
				return scsi.Sense{}
			case r.Sense.Key != scsi.KeyUnitAttention:
				return r.Sense
			}
		}
	}
	at := filepath.Join(t.TempDir(), "kept")
	for _, c := range []struct {
		where string
		kept  bool
	}{{model.Auto, false}, {none, false}, {at, true}} {
		if why := register(opened(t, &files{}, map[string]string{"reservations": c.where})); why.IsZero() != c.kept {
			t.Errorf("%s: %v", c.where, why)
		}
	}
	keep := func(name string) store.Record { return record.At(filepath.Join(t.TempDir(), "state")).Slot(name) }
	if r, claims, err := reservations(plugin.Parts{Values: values(t, nil), Keep: keep}); r == nil || claims != nil || err != nil {
		t.Error(r, claims, err)
	}
	if _, _, err := reservations(plugin.Parts{Values: values(t, map[string]string{"reservations": at + "/no/file"})}); err == nil {
		t.Error("a file in no directory is taken")
	}
}

func TestFits(t *testing.T) {
	dir := t.TempDir()
	path := discImage(t, filepath.Join(dir, "one.iso"), 1)
	for _, c := range []struct {
		given  map[string]string
		stores map[string]plugin.Found
		want   string
	}{
		{nil, nil, ""},
		{map[string]string{"disc": path}, nil, ""},
		{map[string]string{"disc": "one", "library": dir}, nil, ""},
		{map[string]string{"disc": "two", "library": dir}, nil, "no such image"},
		{map[string]string{"disc": "one"}, nil, "no library"},
		{map[string]string{"disc": path}, map[string]plugin.Found{"": {Size: 1 << 20}}, "leave one of the two out"},
		{nil, map[string]plugin.Found{"": {Size: 1024}}, "less than one block"},
		{nil, map[string]plugin.Found{"": {Size: 1 << 20}}, ""},
		{map[string]string{"library": path}, nil, "not a directory"},
		{map[string]string{"library": filepath.Join(dir, "no")}, nil, "make that directory"},
	} {
		err := fits(values(t, c.given), c.stores)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.given, err, c.want)
		}
	}
	images := t.TempDir()
	for _, name := range []string{"small.iso", "LARGE.ISO"} {
		discImage(t, filepath.Join(images, name), 1)
		for _, text := range []string{name, name[:5]} {
			if path, err := (library{images}).find(text); path != filepath.Join(images, name) {
				t.Error(path, err)
			}
		}
	}
	if _, err := (library{}).find("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
