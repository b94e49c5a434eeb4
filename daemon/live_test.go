package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/test/plugin/pipe"
	"github.com/lunette-io/lunette/transport/loopback"
)

// parts is a document of which tests take units, targets and portals.
func parts(t *testing.T, p *pipe.Process, text string) *model.Document {
	t.Helper()
	doc, err := model.Read("parts.yaml", []byte("version: 1\n"+text), with(p).Schema())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// load writes and reads 64 blocks of a LUN from base on, which nobody else has, until it is stopped, or something fails.
type load struct {
	stop    chan struct{}
	ended   chan error
	rounds  atomic.Int64
	session *pipe.Session
}

func startLoad(ctx context.Context, s *pipe.Session, lun, base int) *load {
	l := &load{stop: make(chan struct{}), ended: make(chan error, 1), session: s}
	go func() { l.ended <- l.run(ctx, lun, base) }()
	return l
}

func (l *load) run(ctx context.Context, lun, base int) error {
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return nil
		default:
		}
		data := bytes.Repeat([]byte{byte(i), byte(lun), 'x', 'y'}, 128)
		if _, err := blockOf(ctx, l.session, lun, base+i%64, data); err != nil {
			return err
		}
		got, err := blockOf(ctx, l.session, lun, base+i%64, nil)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, data) {
			return fmt.Errorf("block %d of LUN %d is another than was written", base+i%64, lun)
		}
		l.rounds.Add(1)
	}
}

// moves waits until the load has done more.
func (l *load) moves(t *testing.T) {
	t.Helper()
	for was := l.rounds.Load(); l.rounds.Load() < was+20; {
		select {
		case err := <-l.ended:
			t.Fatalf("the load has ended: %v", err)
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	if err := <-l.ended; err != nil {
		t.Error(err)
	}
}

// watch reads all that the API shows until the test ends.
func watch(t *testing.T, d *Daemon) {
	stop := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _, _ = d.Units(), d.Targets(), d.Sessions()
				time.Sleep(100 * time.Microsecond)
			}
		}
	})
	t.Cleanup(func() { close(stop); ended.Wait() })
}

const more = `units:
- {name: new, store: {kind: file, path: new.img, size: 1M}}
targets:
- {name: "iqn.2026-11.io.lunette:new", luns: {0: new}}
portals: ["pipe+process:///new"]
`

const newTarget = "iqn.2026-11.io.lunette:new"

