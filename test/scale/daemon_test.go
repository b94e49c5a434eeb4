//go:build scale

package scale

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

const (
	targetName = "iqn.2026-11.io.lunette:scale"
	fast, slow = scsi.LUN(0), scsi.LUN(1 << 48)
	unitSize   = 64 << 20
	block      = 4 << 10
)

// A server is the daemon in a process of its own.
type server struct {
	t            *testing.T
	addr, socket string
	cmd          *exec.Cmd
	in           io.WriteCloser
	out          *bufio.Scanner
}

// start serves a unit of memory, and one that delay makes slow: options of the filter.
func start(t *testing.T, limits, delay string) *server {
	t.Helper()
	if limits == "" {
		limits = "{}"
	}
	self, err := os.Executable()
	s := &server{t: t, cmd: exec.Command(self), socket: filepath.Join(t.TempDir(), "s")}
	s.must(err)
	s.cmd.Env = append(os.Environ(), childEnv+"="+s.socket)
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.in, err = s.cmd.StdinPipe()
	s.must(err)
	out, err := s.cmd.StdoutPipe()
	s.must(err)
	s.out = bufio.NewScanner(out)
	s.must(s.cmd.Start())
	t.Cleanup(func() {
		_ = s.in.Close()
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("the daemon did not stop in good order: %v", err)
		}
	})
	_, err = fmt.Fprintf(s.in, `{version: 1, units: [`+
		`{name: fast, store: {kind: memory, size: %[1]d}}, `+
		`{name: slow, store: {kind: memory, size: %[1]d}, device: {kind: disk, workers: 4}, filters: [{kind: delay%[2]s}]}], `+
		`targets: [{name: "%[3]s", luns: {0: fast, 1: slow}}], portals: ["127.0.0.1:0"], limits: %[4]s, network: {engine: %[5]s}}`+"\n",
		unitSize, delay, targetName, limits, cmp.Or(os.Getenv(transporttest.EngineEnv), "auto"))
	s.must(err)
	_, s.addr, _ = strings.Cut(s.ask("count").Portal, "://")
	return s
}

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) ask(question string) (n count) {
	s.t.Helper()
	_, err := fmt.Fprintln(s.in, question)
	s.must(err)
	if !s.out.Scan() {
		s.t.Fatalf("the daemon has ended: %v", s.out.Err())
	}
	s.must(json.Unmarshal(s.out.Bytes(), &n))
	return n
}

func (s *server) proc(name string) []string {
	s.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, name))
	s.must(err)
	_, text, ok := strings.Cut(string(b), ") ") // behind the name of the program
	if !ok {
		text = string(b)
	}
	return strings.Fields(text)
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// resident is the memory that the daemon takes, in bytes.
func (s *server) resident() int64 {
	return number(s.t, s.proc("statm")[1]) * int64(os.Getpagesize())
}

// processor is the time that the daemon has used, in ticks of 10 ms.
func (s *server) processor() int64 {
	f := s.proc("stat") // from the third field on
	return number(s.t, f[11]) + number(s.t, f[12])
}

// config is what initiator n logs in with.
func config(n int) initiator.Config {
	return initiator.Config{
		InitiatorName: fmt.Sprintf("iqn.2026-11.io.lunette.test:host%d", n), TargetName: targetName,
		ISID: pdu.ISID{0x80, 0, 0, 0, byte(n >> 8), byte(n)}, Login: initiator.DefaultLogin(),
	}
}

// dial logs in as initiator n, from one of many addresses of this host: ports of one would run short.
func (s *server) dial(n int) (*initiator.Wire, *initiator.LoginResult, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n/1000))}, Timeout: time.Minute}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(context.Background(), "tcp", s.addr)
	if err != nil {
		return nil, nil, err
	}
	w := &initiator.Wire{TCPConn: c.(*net.TCPConn)}
	r, err := w.Login(config(n), 1)
	if err != nil {
		_ = w.Close()
		return nil, nil, err
	}
	return w, r, nil
}

// customer is a host that wants something at once: it writes and reads.
func (s *server) customer(n int) *initiator.Conn {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := initiator.Dial(ctx, s.addr, config(n))
	s.must(err)
	s.t.Cleanup(func() { _ = c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	for _, lun := range []scsi.LUN{fast, slow} {
		for { // the unit attentions
			r, err := c.Do(lun, make([]byte, 6), nil, nil)
			s.must(err)
			if r.Status == scsi.Good {
				break
			}
		}
	}
	return c
}

// descriptors skips the test unless each of two processes can have n.
func descriptors(t *testing.T, n uint64) {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur < n {
		l.Cur = l.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &l) // Go gives children the limit of before, unless it was set
	}
	if l.Cur < n {
		t.Skipf("a process may open %d files, and %d are needed: raise the limit (ulimit -n)", l.Max, n)
	}
}
