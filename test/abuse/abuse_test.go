//go:build abuse

package abuse

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// Bounds of what this process (the node and those who abuse it) may take more than at the
// begin of a test, in bytes.
const (
	maxHeap = 192 << 20
	maxRSS  = 512 << 20
)

// memory is what the process takes: live heap with what the collector has not seen yet, and
// resident memory.
func memory(t *testing.T) (heap, rss int64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(m.HeapAlloc), pages * int64(os.Getpagesize())
}

// A scene is a node, and a well-behaved initiator that has to be served throughout.
type scene struct {
	*transporttest.ISCSI
	t *testing.T
}

// start starts a node, and a twin of it that nobody abuses. What slows the customers of both down is the machine's
// doing, or that of the goroutines of the test; what slows the customer of the one down is the abuse's.
func start(t *testing.T, cfg iscsi.Config) *scene {
	twin := newCustomer(&scene{transporttest.StartISCSI(t, iscsi.Config{}, nil), t})
	// Who does not answer a ping for so long hangs, or is one of very many: the customer is not, on a machine that
	// is as busy as can be.
	cfg.LoginTimeout, cfg.PingAfter, cfg.PingTimeout, cfg.StallTimeout = 6*time.Second, 2*time.Second, 10*time.Second, 3*time.Second
	cfg.Arena = buffer.NewArena(1 << 30) // as much as a node has by default
	s := &scene{transporttest.StartISCSI(t, cfg, nil), t}
	watched := memoryWatch(t)
	good := newCustomer(s)
	t.Cleanup(func() { // before the nodes are shut down
		good.end()
		twin.end()
		watched()
		served, twins := good.count.Load(), twin.count.Load()
		t.Logf("served %d times, the customer of the twin %d times", served, twins)
		if served == 0 || twins > 100*served+100 {
			t.Errorf("the customer was served %d times, that of the twin %d times", served, twins)
		}
	})
	return s
}

