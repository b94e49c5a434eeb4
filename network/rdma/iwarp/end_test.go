package iwarp

import (
	"context"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// TestClose: what the ends of a connection look like on the wire, and to its user.
func TestClose(t *testing.T) {
	t.Run("orderly", func(t *testing.T) {
		b := newBed(t, rdma.Options{Reads: 1, MaxMessage: 100}, false)
		w := &rdma.Work{Op: rdma.Send, Head: []byte("last words")}
		if !b.c.Post(w) {
			t.Fatal("not taken")
		}
		b.c.Close(nil)
		if all := b.sentAll(); len(all) != 1 || string(all[0].payload) != "last words" || !b.closedWr || b.closed {
			t.Errorf("%+v", all)
		}
		if b.c.Post(&rdma.Work{}) {
			t.Error("a work is taken after the end")
		}
		b.feed(send(1, []byte("too late")))
		b.hangUp()
		if err := errors.Join(b.h.ended(), b.h.gotBack(w)); err != nil || len(b.h.messages) != 0 {
			t.Error(err)
		}
	})
	t.Run("broken off", func(t *testing.T) {
		b := newBed(t, rdma.Options{MaxMessage: 100}, false)
		mine := errors.New("mine")
		b.c.Close(mine)
		if all := b.sentAll(); len(all) != 1 || all[0].op != opTerminate || !b.closed {
			t.Errorf("%+v", all)
		}
		b.run()
		if err := b.h.ended(); !errors.Is(err, mine) || !errors.Is(err, rdma.ErrClosed) {
			t.Error(err)
		}
	})
	t.Run("broken off while the socket is full", func(t *testing.T) {
		b := newBed(t, rdma.Options{MaxMessage: 100}, false)
		b.room = 30
		w := &rdma.Work{Op: rdma.Send, Data: buffer.Of(make([]byte, 1000)), Len: 1000}
		if !b.c.Post(w) {
			t.Fatal("not taken")
		}
		b.c.Flush()
		if s := b.c.Stats(); s.Queued != 1 || s.BytesQueued != 1000 || s.Blocked != 1 {
			t.Errorf("%+v", s)
		}
		b.c.Close(rdma.ErrProtocol)
		b.run()
		if err := b.h.gotBack(w); !errors.Is(err, rdma.ErrFlushed) {
			t.Error(err)
		}
		if len(b.out) != 30 {
			t.Errorf("%d bytes", len(b.out))
		}
	})
	for name, c := range map[string]struct {
		wire []byte
		want error
	}{
		"between messages": {send(1, []byte("whole")), nil},
		"in a header":      {send(1, []byte("whole"))[:7], rdma.ErrLost},
		"in an FPDU":       {send(1, []byte("whole"))[:25], rdma.ErrLost},
		"in a message":     {fpdu(header{op: opSend, msn: 1}, []byte("half"), false), rdma.ErrLost},
		"in a Write":       {fpdu(header{tagged: true, op: opWrite}, nil, false), rdma.ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, rdma.Options{Reads: 1, MaxMessage: 100}, false)
			w, _ := b.read(make([]byte, 10), 0)
			b.feed(c.wire)
			b.hangUp()
			if err := b.h.ended(); !errors.Is(err, c.want) {
				t.Error(err)
			}
			if err := b.h.gotBack(w); !errors.Is(err, rdma.ErrFlushed) {
				t.Error(err)
			}
		})
	}
	t.Run("in a Read", func(t *testing.T) {
		b := newBed(t, rdma.Options{Reads: 1, MaxMessage: 100}, false)
		_, sink := b.read(make([]byte, 100), 0)
		b.feed(response(sink, make([]byte, 100), 60, false)[:60+taggedLen+crcLen])
		b.hangUp()
		if err := b.h.ended(); !errors.Is(err, rdma.ErrLost) {
			t.Error(err)
		}
	})
}

