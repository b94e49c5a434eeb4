//go:build vm

package vm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A daemon is a lunette on this machine, which guests attach. Its document is kept, so that what has changed in it is there when it is started again.
type daemon struct {
	dir, binary string

	mu     sync.Mutex
	server *exec.Cmd // nil: it does not run
	log    *os.File
}

// newDaemon starts a daemon that serves a document, and ends it when the test ends.
func newDaemon(t *testing.T, dir, document string) *daemon {
	t.Helper()
	d := &daemon{dir: dir, binary: filepath.Join(dir, "lunette")}
	serverOf(t, d.binary)
	if err := os.WriteFile(filepath.Join(dir, "first.yaml"), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	d.log = log
	t.Cleanup(func() {
		err := d.end(syscall.SIGTERM)
		log.Close()
		said, _ := os.ReadFile(log.Name())
		if err != nil {
			t.Errorf("lunette: %v", err)
		}
		if bad := trouble.FindAll(said, -1); len(bad) > 0 {
			t.Errorf("lunette has had trouble:\n%s", bytes.Join(bad, []byte("\n")))
		}
		if t.Failed() {
			t.Logf("lunette said:\n%s", said)
		}
	})
	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// trouble is a line of the log that no daemon writes unless something is wrong with it.
var trouble = regexp.MustCompile(`(?m)^.*(level=ERROR|panic|fatal error|leak).*$`)

// start begins to serve; who listens then is heard.
func (d *daemon) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		return errors.New("lunette runs already")
	}
	server := exec.Command(d.binary, "serve", "--state", filepath.Join(d.dir, "state"), "--config", filepath.Join(d.dir, "first.yaml"), "--socket", d.socket())
	server.Stdout, server.Stderr = d.log, d.log
	if err := server.Start(); err != nil {
		return err
	}
	d.server = server
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		said, status := d.ask("status")
		if status == 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("lunette does not serve: %s", said)
		}
	}
}

// end sends it a signal and waits until it has gone. It is no error that it was killed.
func (d *daemon) end(signal syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil {
		return nil
	}
	server := d.server
	d.server = nil
	_ = server.Process.Signal(signal)
	err := server.Wait()
	if status, ok := server.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == signal && signal == syscall.SIGKILL {
		return nil
	}
	return err
}

func (d *daemon) socket() string { return filepath.Join(d.dir, "api") }

// ask runs a command of lunette about it, and returns what it says and its status.
func (d *daemon) ask(args ...string) (string, int) {
	cmd := exec.Command(d.binary, append(args, "--socket", d.socket())...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}
