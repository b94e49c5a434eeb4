//go:build hostile

package hostile

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// Names of targets begin with prefix; most tests have only the one.
const (
	prefix     = "iqn.2026-11.io.lunette.hostile:"
	targetName = prefix + "disk"
)

// hang is how long anything may take that is not compared with anything: only what never ends takes as
// long, whatever else the machine does.
const hang = 90 * time.Second

// program is the program under test: LUNETTE, or what "make build" has made.
func program(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(cmp.Or(os.Getenv("LUNETTE"), "../../bin/lunette"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: \"make build\" makes it", err)
	}
	return path
}

// A daemon is the program under test in a process of its own.
type daemon struct {
	t           testing.TB
	dir, socket string
	cmd         *exec.Cmd
	api         *client.Client
	out         output
	ended       chan struct{} // closed when the process has ended
	status      int           // of the process, then
}

// An output is what a process has printed, so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// engine is a line of a document that asks for the engine of the environment.
func engine() string {
	return "network: {engine: " + cmp.Or(os.Getenv(transporttest.EngineEnv), "auto") + "}\n"
}

// document writes the document and returns the flags for it.
func document(dir, text string) ([]string, error) {
	path := filepath.Join(dir, "lunette.yaml")
	return []string{"--config", path}, os.WriteFile(path, []byte("version: 1\n"+engine()+text), 0o600)
}

// launch starts "lunette serve" in dir, below the commands of under, and does not wait for anything.
func launch(t testing.TB, dir string, under []string, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: dir, socket: filepath.Join(dir, "s"), ended: make(chan struct{})}
	line := append(append(append([]string{}, under...), program(t), "serve", "--socket", d.socket), args...)
	d.cmd = exec.Command(line[0], line[1:]...)
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = dir, &d.out, &d.out
	d.start()
	return d
}

// start starts the process, and sees to its end.
func (d *daemon) start() {
	t := d.t
	t.Helper()
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.api = client.New(d.socket)
	go func() {
		_ = d.cmd.Wait()
		d.status = d.cmd.ProcessState.ExitCode()
		close(d.ended)
	}()
	t.Cleanup(func() {
		if d.up() {
			_ = d.cmd.Process.Kill()
			<-d.ended
		}
		if t.Failed() {
			t.Logf("the daemon printed, at the end:\n%s", last(d.out.String(), 1500))
		}
	})
}

// eventuallyEnds waits until the process has ended by itself.
func (d *daemon) eventuallyEnds(what string) {
	d.t.Helper()
	select {
	case <-d.ended:
	case <-time.After(hang):
		d.t.Fatalf("%s: it has not ended in %v", what, hang)
	}
}

// last is the end of a text.
func last(s string, n int) string { return s[max(0, len(s)-n):] }

// serve starts the daemon with a document, and waits until it answers.
func serve(t testing.TB, text string) *daemon {
	t.Helper()
	return serveIn(t, t.TempDir(), nil, text)
}

// serveIn is serve in a directory that may have been used before, below the commands of under.
func serveIn(t testing.TB, dir string, under []string, text string) *daemon {
	t.Helper()
	args, err := document(dir, text)
	if err != nil {
		t.Fatal(err)
	}
	d := launch(t, dir, under, args...)
	d.wait()
	return d
}

// wait waits until the daemon answers.
func (d *daemon) wait() {
	d.t.Helper()
	d.eventually("the daemon answers", func() bool {
		_, err := d.api.Version(context.Background())
		return err == nil
	})
}

func (d *daemon) up() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// eventually waits until something is so. A daemon that has ended makes nothing so.
func (d *daemon) eventually(what string, so func() bool) {
	d.t.Helper()
	for begin := time.Now(); !so(); time.Sleep(10 * time.Millisecond) {
		if !d.up() {
			d.t.Fatalf("%s: the daemon has ended, status %d", what, d.status)
		}
		if time.Since(begin) > hang {
			d.t.Fatalf("not so after %v: %s", hang, what)
		}
	}
}

// stop ends the daemon in good order, and returns its exit status.
func (d *daemon) stop() int {
	d.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(hang):
		d.t.Fatalf("SIGTERM has not ended it in %v", hang)
	}
	return d.status
}

// target is what the daemon says of the target of the name.
func (d *daemon) target(name string) api.Target {
	d.t.Helper()
	all, err := d.api.Targets(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, x := range all {
		if x.Name == name {
			return x
		}
	}
	d.t.Fatalf("there is no target %s among %v", name, all)
	return api.Target{}
}

// addr is where the first target is reached over "tcp", "iser" or "srp": HOST:PORT.
func (d *daemon) addr(over string) string {
	d.t.Helper()
	all, err := d.api.Targets(context.Background())
	if err != nil || len(all) == 0 {
		d.t.Fatalf("no targets: %v", err)
	}
	scheme := map[string]string{"tcp": "iscsi+tcp", "iser": "iser+iwarp", "srp": "srp+iwarp"}[over]
	for _, p := range all[0].Portals {
		if s, addr, _ := strings.Cut(p, "://"); s == scheme {
			return addr
		}
	}
	d.t.Fatalf("no portal %s among %v", scheme, all[0].Portals)
	return ""
}

// A state is what a daemon takes.
type state struct {
	rss         int64 // bytes
	descriptors int
	goroutines  int // but for the workers of units
	sessions    int
}

func (s state) String() string {
	return fmt.Sprintf("%d MiB resident, %d descriptors, %d goroutines, %d sessions", s.rss>>20, s.descriptors, s.goroutines, s.sessions)
}

// resident is the memory that the daemon takes, in bytes; 0: it has ended.
func (d *daemon) resident() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", d.pid()))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		d.t.Error(err)
	}
	return pages * int64(os.Getpagesize())
}

// pid is that of the daemon itself, not of a command that it runs below.
func (d *daemon) pid() int {
	if v, err := d.api.Version(context.Background()); err == nil {
		return v.PID
	}
	return d.cmd.Process.Pid
}

// state asks what the daemon takes now.
func (d *daemon) state() (s state, err error) {
	s.rss = d.resident()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.pid()))
	if err != nil {
		return s, err
	}
	s.descriptors = len(files)
	all, err := d.api.Sessions(context.Background())
	if err != nil {
		return s, err
	}
	s.sessions = len(all)
	var profile bytes.Buffer
	if err := d.api.Profile(context.Background(), "goroutine", time.Millisecond, &profile); err != nil {
		return s, err
	}
	s.goroutines, err = goroutines(profile.Bytes())
	return s, err
}
