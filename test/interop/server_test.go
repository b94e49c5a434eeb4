//go:build interop

package interop

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A unit is one logical unit of a server under test; it becomes LUN 0, 1, ... in order.
type unit struct {
	memory bool   // else a file in the server's directory
	size   string // as the command line takes it: 256M
}

// A setup is what a server is started with.
type setup struct {
	host      string // portal address without the port: 127.0.0.1 or ::1
	blockSize int
	readOnly  bool
	user      string // with secret: CHAP is demanded at login
	secret    string
	discovery bool // and for discovery
	units     []unit
}

// A server is one process under test on a free loopback port.
type server struct {
	setup
	dir    string
	portal string // host:port
	target string // its iSCSI name
	cmd    *exec.Cmd
	log    string // path of what it printed
	ended  chan struct{}
	err    error // how it ended; valid once ended is closed
}

// startServer starts the server under test and returns once its portal accepts connections. It keeps its files in
// dir, so a server started there again has the same file units.
func startServer(dir string, s setup) (*server, error) {
	if s.host == "" {
		s.host = "127.0.0.1"
	}
	if s.blockSize == 0 {
		s.blockSize = 512
	}
	port, err := freePort(s.host)
	if err != nil {
		return nil, err
	}
	v := &server{setup: s, dir: dir, portal: net.JoinHostPort(s.host, port), target: "iqn.2026-11.io.lunette:interop",
		log: filepath.Join(dir, "server.log"), ended: make(chan struct{})}
	out, err := os.OpenFile(v.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if v.cmd, err = v.command(); err != nil {
		return nil, err
	}
	v.cmd.Stdout, v.cmd.Stderr = out, out
	v.cmd.SysProcAttr = leash()
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		v.err = v.cmd.Wait()
		close(v.ended)
	}()
	if err := v.ready(10 * time.Second); err != nil {
		v.kill()
		return nil, fmt.Errorf("%w; it printed:\n%s", err, v.printed())
	}
	return v, nil
}

// ready waits until the portal accepts a connection and the units are configured.
func (v *server) ready(limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !v.alive() {
			return fmt.Errorf("server ended at start: %v", v.err)
		}
		c, err := net.DialTimeout("tcp", v.portal, time.Second)
		if err == nil {
			c.Close()
			return v.configure()
		}
	}
	return fmt.Errorf("server does not listen on %s after %v", v.portal, limit)
}

func (v *server) alive() bool {
	select {
	case <-v.ended:
		return false
	default:
		return true
	}
}

// stop asks the server to end and reports how it did.
func (v *server) stop(limit time.Duration) error {
	if !endsWell {
		v.kill()
		return nil
	}
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-v.ended:
		return v.err
	case <-time.After(limit):
		v.kill()
		return fmt.Errorf("server still runs %v after SIGTERM", limit)
	}
}

func (v *server) kill() {
	_ = v.cmd.Process.Kill() // it may have ended
	<-v.ended
}

// printed is the end of what the server printed.
func (v *server) printed() string {
	b, err := os.ReadFile(v.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4000):])
}

// url is the libiscsi URL of a unit.
func (v *server) url(lun int) string {
	return fmt.Sprintf("iscsi://%s%s/%s/%d", v.credentials(), v.portal, v.target, firstLUN+lun)
}

func (v *server) credentials() string {
	if v.user == "" {
		return ""
	}
	return v.user + "%" + v.secret + "@"
}

// start is startServer for a whole test: it fails the test, and expects the server to end well at the test's end.
func start(t *testing.T, s setup) *server {
	t.Helper()
	v, err := startServer(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.stop(10 * time.Second); err != nil {
			t.Errorf("server ended with %v; it printed:\n%s", err, v.printed())
		} else if t.Failed() {
			t.Logf("the server printed:\n%s", v.printed())
		}
	})
	return v
}

func freePort(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// leash ends a child when these tests die before it, as they do at the test binary's time-out.
func leash() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// run executes a client program for at most limit and returns what it printed.
func run(limit time.Duration, name string, arg ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, arg...)
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = leash()
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return strings.ReplaceAll(string(out), "\r", "\n"), err
}

// tool is run for programs that a test needs: without it the test fails and says how to get it.
func tool(t *testing.T, name string, arg ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%v: run test/install/debian.sh interop", err)
	}
	return run(time.Minute, name, arg...)
}
