package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/agent/client"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
)

// asProgram makes the test binary behave as lunette itself.
const asProgram = "LUNETTE_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	testscript.Main(leakless{m}, map[string]func(){"lunette": main})
}

// leakless are tests after which no goroutine is left.
type leakless struct{ m *testing.M }

// Run implements [testscript.TestingM].
func (l leakless) Run() int {
	status := l.m.Run()
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// command is lunette, in a process of its own, serving memory.
func command(t *testing.T, more ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{"serve", "--memory", "1M", "--portal", "127.0.0.1:0", "--socket", filepath.Join(t.TempDir(), "s")}, more...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// program starts lunette serving memory in a process of its own, and returns its portal.
func program(t *testing.T) (cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd = command(t)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, a, ok := strings.Cut(lines.Text(), "on iscsi+tcp://"); ok {
			addr = a
		}
		if strings.HasPrefix(lines.Text(), "only this machine") { // the last line
			return cmd, addr
		}
	}
	t.Fatal("the daemon does not start")
	return nil, ""
}

// stay logs in and does not react to anything, so that a daemon that stops has to wait.
func stay(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := initiator.Dial(ctx, addr, initiator.Config{
		InitiatorName: "iqn.2026-11.io.lunette:me", TargetName: "iqn.2026-11.io.lunette:memory",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
}

func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd, _ := program(t)
		_ = cmd.Process.Signal(signal)
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v", signal, err)
		}
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	cmd, addr := program(t)
	stay(t, addr)
	start := time.Now()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	time.Sleep(500 * time.Millisecond)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM || time.Since(start) > 3*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

// ends waits for cmd, which ends in good order.
func ends(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// answers waits until the daemon of cmd answers at its socket.
func answers(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	socket := cmd.Args[slices.Index(cmd.Args, "--socket")+1]
	for range 1000 {
		if _, err := client.New(socket).Version(t.Context()); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the daemon does not answer")
}

// A closed terminal, and the habit of sending SIGHUP to have a document read again, end nothing: secrets
// are read again, and the file of --config is applied.
func TestHangup(t *testing.T) {
	cmd := command(t)
	var log out
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers(t, cmd)
	says := func(want string) {
		t.Helper()
		for i := 0; !strings.Contains(log.String(), want) && i < 1000; i++ {
			_ = cmd.Process.Signal(syscall.SIGHUP)
			time.Sleep(10 * time.Millisecond)
		}
	}
	says("was read again")
	answers(t, cmd)
	ends(t, cmd)
	if text := log.String(); !strings.Contains(text, "was read again") || !strings.Contains(text, "everything written is durable") {
		t.Errorf("the log is %s", text)
	}

	config := filepath.Join(t.TempDir(), "lunette.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const first = "version: 1\nunits: [{name: a, store: {kind: memory, size: 1M}}]\nportals: [\"127.0.0.1:0\"]\n"
	write(first)
	cmd = command(t)
	cmd.Args = slices.Concat(cmd.Args[:slices.Index(cmd.Args, "serve")+1], []string{"--config", config, "--socket", cmd.Args[slices.Index(cmd.Args, "--socket")+1]})
	log = out{}
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers(t, cmd)
	write(strings.Replace(first, "}]", "}, {name: b, store: {kind: memory, size: 2M}}]", 1))
	says("generation=2")
	write("version: 2\n")
	says("version 2 is not known")
	write("version: 1\nportals: []\n")
	says("--delete-data")
	units, err := client.New(cmd.Args[len(cmd.Args)-1]).Units(t.Context())
	if err != nil || len(units) != 2 {
		t.Errorf("%v, %v\n%s", units, err, log.String())
	}
	ends(t, cmd)
	for _, want := range []string{"generation=2", "version 2 is not known", "--delete-data"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log.String())
		}
	}
}

// Standard output and error that break, or that nobody reads, end nothing and hold up nothing.
func TestBrokenOutputs(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	r, gone, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	defer gone.Close()
	r, unread, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer unread.Close()
	// No room is left in it.
	fd := int(unread.Fd())
	_ = syscall.SetNonblock(fd, true)
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 4096))
	}
	_ = syscall.SetNonblock(fd, false)
	for name, f := range map[string]*os.File{"full": full, "gone": gone, "unread": unread} {
		t.Run(name, func(t *testing.T) {
			cmd := command(t)
			cmd.Stdout, cmd.Stderr = f, f
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			answers(t, cmd)
			_ = cmd.Process.Signal(syscall.SIGHUP) // which is logged
			answers(t, cmd)
			ends(t, cmd)
		})
	}
	t.Run("closed", func(t *testing.T) {
		inner := command(t)
		cmd := exec.Command("/bin/sh", append([]string{"-c", `exec "$0" "$@" >&- 2>&-`}, inner.Args...)...)
		cmd.Env = inner.Env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		answers(t, cmd)
		ends(t, cmd)
	})
}

// SIGTERM ends a start that waits.
func TestSignalDuringTheStart(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "serve", "--config", fifo, "--socket", filepath.Join(t.TempDir(), "s"))
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var log out
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It has opened the fifo once this is done, and waits for what nobody writes.
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ends(t, cmd)
	if !strings.Contains(log.String(), "stopped before anything was served") {
		t.Errorf("the log is %s", &log)
	}
}