// Units, targets and portals come and go while initiators of others read and write, and while the API
// is read: they see nothing of it.
func TestChangesUnderLoad(t *testing.T) {
	t.Chdir(t.TempDir())
	p := pipe.New()
	d := serving(t, p, foreign)
	watch(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	steady := []*load{
		startLoad(ctx, guest(t, p, "/lab/a", disks), 1, 0),
		startLoad(ctx, guest(t, p, "/lab/b", closed), 4, 0),
	}
	doc := parts(t, p, more)
	for round := range 3 {
		for _, step := range []func() error{
			func() error { return d.units.create(ctx, doc.Units[0]) },
			func() error { return d.targets.create(ctx, doc.Targets[0]) },
			func() error { return d.portals.create(ctx, doc.Portals[0]) },
		} {
			if err := step(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		first := startLoad(ctx, guest(t, p, "/lab/a", newTarget), 0, 0)
		second := startLoad(ctx, guest(t, p, "/new", newTarget), 0, 64)
		time.Sleep(time.Millisecond)

		// A portal that shows others lets nobody in to this one any more; who is there stays.
		if err := d.portals.show("pipe+process:///new", []string{closed}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Login("/new", newTarget, "guest:me"); err == nil {
			t.Error("let in by a portal that does not show the target any more")
		}
		if err := d.portals.close(ctx, "pipe+process:///new"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Login("/new", closed, "guest:me"); err == nil {
			t.Error("let in by a portal that is closed")
		}

		if err := d.units.remove(ctx, "new"); err == nil || err.Error() != "target "+newTarget+": LUN 0: there is no unit new" {
			t.Errorf("a unit that a target maps: %v", err)
		}
		if err := d.targets.remove(ctx, newTarget); err != nil {
			t.Fatal(err)
		}
		for _, l := range []*load{first, second} {
			if err := <-l.ended; !errors.Is(err, loopback.ErrDropped) {
				t.Errorf("a session with a target that was removed: %v", err)
			}
		}
		if err := d.units.remove(ctx, "new"); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat("new.img"); err != nil || info.Size() != 1<<20 {
			t.Errorf("what the unit held: %v, %v", info, err)
		}
		for _, l := range steady {
			l.moves(t)
		}
	}
	for _, l := range steady {
		l.end(t)
	}
	if n := len(d.Units()) + len(d.Targets()) + len(d.portals.load()); n != 4+2+3 {
		t.Errorf("%d units, targets and portals", n)
	}
}

// What cannot be changed changes nothing, and says why.
func TestChangesThatFail(t *testing.T) {
	t.Chdir(t.TempDir())
	p := pipe.New()
	d := serving(t, p, foreign)
	ctx := t.Context()
	unit := func(text string) model.Unit {
		return parts(t, p, "units: ["+text+"]\ntargets: [{name: \""+newTarget+"\", luns: {0: x}}]\n").Units[0]
	}
	target := func(text string) model.Target {
		return parts(t, p, "units: [{name: x, store: {kind: memory, size: 1M}}]\ntargets: ["+text+"]\n").Targets[0]
	}
	plain := d.doc().Units[1]
	before := fmt.Sprint(d.Units(), d.Targets())
	for want, change := range map[string]func() error{
		"unit x: no/x.img: ": func() error {
			return d.units.create(ctx, unit("{name: x, store: {kind: file, path: no/x.img, size: 1M}}"))
		},
		"unit x: disk: 512 bytes are less than one": func() error {
			return d.units.create(ctx, unit("{name: x, store: {kind: file, path: x.img, size: 512}, device: {kind: disk, block-size: 4096}}"))
		},
		"there is a unit plain already":             func() error { return d.units.create(ctx, plain) },
		"there is no unit x":                        func() error { return d.units.remove(ctx, "x") },
		closed + ": LUN 0: there is no unit plain":  func() error { return d.units.remove(ctx, "plain") },
		"LUN 0: there is no unit box/robot":         func() error { return d.units.remove(ctx, "box") },
		newTarget + ": LUN 0: there is no unit x":   func() error { return d.targets.create(ctx, target("{name: \""+newTarget+"\", luns: {0: x}}")) },
		"there is a target " + closed + " already":  func() error { return d.targets.create(ctx, d.doc().Targets[1]) },
		"there is no target " + newTarget:           func() error { return d.targets.remove(ctx, newTarget) },
		"there is no target x":                      func() error { return d.targets.update(ctx, model.Target{Name: "x"}) },
		"there is no portal pipe+process:///x":      func() error { return d.portals.close(ctx, "pipe+process:///x") },
		"///lab/a: there is no target " + newTarget: func() error { return d.portals.show("pipe+process:///lab/a", []string{newTarget}) },
		"there is no transport \"pipe+tcp\"":        func() error { return d.portals.create(ctx, model.Portal{Kind: "pipe+tcp"}) },
	} {
		if err := change(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if after := fmt.Sprint(d.Units(), d.Targets()); after != before {
		t.Errorf("something has changed:\n%s\n%s", before, after)
	}
	if left, _ := os.ReadDir("."); len(left) != 1 { // b.img
		t.Errorf("left behind: %v", left)
	}
}

// What a target maps, and what a unit is, change for those who are there: they are told, and see the new
// at once. Who reads and writes another LUN sees nothing of it.
func TestUpdatesUnderLoad(t *testing.T) {
	t.Chdir(t.TempDir())
	p := pipe.New()
	d := serving(t, p, strings.Replace(foreign, "- 127.0.0.1:0\n", "", 1))
	watch(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := guest(t, p, "/lab/b", closed)
	steady := startLoad(ctx, guest(t, p, "/lab/b", closed), 4, 0)
	data := bytes.Repeat([]byte("plain..."), 64)
	if _, err := blockOf(ctx, s, 0, 0, data); err != nil {
		t.Fatal(err)
	}

	// The unit is larger now.
	spec := parts(t, p, "units: [{name: plain, store: {kind: memory, size: 4M}}]\ntargets: [{name: \""+newTarget+"\", luns: {0: plain}}]\n").Units[0]
	if err := d.units.update(ctx, spec); err != nil {
		t.Fatal(err)
	}
	if got, err := blockOf(ctx, s, 0, 0, nil); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the unit has not what it had: %v", err)
	}
	if size := d.Units()[3].Facts.Value("size"); size != int64(4<<20) {
		t.Errorf("the unit has %v bytes", size)
	}
	steady.moves(t)

	// The unit is at another LUN now.
	moved := d.doc().Targets[1]
	moved.LUNs = []model.LUN{{Number: 2, Unit: "plain"}, {Number: 4, Unit: "box/b"}}
	if err := d.targets.update(ctx, moved); err != nil {
		t.Fatal(err)
	}
	if _, err := blockOf(ctx, s, 0, 0, nil); err == nil {
		t.Error("the unit is still at LUN 0")
	}
	if _, err := blockOf(ctx, s, 2, 1, data); err != nil {
		t.Error(err)
	}
	if luns := fmt.Sprint(d.Targets()[1].LUNs); luns != "[2=plain 4=box/b]" {
		t.Errorf("the target has %s", luns)
	}
	steady.moves(t)

	// And at none: then it can go.
	moved.LUNs = moved.LUNs[1:]
	if err := d.targets.update(ctx, moved); err != nil {
		t.Fatal(err)
	}
	if err := d.units.remove(ctx, "plain"); err != nil {
		t.Fatal(err)
	}
	if _, err := blockOf(ctx, s, 2, 0, nil); err == nil {
		t.Error("the unit is still at LUN 2")
	}
	steady.end(t)
}

// The first portal of a transport brings its network and its node, which shows the targets that there are.
func TestFirstPortalOfATransport(t *testing.T) {
	t.Chdir(t.TempDir())
	p := pipe.New()
	d := serving(t, p, strings.Replace(foreign, "- 127.0.0.1:0\n", "", 1))
	if n := len(d.networks.load()) + len(d.nodes.load()); n != 2 {
		t.Errorf("%d networks and nodes", n)
	}
	spec, err := with(p).Schema().ParsePortal("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.portals.create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := initiator.Dial(ctx, d.portals.load()[2].Addr(), initiator.Config{InitiatorName: me, TargetName: closed})
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("portal.."), 64)
	block0(t, c, data)
	if got, err := blockOf(ctx, guest(t, p, "/lab/b", closed), 0, 0, nil); err != nil || !bytes.Equal(got, data) {
		t.Errorf("by a pipe another block is read: %v", err)
	}
	_ = c.Close()
}