// TestReadsWait: no more Reads are outstanding than was agreed on, and those that wait can be taken
// back.
func TestReadsWait(t *testing.T) {
	b := newBed(t, rdma.Options{Reads: 2, MaxMessage: 100}, false)
	mem := make([]byte, 100)
	var works []*rdma.Work
	for range 5 {
		w := &rdma.Work{Op: rdma.Read, Data: buffer.Of(mem), Len: 100}
		works = append(works, w)
		if !b.c.Post(w) {
			t.Fatal("not taken")
		}
	}
	b.c.Flush()
	if all := b.sentAll(); len(all) != 2 {
		t.Fatalf("%d Reads", len(all))
	}
	if b.c.Cancel(works[1]) || !b.c.Cancel(works[2]) || b.c.Cancel(works[2]) {
		t.Error("Cancel")
	}
	b.feed(response(works[0].State, mem, 1000, false))
	if all := b.sentAll(); len(all) != 1 || parseReadRequest(all[0].payload).sink != works[3].State {
		t.Fatalf("%+v", all)
	}
	if err, ok := b.h.back[works[0]]; !ok || err != nil {
		t.Error(err)
	}
	b.hangUp()
	for _, w := range []int{1, 3, 4} {
		if err := b.h.gotBack(works[w]); !errors.Is(err, rdma.ErrFlushed) {
			t.Error(err)
		}
	}
	if _, ok := b.h.back[works[2]]; ok {
		t.Error("a work that was taken back has come back")
	}
}

