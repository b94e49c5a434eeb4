package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	iscsi "github.com/lunette-io/lunette/initiator/iscsi"
	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// virtualDocument shows two targets to one guest, and one of them to another, which sees another unit there.
const virtualDocument = `version: 1
units:
- {name: m, store: {kind: memory, size: 1M}}
- {name: n, store: {kind: memory, size: 2M}}
targets:
- {name: "` + disks + `", luns: {0: m}, access: [{name: you, initiators: ["iqn.2026-11.io.lunette:you"], luns: {0: n}}]}
- {name: "` + closed + `", luns: {0: m}, virtio: {number: 3}}
portals:
- "127.0.0.1:0"
- {name: a, kind: virtio+vhost, address: %[1]s/a.sock, queues: 2}
- {name: b, kind: virtio+vhost, address: %[1]s/b.sock, mode: 0660, queues: 2, initiator: "iqn.2026-11.io.lunette:you", targets: ["` + disks + `"]}
limits: {stop-timeout: 1s}
`

// sockets is a directory for sockets, whose paths are short.
func sockets(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: vhost-user needs Linux")
	}
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// attachGuest attaches a driver, which is closed with the test.
func attachGuest(t *testing.T, path string, cfg initiator.Config) *initiator.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cfg.Buffers = 4 << 20
	c, err := initiator.Dial(ctx, path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// overVirtio is a guest's initiator of a target by its number.
func overVirtio(c *initiator.Conn, number uint8) anyInitiator {
	return func(lun scsi.LUN, cdb, out, in []byte) (scsi.Status, scsi.Sense, error) {
		k := &initiator.Command{Target: number, LUN: lun, CDB: cdb, Out: out, In: in}
		if err := c.Do(k); err != nil {
			return 0, scsi.Sense{}, err
		}
		return k.Status, k.Sense, k.Err
	}
}

// block writes the first block of a LUN, or reads it.
func (do anyInitiator) block(t *testing.T, lun int, out []byte) []byte {
	t.Helper()
	op, in := scsi.OpWrite10, []byte(nil)
	if out == nil {
		op, in = scsi.OpRead10, make([]byte, 512)
	}
	do.must(t, lun, []byte{byte(op), 0, 0, 0, 0, 0, 0, 0, 1, 0}, out, in)
	return in
}

// absent finds that there is no target of a number for a guest.
func absent(t *testing.T, c *initiator.Conn, number uint8) {
	t.Helper()
	_, _, err := overVirtio(c, number)(0, make([]byte, 6), nil, nil)
	var code *initiator.CodeError
	if !errors.As(err, &code) || code.Code != iu.CodeBadTarget {
		t.Errorf("target %d: %v", number, err)
	}
}

// One daemon serves two guests, each what its socket shows and what its access says; by iSCSI the same is there; sessions say who it is and what it has cost.
func TestServeVirtualMachines(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := sockets(t)
	d := start(t, fmt.Sprintf(virtualDocument, dir))
	defer stopped(t, d)
	data := bytes.Repeat([]byte("lunette!"), 64)
	a := attachGuest(t, dir+"/a.sock", initiator.Config{})
	overVirtio(a, 0).block(t, 0, data)
	if got := overVirtio(a, 3).block(t, 0, nil); !bytes.Equal(got, data) {
		t.Error("by another target another block is read than was written")
	}
	absent(t, a, 1)
	b := attachGuest(t, dir+"/b.sock", initiator.Config{Packed: true, Queues: 2})
	if got := overVirtio(b, 0).block(t, 0, nil); bytes.Equal(got, data) {
		t.Error("who has another view sees the same unit")
	}
	absent(t, b, 3)
	c, err := dial(t, d, iscsi.Config{InitiatorName: me, TargetName: disks, ISID: pdu.ISID{0x80, 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !bytes.Equal(block0(t, c, nil), data) {
		t.Error("by iSCSI another block is read than was written by virtio")
	}
	if info, err := os.Stat(dir + "/b.sock"); err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("%v, %v", info, err)
	}

	all, err := client.New(d.opts.Socket).Sessions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, s := range all {
		if s.Transport != "virtio" {
			continue
		}
		seen[s.Initiator+" "+s.Target] = true
		x := s.Connections[0]
		if x.Network != "vhost" || x.Remote != fmt.Sprintf("pid %d uid %d", os.Getpid(), os.Getuid()) || !strings.HasPrefix(x.Local, dir) || x.Mapped < 4<<20 ||
			x.PDUsIn == 0 || x.PDUsOut != x.PDUsIn || x.Copied < 512 || len(x.Queues) < 2 || s.Commands == 0 {
			t.Errorf("the session is %+v", s)
		}
	}
	auto := "iqn.2026-11.io.lunette:vhost" + strings.ReplaceAll(dir, "/", ":") + ":a.sock"
	if !strings.ContainsAny(dir, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") && !seen[auto+" "+disks] {
		t.Errorf("there is no session of %s", auto)
	}
	if len(seen) != 3 || !seen["iqn.2026-11.io.lunette:you "+disks] || seen["iqn.2026-11.io.lunette:you "+closed] {
		t.Errorf("sessions are %v", seen)
	}
	var text bytes.Buffer
	if err := d.Announce(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"on iscsi+tcp://127.0.0.1:", "virtio+vhost://" + dir + "/a.sock", " by virtio as target 3, whoever may open " + dir + "/a.sock\n",
		"-chardev socket,id=lunette,path=" + dir + "/a.sock -device vhost-user-scsi-pci,chardev=lunette\n", "device_type=scsi",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	if notes := d.Targets()[0].Notes; len(notes) != 2 || !strings.Contains(notes[1].Lines[0], dir+"/b.sock") {
		t.Errorf("notes are %+v", notes)
	}
}

// What is shown, to whom and as what changes while guests are attached: they see it, and are told.
func TestVirtualMachinesLive(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := sockets(t)
	text := fmt.Sprintf(virtualDocument, dir)
	d := start(t, text)
	defer stopped(t, d)
	events := make(chan iu.Event, 64)
	a := attachGuest(t, dir+"/a.sock", initiator.Config{Events: func(e iu.Event) { events <- e }})
	b := attachGuest(t, dir+"/b.sock", initiator.Config{})
	data := bytes.Repeat([]byte("lunette!"), 64)
	overVirtio(a, 0).block(t, 0, data)
	overVirtio(b, 0).block(t, 0, data)

	change := func(old, new string) {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in\n%s", old, text)
		}
		text = strings.Replace(text, old, new, 1)
		asked(t, d, text)
	}
	// A LUN comes, and goes.
	change("luns: {0: m}, access", "luns: {0: m, 7: n}, access")
	awaited(t, events)
	if got := overVirtio(a, 0).block(t, 7, nil); !bytes.Equal(got, data) {
		t.Error("the new LUN has another block")
	}
	change("luns: {0: m, 7: n}, access", "luns: {0: m}, access")
	awaited(t, events)
	if sense := overVirtio(a, 0).run(t, 7, make([]byte, 6), nil, nil); sense.ASC != 0x2500 {
		t.Errorf("the LUN that has gone: %v", sense)
	}
	// A target has another number, is under maintenance, and is back.
	var confirm *apply.NeedsConfirmError
	if _, err := d.engine.Apply(t.Context(), apply.Request{Text: []byte(strings.Replace(text, "number: 3", "number: 200", 1))}); !errors.As(err, &confirm) {
		t.Errorf("a disk goes to another number, and nobody has been asked: %v", err)
	}
	change("number: 3", "number: 200")
	awaited(t, events)
	absent(t, a, 3)
	if got := overVirtio(a, 200).block(t, 0, nil); !bytes.Equal(got, data) {
		t.Error("at another number there is another block")
	}
	change("virtio: {number: 200}", "maintenance: true, virtio: {number: 200}")
	absent(t, a, 200)
	change("maintenance: true, ", "")
	overVirtio(a, 200).block(t, 0, nil)
	// A target lets in some, by the names of initiators.
	change("virtio: {number: 200}", `virtio: {number: 200, initiators: ["iqn.2026-11.io.lunette:y??"]}`)
	absent(t, a, 200)
	// A socket shows another target, without the guest being disconnected.
	absent(t, b, 200)
	change(`targets: ["`+disks+`"]`, `targets: ["`+closed+`"]`)
	absent(t, b, 0)
	overVirtio(b, 200).block(t, 0, nil)
	// Its file has another mode, and what cannot be is refused: nothing has changed then.
	change("mode: 0660", "mode: 0620, memory: 1G")
	if info, err := os.Stat(dir + "/b.sock"); err != nil || info.Mode() != fs.ModeSocket|0o620 {
		t.Errorf("%v, %v", info, err)
	}
	refused(t, d, strings.Replace(text, "mode: 0620", "mode: 0600, owner: no-such-user-here", 1), `owner: there is no user "no-such-user-here"`)
	if info, err := os.Stat(dir + "/b.sock"); err != nil || info.Mode() != fs.ModeSocket|0o620 {
		t.Errorf("%v, %v", info, err)
	}
	refused(t, d, strings.Replace(text, "number: 200, ", "", 1), "") // nothing shows both but a
	overVirtio(b, 200).block(t, 0, nil)
	// A portal is called otherwise, and the guest stays; it goes, and so does the guest.
	change("name: b", "name: c")
	overVirtio(b, 200).block(t, 0, nil)
	i := strings.Index(text, "- {name: c")
	j := i + strings.Index(text[i:], "\n") + 1
	without := text[:i] + text[j:]
	if _, err := d.engine.Apply(t.Context(), apply.Request{Text: []byte(without)}); err == nil {
		t.Error("a portal goes with its guest, and nobody has been asked")
	}
	asked(t, d, without)
	<-b.Gone()
	if _, err := os.Lstat(dir + "/b.sock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is there: %v", err)
	}
	asked(t, d, text)
	overVirtio(attachGuest(t, dir+"/b.sock", initiator.Config{}), 200).block(t, 0, nil)
	overVirtio(a, 0).block(t, 0, nil)
}

// awaited waits for an event, and takes those that come with it.
func awaited(t *testing.T, events <-chan iu.Event) {
	t.Helper()
	select {
	case <-events:
	case <-time.After(time.Minute):
		t.Fatal("the guest was told nothing")
	}
	for len(events) > 0 {
		<-events
	}
}

// refused finds that a document is not taken.
func refused(t *testing.T, d *Daemon, text, why string) {
	t.Helper()
	if _, err := d.engine.Apply(t.Context(), whatever(text)); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v, want an error with %q", err, why)
	}
}

// A daemon stops while guests have commands under way: all of them end, and the sockets are gone.
func TestVirtualMachinesAtStop(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := sockets(t)
	text := strings.Replace(fmt.Sprintf(virtualDocument, dir), "- {name: m, ", "- {name: m, filters: [{kind: delay, read: 20ms}], ", 1)
	d := start(t, text)
	a := attachGuest(t, dir+"/a.sock", initiator.Config{Queues: 2})
	overVirtio(a, 0).told(t, 0)
	var workers sync.WaitGroup
	began := make(chan struct{}, 64)
	for i := range 16 {
		workers.Go(func() {
			for {
				k := &initiator.Command{CDB: []byte{byte(scsi.OpRead10), 0, 0, 0, 0, byte(i), 0, 0, 1, 0}, In: make([]byte, 512), Queue: i % 2}
				if a.Do(k) != nil {
					return
				}
				select {
				case began <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 32 {
		<-began
	}
	stopped(t, d)
	<-a.Gone()
	workers.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
}

// A guest whose monitor comes back goes on with the next daemon where it was, by a socket that was there or was left behind.
func TestVirtualMachinesAfterRestart(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := sockets(t)
	if err := os.WriteFile("disk.img", make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(fmt.Sprintf(virtualDocument, dir), "- {name: m, store: {kind: memory, size: 1M}}", "- {name: m, store: {kind: file, path: disk.img}}", 1)
	d := start(t, text)
	a := attachGuest(t, dir+"/a.sock", initiator.Config{Reconnect: true})
	data := bytes.Repeat([]byte("lunette!"), 64)
	overVirtio(a, 0).block(t, 0, data)
	for range 2 {
		stopped(t, d)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/b.sock", Net: "unix"}) // as a daemon that was killed leaves it
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		d = start(t, text)
		if got := overVirtio(a, 0).block(t, 0, nil); !bytes.Equal(got, data) {
			t.Error("another block is read than was written to the daemon before")
		}
	}
	if a.Again() < 2 {
		t.Errorf("it has come back %d times", a.Again())
	}
	_ = a.Close()
	stopped(t, d)
}

// There are no more sessions than the document says: a guest for whose targets there is no room does not see them, and does as soon as others have gone.
func TestVirtualMachinesCrowded(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := sockets(t)
	text := strings.Replace(fmt.Sprintf(virtualDocument, dir), "limits: {", "limits: {connections: 9, ", 1)
	d := start(t, text)
	defer stopped(t, d)
	a := attachGuest(t, dir+"/a.sock", initiator.Config{})
	overVirtio(a, 0).told(t, 0)
	b := attachGuest(t, dir+"/b.sock", initiator.Config{})
	overVirtio(b, 0).told(t, 0)
	asked(t, d, strings.Replace(text, "connections: 9", "connections: 2", 1))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = attachGuest(t, dir+"/a.sock", initiator.Config{})
	seen := 0
	for _, s := range d.Sessions() {
		if s.Transport == "virtio" {
			seen++
		}
	}
	if seen > 2 {
		t.Errorf("there are %d sessions, of which two are allowed", seen)
	}
	asked(t, d, text)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // the node looks once a second
		_, _, first := overVirtio(a, 0)(0, make([]byte, 6), nil, nil)
		_, _, second := overVirtio(a, 3)(0, make([]byte, 6), nil, nil)
		if first == nil && second == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(first, second)
		}
	}
}

// What is in the way of a socket is told, and left alone.
func TestVirtualMachinesInTheWay(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := sockets(t)
	try := func(path string) error {
		t.Helper()
		text := fmt.Sprintf("version: 1\nunits: [{name: m, store: {kind: memory, size: 1M}}]\ntargets: [{name: %q, luns: {0: m}}]\nportals: [{kind: virtio+vhost, address: %s, mode: 0600}]\n", disks, path)
		doc, err := model.Read("test.yaml", []byte(text), Builtin().Schema())
		if err != nil {
			t.Fatal(err)
		}
		d, err := Start(t.Context(), doc, Builtin(), quiet(t))
		if err == nil {
			stopped(t, d)
		}
		return err
	}
	l, err := net.Listen("unix", dir+"/live.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(dir+"/file", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/dir", 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir + "/live.sock":   "a program listens at " + dir + "/live.sock already",
		dir + "/file":        "a file that is no socket",
		dir + "/dir":         "a file that is no socket",
		dir + "/none/a.sock": "there is no directory " + dir + "/none",
		dir + "/file/a.sock": dir + "/file is no directory",
		dir + "/a.sock":      "",
	} {
		err := try(path)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), "portal virtio+vhost://"+path+": "+want) && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(dir+"/dir", 0o500); err != nil {
			t.Fatal(err)
		}
		if err := try(dir + "/dir/a.sock"); err == nil || !strings.Contains(err.Error(), "may not make files in") {
			t.Error(err)
		}
	}
}