// beside runs f beside the test, n times at once, with the numbers from 0 on, and waits for all when the function that
// it returns is called, or when the test ends, however it does: the connections that abused makes are closed then.
func (s *scene) beside(n int, f func(i int, abused func() *initiator.Wire)) (wait func()) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var wires []*initiator.Wire
	over := false
	abused := func() *initiator.Wire {
		w := s.wire()
		mu.Lock()
		defer mu.Unlock()
		if w != nil && over {
			_ = w.Close()
			return nil
		}
		if w != nil {
			wires = append(wires, w)
		}
		return w
	}
	for i := range n {
		all.Go(func() { f(i, abused) })
	}
	s.t.Cleanup(func() {
		mu.Lock()
		over = true
		for _, w := range wires {
			_ = w.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return all.Wait
}

// memoryWatch looks at the memory until its result is called.
func memoryWatch(t *testing.T) func() {
	runtime.GC()
	heap0, rss0 := memory(t)
	stop, done := make(chan struct{}), make(chan struct{})
	var heap, rss int64
	go func() {
		defer close(done)
		for {
			h, r := memory(t)
			heap, rss = max(heap, h-heap0), max(rss, r-rss0)
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		t.Logf("at most %d MiB of heap and %d MiB resident more than before", heap>>20, rss>>20)
		if heap > maxHeap {
			t.Errorf("%d MiB of heap", heap>>20)
		}
		if rss > maxRSS {
			t.Errorf("%d MiB resident", rss>>20)
		}
	}
}

// A customer writes and reads all the time, on the unit that is abused, where nobody else writes.
type customer struct {
	s     *scene
	stop  chan struct{}
	done  chan struct{}
	count atomic.Int64
}

// home is the first of the customer's blocks.
const home = 100_000

func newCustomer(s *scene) *customer {
	c := &customer{s: s, stop: make(chan struct{}), done: make(chan struct{})}
	cfg := s.Config(200)
	cfg.InitiatorName += ".good"
	conn := s.Dial(cfg)
	conn.SetDeadline(time.Now().Add(3 * time.Minute))
	go func() {
		defer close(c.done)
		out, in := make([]byte, 16<<10), make([]byte, 16<<10)
		for i := byte(0); ; i++ {
			select {
			case <-c.stop:
				conn.Logout(pdu.LogoutCloseSession, 0)
				return
			case <-time.After(time.Millisecond):
			}
			for j := range out {
				out[j] = i + byte(j)
			}
			w, err := conn.Do(0, transporttest.CDB10(scsi.OpWrite10, home, 32, transporttest.Later), out, nil)
			if err == nil && w.Status == 0 {
				w, err = conn.Do(0, transporttest.CDB10(scsi.OpRead10, home, 32, transporttest.Lend), nil, in)
			}
			if err != nil || w.Status != 0 || !bytes.Equal(in, out) {
				s.t.Errorf("the customer is not served: %v", err)
				return
			}
			c.count.Add(1)
		}
	}()
	return c
}

func (c *customer) end() {
	close(c.stop)
	<-c.done
}

// comesIn checks that somebody can log in.
func (s *scene) comesIn() {
	s.t.Helper()
	cfg := s.Config(201)
	cfg.InitiatorName += ".late"
	c := s.Dial(cfg)
	if r, err := c.Do(0, make([]byte, 6), nil, nil); err != nil || r.Status != 0 {
		s.t.Fatal(err)
	}
	_ = c.Close()
}

// wire connects; nil if it cannot be had.
func (s *scene) wire() *initiator.Wire {
	w, err := initiator.DialWire(context.Background(), s.Addr)
	if err != nil {
		return nil
	}
	_ = w.SetLinger(0)
	_ = w.SetDeadline(time.Now().Add(time.Minute))
	return w
}

// loggedIn is a connection in full feature phase.
func (s *scene) loggedIn(n int) *initiator.Wire {
	s.t.Helper()
	w := s.wire()
	if w == nil {
		s.t.Fatal("no connection")
	}
	cfg := s.Config(byte(n))
	cfg.ISID[4] = byte(n >> 8)
	if _, err := w.Login(cfg, 1); err != nil {
		s.t.Fatal(err)
	}
	return w
}

func command(w *initiator.Wire, sn uint32, cdb []byte, n int, final bool, data []byte) error {
	x := pdu.SCSICommand{Final: final, Write: cdb[0] == byte(scsi.OpWrite10), Read: cdb[0] == byte(scsi.OpRead10), ITT: sn, ExpectedDataLength: uint32(n)}
	copy(x.CDB[:], cdb)
	var h pdu.BHS
	x.Put(&h)
	h.SetCmdSN(sn)
	return w.Send(&h, nil, data)
}

// TestHalfOpenLogins opens ten thousand connections that say nothing, or half a login.
func TestHalfOpenLogins(t *testing.T) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	n := min(10000, int(files.Cur-500)/2)
	s := start(t, iscsi.Config{Limits: iscsi.Limits{MaxLogins: 1000}})
	var h pdu.BHS
	pdu.LoginRequest{CSG: pdu.StageOperational, ISID: pdu.ISID{0x80}}.Put(&h)
	text := []byte("InitiatorName=" + transporttest.InitiatorName + "\x00SessionType=Discovery\x00")
	h.SetDataSegmentLength(len(text))
	all := make([]*initiator.Wire, n)
	for i := range all {
		w := s.wire()
		if w == nil {
			t.Fatalf("no connection after %d", i)
		}
		all[i] = w
		switch i % 4 {
		case 1:
			w.Write(h[:20])
		case 2:
			w.Write(h[:])
		case 3: // goes on in the next request, which never comes
			w.Write(append(h[:], text...)[:pdu.HeaderLen+pdu.Padded(len(text))-i%8])
		}
		if i%1000 == 500 {
			s.comesIn()
		}
	}
	t.Logf("%d connections", n)
	s.comesIn()
	for _, w := range all {
		_ = w.Close()
	}
}

// TestSlowReaders asks for much data and does not receive it.
func TestSlowReaders(t *testing.T) {
	s := start(t, iscsi.Config{})
	for i := range 50 {
		w := s.loggedIn(i)
		defer w.Close()
		for k := range uint32(100) {
			way := transporttest.Way(k % 3)
			if command(w, 1+k, transporttest.CDB10(scsi.OpRead10, 0, 2048, way), 1<<20, true, nil) != nil {
				break
			}
		}
	}
	s.comesIn()
	time.Sleep(5 * time.Second)
	s.comesIn()
	s.left(1)
}

// left waits until only n sessions are there: the time-outs have ended the others.
func (s *scene) left(n int) {
	s.t.Helper()
	transporttest.Eventually(s.t, "the time-outs", func() bool { return len(s.Node.Sessions()) <= n })
}

// TestSlowWriters sends a byte at a time.
func TestSlowWriters(t *testing.T) {
	s := start(t, iscsi.Config{})
	var all sync.WaitGroup
	for i := range 100 {
		w := s.loggedIn(i)
		defer w.Close()
		all.Go(func() {
			x := pdu.SCSICommand{Final: true, Write: true, ITT: 1, ExpectedDataLength: 64 << 10}
			copy(x.CDB[:], transporttest.CDB10(scsi.OpWrite10, 1000, 128, transporttest.Lend))
			var h pdu.BHS
			x.Put(&h)
			h.SetCmdSN(1)
			b := w.AppendPDU(nil, &h, nil, make([]byte, 64<<10))
			for _, c := range b[:600] {
				if _, err := w.Write([]byte{c}); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	s.comesIn()
	all.Wait()
	s.left(1)
}

// TestUnansweredR2Ts has windows full of writes whose R2Ts nobody answers.
func TestUnansweredR2Ts(t *testing.T) {
	s := start(t, iscsi.Config{})
	for i := range 20 {
		w := s.loggedIn(i)
		defer w.Close()
		for k := range uint32(128) {
			if err := command(w, 1+k, transporttest.CDB10(scsi.OpWrite10, 2048, 2048, transporttest.Way(k%3)), 1<<20, true, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(300 * time.Millisecond)
	t.Logf("%d MiB of the arena are lent", s.Arena.Outstanding()>>20)
	s.comesIn()
	s.left(1)
}

// TestLoginFloods sends login text without end.
func TestLoginFloods(t *testing.T) {
	s := start(t, iscsi.Config{})
	wait := s.beside(200, func(i int, abused func() *initiator.Wire) {
		w := abused()
		if w == nil {
			return
		}
		var text []byte
		for k := 0; len(text) < 8000; k++ {
			text = login.AppendPair(text, "X-key"+strconv.Itoa(k*(i%2)), "value")
		}
		var reading sync.WaitGroup
		reading.Go(func() { _, _ = io.Copy(io.Discard, w) })
		for err := error(nil); err == nil; {
			var h pdu.BHS
			pdu.LoginRequest{Continue: i%3 != 0, CSG: pdu.Stage(i % 2), ISID: pdu.ISID{0x80}}.Put(&h)
			err = w.Send(&h, nil, text)
		}
		_ = w.Close()
		reading.Wait()
	})
	s.comesIn()
	wait()
	s.comesIn()
}

// TestPingFloods sends pings with much data and receives nothing.
func TestPingFloods(t *testing.T) {
	s := start(t, iscsi.Config{})
	var all sync.WaitGroup
	for i := range 10 {
		w := s.loggedIn(i)
		defer w.Close()
		all.Go(func() {
			data := make([]byte, (i%3)*(128<<10))
			for n := uint32(0); ; n++ {
				var h pdu.BHS
				pdu.NOPOut{Immediate: true, ITT: n &^ (1 << 31), TTT: pdu.NoTag}.Put(&h)
				if w.Send(&h, nil, data) != nil {
					return
				}
			}
		})
	}
	time.Sleep(time.Second)
	s.comesIn()
	all.Wait() // ended by a time-out
	s.left(1)
}

// TestGarbage sends random bytes after a login, and PDUs of random headers.
func TestGarbage(t *testing.T) {
	s := start(t, iscsi.Config{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for round := range 60 {
				w := s.loggedIn(i)
				go io.Copy(io.Discard, w)
				for range 200 {
					var b [pdu.HeaderLen]byte
					for k := range b {
						b[k] = byte(r.Uint32())
					}
					h := pdu.BHS(b)
					if round%2 == 0 {
						h[0] &= 0x47 // an opcode of an initiator, and possible lengths
						h.SetCmdSN(uint32(1 + r.IntN(8)))
						if w.Send(&h, nil, make([]byte, r.IntN(3000))) != nil {
							break
						}
					} else if _, err := w.Write(h[:]); err != nil {
						break
					}
				}
				_ = w.Close()
				s.Units[0].Release()
			}
		})
	}
	all.Wait()
	s.comesIn()
}

// TestReinstatementStorm logs in to the same session from everywhere, also as connections of it.
func TestReinstatementStorm(t *testing.T) {
	s := start(t, iscsi.Config{})
	var all sync.WaitGroup
	var ok atomic.Int64
	var kept [16][]*initiator.Wire // not closed by us
	stop := time.Now().Add(6 * time.Second)
	for i := range 16 {
		all.Go(func() {
			for time.Now().Before(stop) {
				w := s.wire()
				if w == nil {
					continue
				}
				cfg := s.Config(1)
				cfg.Login.MaxConnections = 4
				cfg.CID = uint16(i % 5)
				if i%4 != 0 {
					if all := s.Node.Sessions(); len(all) > 0 {
						cfg.TSIH = all[i%len(all)].TSIH
					}
				}
				if _, err := w.Login(cfg, 1); err == nil {
					ok.Add(1)
					for k := range uint32(4) {
						_ = command(w, 1+k, transporttest.CDB10(scsi.OpWrite10, 0, 512, transporttest.Way(k%3)), 256<<10, k%2 == 0, make([]byte, 1000))
					}
				}
				if kept := &kept[i]; i%3 != 0 || len(*kept) == 200 {
					_ = w.Close()
				} else {
					*kept = append(*kept, w)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d logins", ok.Load())
	for _, k := range kept {
		for _, w := range k {
			_ = w.Close()
		}
	}
	if ok.Load() < 100 {
		t.Error("too few logins")
	}
	s.comesIn()
	s.left(1)
}
