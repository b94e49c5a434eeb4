//go:build hostile

package hostile

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// wireOf is a connection with PDUs on it.
func wireOf(c net.Conn) *initiator.Wire { return &initiator.Wire{TCPConn: c.(*net.TCPConn)} }

// A closed terminal, or a wish that the configuration be read again, does not end the daemon.
func TestSIGHUP(t *testing.T) {
	d := serve(t, small("", ""))
	p := d.comes(who{name: prefix + "good"})
	for range 3 {
		must(t, d.cmd.Process.Signal(syscall.SIGHUP))
		if !p.lives() {
			t.Fatal("the session has ended")
		}
	}
	must(t, p.logout())
	if status := d.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// Who reads the output of the daemon, and goes, does not end it.
func TestOutputThatBreaks(t *testing.T) {
	dir := t.TempDir()
	args, err := document(dir, small("", ""))
	must(t, err)
	r, w, err := os.Pipe()
	must(t, err)
	_ = r.Close()
	d := &daemon{t: t, dir: dir, socket: filepath.Join(dir, "s"), ended: make(chan struct{})}
	d.cmd = exec.Command(program(t), append([]string{"serve", "--socket", d.socket}, args...)...)
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = dir, w, &d.out
	d.start()
	_ = w.Close()
	d.wait()
	p := d.comes(who{name: prefix + "good"})
	if !p.lives() {
		t.Error("not served")
	}
	must(t, p.logout())
	if status := d.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// A secret that is no file of ours is refused at once: a FIFO, one that others can read, one that another user has
// made or has made a link to.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, link, open := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "open")
	other := secretFile(t, dir, "other", first)
	must(t, unix.Mkfifo(fifo, 0o600))
	must(t, os.Symlink(secretFile(t, dir, "1", first), link))
	must(t, os.WriteFile(open, []byte(first), 0o644))
	all := []string{fifo, open, filepath.Join(dir, "none")}
	if os.Getuid() == 0 {
		must(t, os.Chown(other, 12345, 12345))
		must(t, os.Lchown(link, 12345, 12345))
		all = append(all, other, link)
	}
	for _, path := range all {
		args, err := document(t.TempDir(), small(fmt.Sprintf(", auth: {users: [{user: u, secret-file: %q}]}", path), ""))
		must(t, err)
		d := launch(t, t.TempDir(), nil, args...)
		d.eventuallyEnds(path)
		if d.status != 2 {
			t.Errorf("%s: status %d", path, d.status)
		}
	}
}

// Connections that take all descriptors do not keep others out, and the log says what happens.
func TestDescriptors(t *testing.T) {
	dir := t.TempDir()
	d := serveIn(t, dir, []string{"prlimit", "--nofile=64:64"}, small("", ""))
	for i := range 100 {
		c, err := connect(elsewhere, d.addr("tcp"))
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
	}
	if !d.comes(who{name: prefix + "good"}).lives() {
		t.Error("not served")
	}
	d.eventually("the log says what happens", func() bool {
		log := d.out.String()
		return strings.Contains(log, "descriptors") || strings.Contains(log, "too many open files")
	})
}

// The daemon does not say that everything written is durable when the file is gone.
func TestFileThatIsGone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.img")
	must(t, os.WriteFile(path, make([]byte, 1<<20), 0o600))
	d := serveIn(t, dir, nil, fmt.Sprintf("units: [{name: d, store: {kind: file, path: %q}}]\ntargets: [{name: %q, luns: {0: d}}]\nportals: [\"127.0.0.1:0\"]\n", path, targetName))
	p := d.comes(who{name: prefix + "a"})
	if s := p.writes(t, 0); s != scsi.Good {
		t.Fatal(s)
	}
	must(t, os.Remove(path))
	_, _, _, err := p.run(command{cdb: cdb10(scsi.OpWrite10, 8, 1, 0)}, make([]byte, blockSize))
	must(t, err)
	must(t, p.logout())
	if status := d.stop(); status == 0 && strings.Contains(d.out.String(), "durable") {
		t.Errorf("status %d: %s", status, last(d.out.String(), 300))
	}
}

// LOGICAL UNIT RESET of an administrator is answered while another owes data: R2Ts or RDMA Reads that are not
// answered, over any transport.
func TestResetsAreAnswered(t *testing.T) {
	dir := t.TempDir()
	d := serveIn(t, dir, nil, layout(t, dir, limits))
	s := &scene{t: t, net: newNetwork(t), d: d}
	for _, over := range transports {
		for _, lun := range []scsi.LUN{onFile, onMemory} {
			t.Run(fmt.Sprintf("%s %v", over, lun), func(t *testing.T) {
				g := &gang{scene: s, t: t, over: over, stop: make(chan struct{})}
				defer g.end()
				g.fill(2, 4, one, func(int) command {
					c := write(0)
					c.lun = lun
					return c
				}, true)
				g.until(hang, func() bool { return owed(g) })
				if !owed(g) {
					t.Fatal("nothing is owed")
				}
				admin := d.comes(who{name: prefix + "admin"})
				if x, err := admin.managed(pdu.TMFLUNReset, lun); err != nil || x != pdu.TMFComplete {
					t.Errorf("LOGICAL UNIT RESET over TCP: %v, %v", x, err)
				}
				c, err := dialChannel("", d.addr("srp"), portID(), d.srpPort())
				must(t, err)
				defer c.end()
				c.read()
				must(t, c.manage(iu.LogicalUnitReset, lun, 0))
				d.eventually("LOGICAL UNIT RESET over SRP is answered", func() bool { return c.responses.Load() > 0 })
			})
		}
	}
}
