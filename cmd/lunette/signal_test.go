package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
)

// asProgram makes the test binary behave as lunette itself.
const asProgram = "LUNETTE_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// program starts lunette serving memory in a process of its own, and returns its portal.
func program(t *testing.T) (cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "serve", "--memory", "1M", "--portal", "127.0.0.1:0", "--socket", filepath.Join(t.TempDir(), "s"))
	cmd.Env = append(os.Environ(), asProgram+"=1")
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
