package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/test/plugin/carousel"
	"github.com/lunette-io/lunette/test/plugin/pipe"
)

const foreign = `version: 1
units:
- name: box
  device: {kind: carousel, disks: [a, b], slots: {left: {label: L, turns: [1, 2]}, right: {label: R}}}
  stores: {a: {kind: memory, size: 1M}, b: {kind: file, path: b.img, size: 2M}, spare: {kind: "null", size: 1M}}
  filters: [{kind: stats}]
- {name: plain, store: {kind: memory, size: 1M}}
targets:
- {name: "` + disks + `", luns: {0: box/robot, 1: box/a, 2: box/b}, pipe: {guests: [{name: "guest:me"}, {name: "guest:you", since: 1999}]}}
- {name: "` + closed + `", luns: {0: plain, 4: box/b}}
portals:
- pipe+process:///lab/a
- {kind: pipe+process, address: /lab/b, slots: 2, targets: ["` + closed + `"]}
- 127.0.0.1:0
pipe: {greeting: hi}
limits: {stop-timeout: 1s}
`

// with is the registry with the plugins of tests: each is its folder and this line.
func with(p *pipe.Process) Registry { return Builtin().With(p.Kind(), carousel.Kind()) }

// serving starts a daemon with the plugins of tests, which stops when the test ends.
func serving(t *testing.T, p *pipe.Process, text string) *Daemon {
	t.Helper()
	doc, err := model.Read("test.yaml", []byte(text), with(p).Schema())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), doc, with(p), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if n := p.Opened(); n != 0 {
			t.Errorf("%d networks are open", n)
		}
	})
	return d
}

// guest logs in, and out when the test ends.
func guest(t *testing.T, p *pipe.Process, addr, target string) *pipe.Session {
	t.Helper()
	s, err := p.Login(addr, target, "guest:me")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// blockOf reads a block of a LUN, or writes it, past the unit attentions that come first.
func blockOf(ctx context.Context, s *pipe.Session, lun, lba int, out []byte) ([]byte, error) {
	cdb, room := make([]byte, 10), 0
	cdb[0] = byte(scsi.OpWrite10)
	if out == nil {
		cdb[0], room = byte(scsi.OpRead10), 512
	}
	binary.BigEndian.PutUint32(cdb[2:], uint32(lba))
	cdb[8] = 1
	number, err := scsi.FlatLUN(uint32(lun))
	if err != nil {
		return nil, err
	}
	for range 8 {
		r, in, err := s.Do(ctx, number, cdb, out, room)
		if err != nil {
			return nil, err
		}
		if r.Status != scsi.CheckCondition || r.Sense.Key != scsi.KeyUnitAttention {
			return in, r.Err()
		}
	}
	return nil, fmt.Errorf("nothing but unit attentions")
}

// A transport with addresses of its own, and a device type of several logical units, on stores by name
// and without one, take a line in the list each: nothing else here knows them.
func TestPluginsAreAFolderAndALine(t *testing.T) {
	t.Chdir(t.TempDir())
	p := pipe.New()
	d := serving(t, p, foreign)
	s := guest(t, p, "/lab/a", disks)
	data := bytes.Repeat([]byte("carousel"), 64)
	for _, lun := range []int{1, 2} {
		if _, err := blockOf(t.Context(), s, lun, 0, data); err != nil {
			t.Fatal(err)
		}
	}
	other := guest(t, p, "/lab/b", closed)
	if got, err := blockOf(t.Context(), other, 4, 0, nil); err != nil || !bytes.Equal(got, data) {
		t.Errorf("by the other target another block is read: %v", err)
	}
	r, inquiry, err := s.Do(t.Context(), scsi.LUN(0), []byte{byte(scsi.OpInquiry), 0, 0, 0, 36, 0}, nil, 36)
	if err != nil || r.Status != scsi.Good || scsi.PeripheralType(inquiry[0]) != scsi.TypeChanger || !strings.HasPrefix(string(inquiry[16:]), "carousel") {
		t.Errorf("the robot is %q, %v, %v", inquiry, r, err)
	}

	for name, try := range map[string][3]string{
		"a portal that does not show it": {"/lab/b", disks, "guest:me"},
		"a guest that is not named":      {"/lab/a", disks, "guest:they"},
		"no portal":                      {"/lab/c", closed, "guest:me"},
	} {
		if _, err := p.Login(try[0], try[1], try[2]); err == nil {
			t.Errorf("%s: let in", name)
		}
	}
	last := guest(t, p, "/lab/b", closed)
	if _, err := p.Login("/lab/b", closed, "guest:me"); err == nil {
		t.Error("the option of the portal does not count")
	}
	_ = last.Close()

	ask := client.New(d.opts.Socket)
	units, err := ask.Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range units {
		got = append(got, fmt.Sprint(u.Name, " ", u.Device, " ", u.BytesWritten, " ", cellsOf(u.Columns)))
	}
	if want := []string{
		"box/robot carousel 0 [{SLOTS left=L right=R}]", "box/a carousel 512 [{STORE memory}]", "box/b carousel 512 [{STORE file b.img}]",
		"plain disk 0 [{SIZE 1M} {BLOCK* 512} {ACCESS* read-write} {STORE memory}]",
	}; !slices.Equal(got, want) {
		t.Errorf("units are\n%q\nwant\n%q", got, want)
	}
	targets, err := ask.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := targets[0], targets[1]; len(a.Portals) != 2 || a.Portals[0] != "pipe+process:///lab/a" || len(b.Portals) != 3 ||
		fmt.Sprint(a.Facts.Value("guests")) != "[guest:me guest:you]" || cellsOf(a.Columns) != "[{AUTH none} {INITIATORS any} {GUESTS guest:me guest:you}]" ||
		fmt.Sprint(b.Notes) != "[{by pipe [/lab/a /lab/b]}]" {
		t.Errorf("targets are %+v", targets)
	}
	sessions, err := ask.Sessions(t.Context())
	if err != nil || len(sessions) != 2 {
		t.Fatalf("sessions are %+v, %v", sessions, err)
	}
	if x := sessions[slices.IndexFunc(sessions, func(s api.Session) bool { return s.Target == disks })]; x.Transport != "pipe" || x.Initiator != "guest:me" || x.Alias != "hi" || x.BytesWritten != 1024 {
		t.Errorf("the session is %+v", x)
	}

	var b strings.Builder
	if err := d.Announce(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"     on pipe+process:///lab/a, iscsi+tcp://127.0.0.1:", "   pipe guest:me guest:you\n", "   pipe all\n",
		"  LUN 0: box/robot, carousel of 2 slots\n", "  LUN 2: box/b, disk on file b.img\n",
		"  a guest   /lab/a " + disks + "\n", "\nonly this machine can connect; to serve others as well: --portal pipe+process:///open --chap USER:FILE\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("no line %q in\n%s", line, b.String())
		}
	}
}

