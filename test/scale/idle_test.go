//go:build scale

package scale

import (
	"bytes"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/scsi"
)

const (
	many        = 10000
	maxResident = 1 << 30
)

// TestIdleSessions: ten thousand sessions that do nothing take less than 1 GiB, are asked
// whether they are there, keep nobody out, and leave nothing behind.
func TestIdleSessions(t *testing.T) {
	descriptors(t, many+500)
	s := start(t, "{idle-timeout: 2s}", "")
	before := s.ask("collect")
	empty := s.resident()

	began := time.Now()
	c := gather(s, 0, many)
	all := s.resident()
	t.Logf("%d sessions in %v: %d bytes resident each, %d MiB in all", many, time.Since(began).Round(time.Millisecond), (all-empty)/many, all>>20)
	// A ping that is not answered ends a connection, and is not followed by another.
	c.run(func() bool { return c.pings == many })
	busy := s.ask("collect")
	all = max(all, s.resident())
	t.Logf("after two pings of each: %d bytes of heap, %d of stacks, %d resident each",
		(busy.Heap-before.Heap)/many, (busy.Stacks-before.Stacks)/many, (s.resident()-empty)/many)
	if all > maxResident {
		t.Errorf("%d MiB resident with %d sessions", all>>20, many)
	}
	if n := busy.Goroutines - before.Goroutines; n > many+100 {
		t.Errorf("%d goroutines for %d sessions", n, many)
	}

	began = time.Now()
	listed, err := client.New(s.socket).Sessions(t.Context())
	s.must(err)
	t.Logf("all of them listed in %v", time.Since(began).Round(time.Millisecond))
	if len(listed) != many || listed[many/2].Commands == 0 {
		t.Errorf("%d sessions are listed: %+v", len(listed), listed[len(listed)/2])
	}
	served(s, many)
	began = time.Now()
	c.leave()
	var after count
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		after = s.ask("count")
		if after.Goroutines <= before.Goroutines+10 || time.Now().After(deadline) {
			break
		}
	}
	t.Logf("gone after %v", time.Since(began).Round(10*time.Millisecond))
	after = s.ask("collect")
	left := s.resident()
	t.Logf("when they have gone: %d goroutines (%d before), %d KiB of heap (%d), %d MiB resident (%d)",
		after.Goroutines, before.Goroutines, after.Heap>>10, before.Heap>>10, left>>20, empty>>20)
	if after.Goroutines > before.Goroutines+10 {
		t.Errorf("%d goroutines are left, %d were there before", after.Goroutines, before.Goroutines)
	}
	// Tables keep the size that they once had.
	if after.Heap > before.Heap+16<<20 || left > empty+(all-empty)/4+16<<20 {
		t.Errorf("%d MiB of heap and %d MiB resident are left", after.Heap>>20, left>>20)
	}
	served(s, many+1)
}

// served checks that host n can log in, write and read.
func served(s *server, n int) {
	s.t.Helper()
	c := s.customer(n)
	out, in := bytes.Repeat([]byte{byte(n), 3, 7, 11}, 16<<10), make([]byte, 64<<10)
	for _, lun := range []scsi.LUN{fast, slow} {
		s.must(do(c, lun, scsi.OpWrite10, 5, out))
		s.must(do(c, lun, scsi.OpRead10, 5, in))
		if !bytes.Equal(in, out) {
			s.t.Fatal("wrong data")
		}
	}
	s.must(c.Close())
}

// TestIdleProcessor: a daemon that nobody asks for anything does nothing.
func TestIdleProcessor(t *testing.T) {
	s := start(t, "", "")
	const maxTicks = 10 // in the time below: 2 %
	look := func(what string) {
		was := s.processor()
		time.Sleep(5 * time.Second)
		n := s.processor() - was
		t.Logf("%s: %d ms of processor time in 5 s", what, n*10)
		if n > maxTicks {
			t.Errorf("%s: %d ticks", what, n)
		}
	}
	look("no sessions")
	gather(s, 0, 1000)
	look("1,000 idle sessions")
}

// TestHalfWrites: a thousand sessions that stop in the middle of a write hold hardly more than
// idle ones, and can go on.
func TestHalfWrites(t *testing.T) {
	const sessions, maxEach = 1000, 40 << 10
	descriptors(t, 2*sessions)
	s := start(t, "", "")
	before := s.ask("collect")
	c := gather(s, 0, sessions)
	for _, x := range []struct{ size, part int }{ // of its data, and how much comes at first
		{4 << 10, 100}, {4 << 10, 3 << 10}, {8 << 10, 8000}, {64 << 10, 100}, {64 << 10, 6 << 10}, {64 << 10, 20 << 10},
	} {
		data := make([]byte, x.size)
		for i := range c.hosts {
			b := c.hosts[i].command(scsi.OpWrite10, uint32(i%1000), x.size)
			b.SetDataSegmentLength(x.size)
			c.send(&c.hosts[i], append(b[:], data[:x.part]...))
		}
		served(s, sessions+x.part)
		each := (s.ask("collect").Heap - before.Heap) / sessions
		t.Logf("stopped after %d of %d bytes: %d bytes of heap each", x.part, x.size, each)
		if each > maxEach {
			t.Errorf("%d bytes of heap for each session that stopped after %d of %d bytes", each, x.part, x.size)
		}
		end := c.done + sessions
		for i := range c.hosts {
			c.send(&c.hosts[i], data[x.part:])
		}
		c.run(func() bool { return c.done == end })
	}
}
