//go:build crash

package crash

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// number reads an environment variable.
func number(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func random(t *testing.T) *rand.Rand {
	seed := number(t, "CRASH_SEED", time.Now().UnixNano())
	t.Logf("CRASH_SEED=%d", seed)
	return rand.New(rand.NewPCG(uint64(seed), 0))
}

// program is the lunette to test.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("LUNETTE")
	if path == "" {
		path = "../../bin/lunette"
		if _, err := os.Stat(path); err != nil {
			path = filepath.Join(t.TempDir(), "lunette")
			if out, err := exec.Command("go", "build", "-o", path, "../../cmd/lunette").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A daemon is one run of lunette on a file.
type daemon struct {
	*exec.Cmd
	addr    string
	printed bytes.Buffer
}

// serve starts lunette on the disk and waits until it accepts connections.
func serve(path, disk, addr string, blockSize int, flags ...string) (*daemon, error) {
	d := &daemon{addr: addr}
	d.Cmd = exec.Command(path, append([]string{"serve", disk, "--portal", addr, "--target", targetName,
		"--block-size", strconv.Itoa(blockSize), "--socket", disk + ".sock"}, flags...)...)
	d.Stdout, d.Stderr = &d.printed, &d.printed
	if err := d.Start(); err != nil {
		return nil, err
	}
	for stop := time.Now().Add(10 * time.Second); time.Now().Before(stop); time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return d, c.Close()
		}
	}
	d.kill()
	return nil, fmt.Errorf("it does not listen at %s; it printed:\n%s", addr, &d.printed)
}

// kill ends the daemon as the kernel's out-of-memory killer does.
func (d *daemon) kill() {
	_ = d.Process.Kill() // it may have ended
	_ = d.Wait()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// load writes on several connections until stop has been called, and returns when all
// connections have ended.
func load(t *testing.T, l *ledger, r *rand.Rand, addr string, blockSize int, modes bool, stop func()) {
	t.Helper()
	var all sync.WaitGroup
	for i := range connections {
		c, err := dial(addr, byte(i))
		if err != nil {
			t.Fatal(err)
		}
		h := &host{ledger: l, conn: c, rand: rand.New(rand.NewPCG(r.Uint64(), 0)), blockSize: blockSize, modes: modes && i == 0}
		all.Go(func() {
			defer c.Close()
			if err := h.run(); err != nil {
				t.Error(err)
			}
		})
	}
	stop()
	all.Wait()
}

// report fails the test if something is wrong.
func report(t *testing.T, round int, wrong []error) {
	t.Helper()
	for i, err := range wrong {
		if i == 10 {
			t.Errorf("round %d: … %d in all", round, len(wrong))
			break
		}
		t.Errorf("round %d: %v", round, err)
	}
	if len(wrong) > 0 {
		t.FailNow()
	}
}

// A daemon that is killed leaves what it has acknowledged: kill -9 takes the process, not
// the page cache, so not even what was not flushed may be missing; with direct I/O the disk
// has it.
func TestKill(t *testing.T) {
	t.Run("cached", func(t *testing.T) { kill(t) })
	t.Run("direct", func(t *testing.T) {
		f, err := os.OpenFile(filepath.Join(t.TempDir(), "probe"), os.O_RDWR|os.O_CREATE|syscall.O_DIRECT, 0o600)
		if err != nil {
			t.Skipf("no direct I/O in the temporary directory: %v", err)
		}
		f.Close()
		kill(t, "--direct")
	})
}

func kill(t *testing.T, flags ...string) {
	r := random(t)
	path := program(t)
	disk := filepath.Join(t.TempDir(), "disk.img")
	const blockSize = 512
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, diskBlocks*blockSize); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	l := newLedger(diskBlocks)
	l.survives = true
	rounds := int(number(t, "CRASH_ROUNDS", 50))
	for round := range rounds + 1 {
		d, err := serve(path, disk, addr, blockSize, flags...)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer d.kill()
			c, err := dial(addr, 99)
			if err != nil {
				d.kill()
				t.Fatalf("%v; the daemon printed:\n%s", err, &d.printed)
			}
			wrong, err := look(c, l, blockSize)
			if err != nil {
				t.Fatal(err)
			}
			report(t, round, wrong)
			_ = c.Close()
			if round == rounds {
				return
			}
			load(t, l, r, addr, blockSize, round%3 == 2, func() {
				time.Sleep(time.Duration(r.Int64N(int64(400 * time.Millisecond))))
				d.kill()
			})
		}()
		if t.Failed() {
			t.Fatalf("the daemon printed:\n%s", &d.printed)
		}
		writes, sure, flushes := l.counts()
		if testing.Verbose() {
			t.Logf("round %d: %d writes acknowledged, %d had to survive, %d flushes", round, writes, sure, flushes)
		}
	}
	if info, err := os.Stat(disk); err != nil || info.Size() != diskBlocks*blockSize {
		t.Errorf("the file has another size now: %v, %v", info, err)
	}
}