// What plugins check is told with its place, like all else.
func TestPluginsRefuse(t *testing.T) {
	for _, test := range []struct{ old, now, want string }{
		{"pipe+process:///lab/a", "pipe+process://lab/a", `test.yaml:12:3: portals[0]: "pipe+process://lab/a" is not a portal, its address does not begin with a slash: a portal is [TRANSPORT+PROVIDER://]/NAME, such as /lab/a`},
		{"address: /lab/b", "address: /lab/a", `portals[1]: pipe+process:///lab/a is here twice`},
		{"slots: 2", "slots: 0", `test.yaml:13:48: portals[1].slots: 0 is not at least 1`},
		{"guest:you", "you", `targets[0].pipe.guests[1].name: "you" is not a guest: it begins with guest:`},
		{"since: 1999", "until: 1999", `targets[0].pipe.guests[1]: there is no key "until" here: the keys are name, since`},
		{`luns: {0: plain, 4: box/b}`, `luns: {0: plain, 4: box/b}, initiators: ["` + me + `"]`, `targets[1]: the target lets initiators in by their iSCSI names, which pipes do not: name the guests`},
		{"greeting: hi", "greting: hi", `test.yaml:15:8: pipe: there is no key "greting" here: the keys are greeting`},
		{"disks: [a, b]", "disks: [a]", `targets[0].luns.2: there is no unit "box/b": there is box/robot, box/a or plain`},
		{"{label: R}", "{}", `units[0].device.slots.right: it needs label: what is written on it`},
		{"pipe+process:///lab/a", "pipe+tcp:///lab/a", `there is no provider "tcp" for the transport pipe: there is process`},
	} {
		text := strings.Replace(foreign, test.old, test.now, 1)
		_, err := model.Read("test.yaml", []byte(text), with(pipe.New()).Schema())
		if text == foreign || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("with %q:\n got %v\nwant %v", test.now, err, test.want)
		}
	}
}

// A device whose second store cannot be opened leaves nothing of the first.
func TestFailedDeviceLeavesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	p := pipe.New()
	text := strings.Replace(foreign, "a: {kind: memory, size: 1M}", "a: {kind: file, path: a.img, size: 1M}", 1)
	if err := os.WriteFile("b.img", make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs, err := file.Open(file.Config{Path: "b.img"}) // another program serves it: that shows only when it is opened
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	doc, err := model.Read("test.yaml", []byte(text), with(p).Schema())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Start(t.Context(), doc, with(p), quiet(t)); err == nil || !strings.HasPrefix(err.Error(), "unit box: ") || !strings.Contains(err.Error(), "b.img: in use") {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir("."); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// A portal that cannot be bound takes what was opened for it back, and says what its provider does.
func TestFailedPortalLeavesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	p := pipe.New()
	d := serving(t, p, foreign)
	spec, err := with(p).Schema().ParsePortal("pipe+process:///lab/a")
	if err != nil {
		t.Fatal(err)
	}
	spec.Name = "twin"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := d.portals.create(ctx, spec); err == nil || err.Error() != "portal pipe+process:///lab/a: /lab/a is there already (beside 2 others)" {
		t.Errorf("%v", err)
	}
	if n := len(d.portals.load()); n != 3 {
		t.Errorf("%d portals", n)
	}
	q := pipe.New()
	again := strings.Replace(foreign, "- 127.0.0.1:0\n", "- \"192.0.2.1:1\"\n", 1)
	doc, err := model.Read("test.yaml", []byte(strings.Replace(again, "kind: file, path: b.img", "kind: memory", 1)), with(q).Schema())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(ctx, doc, with(q), quiet(t)); err == nil || !strings.Contains(err.Error(), "no address of this machine") {
		t.Errorf("%v", err)
	}
	if _, err := q.Login("/lab/a", closed, "guest:me"); err == nil || q.Opened() != 0 {
		t.Errorf("the first portal is still there: %v, %d networks", err, q.Opened())
	}
}

// cellsOf are cells in words, with an asterisk if only wide tables have them.
func cellsOf(cells []api.Cell) string {
	var all []string
	for _, c := range cells {
		wide := ""
		if c.Wide {
			wide = "*"
		}
		all = append(all, fmt.Sprintf("{%s%s %s}", c.Column, wide, c.Text))
	}
	return "[" + strings.Join(all, " ") + "]"
}
