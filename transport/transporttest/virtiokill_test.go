package transporttest_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/transporttest"
	"github.com/lunette-io/lunette/transport/virtio"
)

// killedEnv has the directory of the process that is killed: there TestKilledVirtio is that process.
const killedEnv = "LUNETTE_TEST_KILLED"

// TestKilledVirtio kills the process behind a socket, again and again, while a driver has commands open: what may run twice does and ends well, what may not is told, every byte is right.
func TestKilledVirtio(t *testing.T) {
	if dir := os.Getenv(killedEnv); dir != "" {
		serveUntilKilled(t, dir)
		return
	}
	for name, cfg := range map[string]initiator.Config{"split": {}, "split, no tables": {Direct: true, Flags: true}, "packed": {Packed: true}} {
		t.Run(name, func(t *testing.T) { killedVirtio(t, cfg) })
	}
}

// serveUntilKilled serves a file at a socket, both in dir, until it is killed, or whoever has started it has gone.
func serveUntilKilled(t *testing.T, dir string) {
	arena := buffer.NewArena(64 << 20)
	disk, _ := transporttest.ScriptTargetAt(t, arena, filepath.Join(dir, "disk"))
	node, err := virtio.NewNode(virtio.Config{Arena: arena})
	if err != nil {
		t.Fatal(err)
	}
	if err := node.TakeTarget(virtio.Target{SCSI: disk}); err != nil {
		t.Fatal(err)
	}
	o := virtio.PortalOptions{Queues: 4}
	o.Path, o.UID, o.GID = filepath.Join(dir, "s"), -1, -1
	p, err := virtio.Listen(vhost.New(vhost.Config{}), o, node)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	fmt.Println("serving")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// serveKilled starts that process.
func serveKilled(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	c := exec.Command("/proc/self/exe", "-test.run=^TestKilledVirtio$", "-test.count=1", "-test.timeout=0")
	c.Env = append(os.Environ(), killedEnv+"="+dir)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "serving\n" {
		_ = c.Process.Kill()
		rest, _ := io.ReadAll(out)
		_ = c.Wait()
		t.Fatalf("it does not serve: %v %s%s%s", err, line, rest, said.String())
	}
	_ = in // closed with the process
	return c
}

func killedVirtio(t *testing.T, cfg initiator.Config) {
	dir, err := os.MkdirTemp("", "vhost")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	child := serveKilled(t, dir)
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	cfg.Reconnect, cfg.Queues = true, 2
	ctx, cancel := context.WithTimeout(context.Background(), transporttest.Patience)
	defer cancel()
	c, err := initiator.Dial(ctx, filepath.Join(dir, "s"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for k := (initiator.Command{CDB: make([]byte, 6)}); ; {
		if err := c.Do(&k); err != nil {
			t.Fatal(err)
		}
		if k.Status == scsi.Good {
			break
		}
	}
	x := &virtioStorm{c: c, seed: 1, workers: 12, commands: 10 * stormCommands(), most: 256, ways: []transporttest.Way{0}, units: 1}
	stop := make(chan struct{})
	counted := make(chan error, 1)
	go func() { counted <- counts(c, stop) }()
	over := make(chan error, 1)
	go func() { over <- x.run() }()
	kills := 0
	for running := true; running; {
		select {
		case err := <-over:
			if err != nil {
				t.Error(err)
			}
			running = false
		case <-time.After(100 * time.Millisecond):
			if kills == 5 {
				continue
			}
			_ = child.Process.Kill()
			_ = child.Wait()
			kills++
			child = serveKilled(t, dir)
		}
	}
	close(stop)
	if err := <-counted; err != nil {
		t.Error(err)
	}
	t.Logf("%d kills, come back %d times; %d commands were GOOD, %d were not", kills, c.Again(), x.good.Load(), x.failed.Load())
	if kills > 0 && c.Again() == 0 {
		t.Error("the driver has not come back")
	}
}

// counterBlock is behind all blocks of the storm's workers.
const counterBlock = 32_000

// counts counts in a block by COMPARE AND WRITE, each from what the last one has left. Each is done once or, if the unit says that nobody knows, once or not at all: if one were done twice the next would find another number.
func counts(c *initiator.Conn, stop chan struct{}) error {
	block := func(n uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 0, 512), n)[:512] }
	read := func() (uint64, error) {
		for {
			k := initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, counterBlock, 1, 0), In: make([]byte, 512)}
			if err := c.Do(&k); err != nil {
				return 0, err
			}
			switch {
			case k.Status == scsi.Good:
				return binary.BigEndian.Uint64(k.In), nil
			case k.Status != scsi.CheckCondition || k.Sense.Key != scsi.KeyUnitAttention:
				return 0, fmt.Errorf("READ of the counter: %v, %v", k.Status, k.Sense)
			}
		}
	}
	unknown := 0
	for n := uint64(0); ; {
		select {
		case <-stop:
			if got, err := read(); err != nil || got != n {
				return errors.Join(err, fmt.Errorf("the counter is %d instead of %d", got, n))
			}
			if n == 0 {
				return errors.New("nothing was counted")
			}
			return nil
		default:
		}
		cdb := make([]byte, 16)
		cdb[0], cdb[13] = byte(scsi.OpCompareAndWrite), 1
		binary.BigEndian.PutUint32(cdb[6:], counterBlock)
		k := initiator.Command{CDB: cdb, Out: append(block(n), block(n+1)...), Queue: 1}
		err := c.Do(&k)
		switch {
		case err != nil:
			return fmt.Errorf("COMPARE AND WRITE from %d: %w", n, err)
		case k.Status == scsi.Good:
			n++
		case k.Status == scsi.CheckCondition && k.Sense.Key == scsi.KeyUnitAttention:
			got, err := read()
			if err != nil {
				return err
			}
			if got != n && got != n+1 {
				return fmt.Errorf("the counter is %d after %d", got, n)
			}
			n = got
			unknown++
		default:
			return fmt.Errorf("COMPARE AND WRITE from %d, after %d of which nobody knows: %v, %v", n, unknown, k.Status, k.Sense)
		}
	}
}