// TestMisuse: a work that cannot be carried ends the connection, and comes back.
func TestMisuse(t *testing.T) {
	for name, c := range map[string]struct {
		w    rdma.Work
		want error
	}{
		"a Read where none are agreed on": {rdma.Work{Op: rdma.Read}, rdma.ErrClosed},
		"4 GiB":                           {rdma.Work{Op: rdma.Write, Len: 1 << 32}, rdma.ErrLength},
	} {
		b := newBed(t, rdma.Options{MaxMessage: 100}, false)
		w := c.w
		if !b.c.Post(&w) {
			t.Fatal("not taken")
		}
		b.c.Flush()
		b.hangUp()
		if err := b.h.gotBack(&w); !errors.Is(err, c.want) || !errors.Is(err, rdma.ErrFlushed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWindows(t *testing.T) {
	b := newBed(t, rdma.Options{MaxMessage: 100}, false)
	data := buffer.Of(make([]byte, 10))
	seen := make(map[rdma.Key]bool)
	var all []rdma.Remote
	for {
		r, err := b.c.Expose(data, rdma.RemoteRead)
		if errors.Is(err, rdma.ErrExhausted) {
			break
		}
		if err != nil || r.Key == 0 || seen[r.Key] || r.Addr&0xFFF != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		seen[r.Key] = true
		all = append(all, r)
	}
	if len(all) != 4096 {
		t.Errorf("%d windows", len(all))
	}
	for _, r := range all {
		if !b.c.Revoke(r.Key) || b.c.Revoke(r.Key) {
			t.Fatal("Revoke")
		}
	}
	if b.c.Revoke(0) {
		t.Error("key 0 is there")
	}
	b.hangUp()
}

// TestNoAllocations: what a target does for commands, again and again, allocates nothing.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, and pools keep little")
	}
	b := newBed(t, rdma.Options{Reads: 4, Serves: 4, MaxMessage: 4096}, false)
	h := &silent{}
	b.c.h = h
	data := buffer.Of(make([]byte, 64<<10))
	read := &rdma.Work{Op: rdma.Read, Data: data, Len: 64 << 10}
	write := &rdma.Work{Op: rdma.Write, Data: data, Len: 64 << 10}
	answer := &rdma.Work{Op: rdma.SendInvalidate, Head: make([]byte, 76)}
	window, err := b.c.Expose(data, rdma.RemoteRead)
	if err != nil {
		t.Fatal(err)
	}
	var p [readRequestLen]byte
	(&readRequest{sink: 1, size: 5000, source: uint32(window.Key), sourceTO: window.Addr}).put(p[:])
	command := fpdu(header{last: true, op: opSend, msn: 1}, make([]byte, 76), false)
	question := fpdu(header{last: true, op: opReadRequest, qn: queueRead, msn: 1}, p[:], false)
	zeros := response(1, make([]byte, 64<<10), 1428, false)
	b.out = make([]byte, 0, 1<<20)
	in := make([]byte, 0, 1<<20)
	msn := uint32(0)
	n := testing.AllocsPerRun(200, func() {
		msn++
		b.out = b.out[:0]
		command[15], command[14], question[15], question[14] = byte(msn), byte(msn>>8), byte(msn), byte(msn>>8)
		b.in = append(in[:0], command...)
		b.in = append(b.in, question...)
		b.run()
		b.c.Post(read)
		b.c.Post(write)
		b.c.Post(answer)
		b.c.Flush()
		for at := 0; at < len(zeros); at += 1448 {
			zeros[at+4], zeros[at+5], zeros[at+6], zeros[at+7] = byte(read.State>>24), byte(read.State>>16), byte(read.State>>8), byte(read.State)
		}
		b.in = append(in[:0], zeros...)
		b.run()
		r, _ := b.c.Expose(data, rdma.RemoteWrite)
		b.c.Revoke(r.Key)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	if h.done != 3*int(msn) || h.received != int(msn) {
		t.Errorf("%d works, %d messages of %d", h.done, h.received, msn)
	}
	b.hangUp()
}

type silent struct{ done, received int }

func (h *silent) Received(rdma.Message)  { h.received++ }
func (h *silent) Done(*rdma.Work, error) { h.done++ }
func (h *silent) Closed(error)           {}

// BenchmarkRead and BenchmarkWrite move data between two devices in this process.
func BenchmarkRead(b *testing.B)  { benchmark(b, rdma.Read) }
func BenchmarkWrite(b *testing.B) { benchmark(b, rdma.Write) }

func benchmark(b *testing.B, op rdma.Op) {
	for _, size := range []int64{4 << 10, 64 << 10, 1 << 20} {
		for name, limit := range map[string]int{"segment": 0, "1448": 1448} {
			b.Run(name+"/"+byteSize(size), func(b *testing.B) {
				d, err := New(Config{Engine: tcp.NewGoroutines(tcp.AutoSpin()), MaxFPDU: limit})
				if err != nil {
					b.Fatal(err)
				}
				x, y := dial(b, d, d, plenty, plenty)
				h, peer := &limited{c: make(chan *rdma.Work, 16), over: make(chan struct{})}, newHandler(b)
				x.Start(h)
				y.Start(peer)
				_ = y.Post(&rdma.Work{Op: rdma.Send})
				y.Flush()
				r, err := y.Expose(buffer.Of(make([]byte, size)), rdma.RemoteRead|rdma.RemoteWrite)
				if err != nil {
					b.Fatal(err)
				}
				for range cap(h.c) {
					h.c <- &rdma.Work{Op: op, Data: buffer.Of(make([]byte, size)), Len: size, Remote: r}
				}
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					x.Post(<-h.c)
					x.Flush()
				}
				for range cap(h.c) {
					<-h.c
				}
				s, p := x.Stats(), y.Stats()
				mib := float64(s.Placed+p.Placed) / (1 << 20)
				b.ReportMetric(float64(s.Receives+p.Receives)/mib, "receives/MiB")
				b.ReportMetric(float64(s.Sends+p.Sends)/mib, "sends/MiB")
				b.ReportMetric(float64(s.Copied+p.Copied)/(1<<20)/mib, "copies/B")
				x.Close(nil)
				y.Close(nil)
				<-h.over
				peer.ended()
			})
		}
	}
}

func byteSize(n int64) string {
	return map[int64]string{4 << 10: "4k", 64 << 10: "64k", 1 << 20: "1M"}[n]
}

type limited struct {
	c    chan *rdma.Work
	over chan struct{}
}

func (h *limited) Received(rdma.Message) {}
func (h *limited) Done(w *rdma.Work, _ error) {
	h.c <- w
}
func (h *limited) Closed(error) { close(h.over) }

// TestLostInDial: a listener that is closed takes nobody any more.
func TestLostInDial(t *testing.T) {
	d := device(t, Config{Engine: tcp.NewGoroutines(tcp.Spin{})})
	l := listen(t, d)
	p := dialRaw(t, l.Addr())
	p.write(golden(t, frames["iSER request"].wire))
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if got := p.gone(); len(got) != 0 {
		t.Errorf("%x", got)
	}
	if _, _, err := d.Dial(context.Background(), l.Addr(), plenty); !errors.Is(err, rdma.ErrLost) {
		t.Error(err)
	}
}
