package verbs

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// Data in memory of the house is sent from there and received into it, by Sends, Writes and Reads; each region is registered once.
func TestInPlace(t *testing.T) {
	arena := buffer.NewArena(64 << 20)
	x := newBed(t, Config{Memory: arena.Regions()}, nil)
	const size = 5<<20 + 300
	data, window, into := lend(t, arena, size), lend(t, arena, buffer.MaxBlock), lend(t, arena, buffer.MaxBlock)
	for s := range data.All() {
		for i := range s.Mem {
			s.Mem[i] = byte(i * 7)
		}
	}
	at, err := x.b.Expose(window, rdma.RemoteRead|rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	message := &rdma.Work{Op: rdma.Send, Head: []byte("head"), Data: data, At: 3, Len: 5000}
	x.post(t, message, &rdma.Work{Op: rdma.Write, Data: data, At: buffer.MaxBlock - 100, Len: buffer.MaxBlock, Remote: at})
	x.post(t, &rdma.Work{Op: rdma.Read, Data: into, Len: buffer.MaxBlock, Remote: at})
	x.ub.until(func() bool { return len(x.ub.messages) == 1 })
	want := make([]byte, buffer.MaxBlock)
	data.Read(buffer.MaxBlock-100, want)
	if !bytes.Equal(into.Segment(0).Mem, want) {
		t.Error("the data came wrong")
	}
	want = want[:5000]
	data.Read(3, want)
	if got := x.ub.messages[0]; !bytes.Equal(got, append([]byte("head"), want...)) {
		t.Error("the message came wrong")
	}
	if s := x.a.Stats(); s.Copied != 0 || s.Placed != buffer.MaxBlock {
		t.Errorf("%d bytes copied, %d placed", s.Copied, s.Placed)
	}
	if all := x.d.Adapters(); len(all) != 1 || all[0].Registered < 16<<20 || all[0].Registered > 64<<20 || all[0].Connections != 2 {
		t.Errorf("%+v", all)
	}
	x.b.Revoke(at.Key)
	for _, l := range []*buffer.Lease{data, window, into} {
		l.Release()
	}
	if err := arena.Close(); err != nil { // takes its regions back from the adapter
		t.Error(err)
	}
}

// Memory that nobody has registered is copied, in pieces if there is little for that, and counted; memory that the adapter refuses as well.
func TestCopied(t *testing.T) {
	for name, refused := range map[string]bool{"unknown": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			arena := buffer.NewArena(16 << 20)
			conf := Config{Copies: buffer.MaxBlock}
			if refused {
				conf.Memory = arena.Regions()
			}
			x := newBed(t, conf, nil)
			const size = 8 << 20
			window := buffer.Of(make([]byte, size))
			at, err := x.b.Expose(window, rdma.RemoteRead|rdma.RemoteWrite)
			if err != nil {
				t.Fatal(err)
			}
			// What is copied needs memory that is registered already: a first work sees to it.
			x.post(t, &rdma.Work{Op: rdma.Write, Data: buffer.Of(make([]byte, 1000)), Len: 1000, Remote: at})
			x.f.mu.Lock()
			x.f.refuses = refused
			x.f.mu.Unlock()
			before := x.a.Stats()
			data, into := lend(t, arena, size-5), lend(t, arena, size-5)
			data.Copy(4<<20, []byte("in the middle"))
			x.post(t, &rdma.Work{Op: rdma.Write, Data: data, Len: size - 5, Remote: at})
			x.post(t, &rdma.Work{Op: rdma.Read, Data: into, Len: size - 5, Remote: at})
			got := make([]byte, 13)
			into.Read(4<<20, got)
			if string(got) != "in the middle" {
				t.Errorf("%q", got)
			}
			s := x.a.Stats()
			if s.Copied-before.Copied != 2*(size-5) || s.CopiedPlaced-before.CopiedPlaced != size-5 {
				t.Errorf("%+v", s)
			}
			data.Release()
			into.Release()
			if err := arena.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Regions that go away are taken back, and are not pinned any more; a new region may come in their place.
func TestRemoved(t *testing.T) {
	var list buffer.Regions
	x := newBed(t, Config{Memory: &list}, nil)
	at, err := x.b.Expose(buffer.Of(make([]byte, 8192)), rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r := &buffer.Region{Mem: make([]byte, 8192)}
		list.Add(r)
		l := buffer.New(nil, buffer.Segment{Mem: r.Mem[100:5000], Region: r})
		x.post(t, &rdma.Work{Op: rdma.Write, Data: l, Len: 4900, Remote: at}, &rdma.Work{Op: rdma.Write, Data: l, Len: 4900, Remote: at})
		if !r.Pinned() {
			t.Error("a region is registered, and not pinned")
		}
		list.Remove(r)
		if r.Pinned() {
			t.Error("a region is pinned that is not registered any more")
		}
	}
	if n := x.a.Stats().Copied; n != 0 {
		t.Errorf("%d bytes copied", n)
	}
}

// Memory of a region that the peer may reach keeps its pages as long as it does.
func TestExposedIsPinned(t *testing.T) {
	x := newBed(t, Config{}, nil)
	mem := make([]byte, 8192)
	r, s := &buffer.Region{Mem: mem[:4096]}, &buffer.Region{Mem: mem[4096:]}
	l := buffer.New(nil, buffer.Segment{Mem: mem[4000:4096], Region: r}, buffer.Segment{Mem: mem[4096:5000], Region: s})
	at, err := x.b.Expose(l, rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Pinned() || !s.Pinned() {
		t.Error("memory that is exposed may be given back to the system")
	}
	x.post(t, &rdma.Work{Op: rdma.Write, Data: buffer.Of([]byte("xyz")), Len: 3, Remote: at})
	if !x.b.Revoke(at.Key) || r.Pinned() || s.Pinned() {
		t.Error("it is held when it is not exposed any more")
	}
	x.f.mu.Lock()
	x.f.refuses = true
	x.f.mu.Unlock()
	if _, err := x.b.Expose(l, rdma.RemoteWrite); !errors.Is(err, rdma.ErrExhausted) || r.Pinned() {
		t.Errorf("%v, or it is held", err)
	}
}

// What happens to an adapter ends those that it concerns, and nobody else.
func TestHappenings(t *testing.T) {
	for name, c := range map[string]struct {
		h     func(x *bed) happening
		a, b  error
		lives bool
	}{
		"the adapter fails": {h: func(*bed) happening { return happening{kind: adapterLost} }, a: rdma.ErrLost, b: rdma.ErrLost},
		"port down":         {h: func(*bed) happening { return happening{portDown, 1} }, a: rdma.ErrLost, b: rdma.ErrLost},
		"another port":      {h: func(*bed) happening { return happening{portDown, 2} }, lives: true},
		"nothing":           {h: func(*bed) happening { return happening{kind: nothingOfNote} }, lives: true},
		"a queue pair":      {h: func(x *bed) happening { return happening{pairBroken, x.a.(*conn).number} }, a: rdma.ErrLost},
		"an access":         {h: func(x *bed) happening { return happening{pairAccess, x.b.(*conn).number} }, b: rdma.ErrAccess},
		"heard":             {h: func(x *bed) happening { return happening{pairHeard, x.b.(*conn).number} }, lives: true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBed(t, Config{}, nil)
			x.f.mu.Lock()
			x.f.devices[0].happen(c.h(x))
			x.f.mu.Unlock()
			if c.lives {
				x.post(t, &rdma.Work{Op: rdma.Send, Head: []byte("still there")})
				x.ub.until(func() bool { return len(x.ub.messages) == 1 })
				return
			}
			if err := x.ua.end(); !errors.Is(err, c.a) {
				t.Error(err)
			}
			if err := x.ub.end(); !errors.Is(err, c.b) {
				t.Error(err)
			}
		})
	}
}

// With iWARP buffers are not shared unless that is asked for; and what is not needed is not posted.
func TestSharing(t *testing.T) {
	for name, c := range map[string]struct {
		iwarp   bool
		sharing Sharing
		want    bool
	}{
		"auto": {want: true}, "auto, iWARP": {iwarp: true}, "yes, iWARP": {iwarp: true, sharing: SharedYes, want: true}, "no": {sharing: SharedNo},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBed(t, Config{Shared: c.sharing}, func(f *fabric) {
				f.can.iwarp, f.can.shared = c.iwarp, 1000
				if !c.want {
					f.can.shared = 0 // the fabric has to know
				}
			})
			if got := x.a.(*conn).shares; got != c.want {
				t.Errorf("shares: %v", got)
			}
			p := x.a.(*conn).pool
			for range 300 {
				x.post(t, &rdma.Work{Op: rdma.Send, Head: make([]byte, 100)})
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.posted > p.promised || p.promised > 2*wide.Messages {
				t.Errorf("%d buffers are posted, %d promised", p.posted, p.promised)
			}
		})
	}
}

// An adapter that cannot invalidate by messages sends them all the same.
func TestWithoutInvalidate(t *testing.T) {
	x := newBed(t, Config{}, func(f *fabric) { f.can.invalidates = false })
	at, err := x.b.Expose(buffer.Of(make([]byte, 100)), rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	x.post(t, &rdma.Work{Op: rdma.SendInvalidate, Head: []byte("x"), Invalidate: at.Key})
	x.ub.until(func() bool { return len(x.ub.messages) == 1 })
	if !x.b.Revoke(at.Key) {
		t.Error("the window is gone")
	}
}

// A queue that the adapter does not take more into ends the connection, and all works come back.
func TestRefusedPost(t *testing.T) {
	x := newBed(t, Config{Depth: 64}, nil)
	c := x.a.(*conn)
	x.f.mu.Lock()
	c.pair.(*fakePair).works = 0
	x.f.mu.Unlock()
	var all []*rdma.Work
	for range 10 {
		w := &rdma.Work{Op: rdma.Send, Head: []byte("x")}
		if x.a.Post(w) {
			all = append(all, w)
		}
	}
	x.a.Flush()
	for _, w := range all {
		if err := x.ua.back(w); !errors.Is(err, rdma.ErrFlushed) {
			t.Error(err)
		}
	}
	if err := x.ua.end(); !errors.Is(err, rdma.ErrLost) {
		t.Error(err)
	}
}

// A peer that takes nothing does not hold up an orderly end for ever.
func TestLinger(t *testing.T) {
	x := newBed(t, Config{}, nil)
	x.f.mu.Lock()
	for _, p := range []*conn{x.a.(*conn), x.b.(*conn)} {
		p.pair.(*fakePair).from.all = nil // no buffers
	}
	x.f.mu.Unlock()
	w := &rdma.Work{Op: rdma.Send, Head: []byte("x")}
	x.a.Post(w)
	begin := time.Now()
	x.a.Close(nil)
	if err := x.ua.end(); !errors.Is(err, rdma.ErrLost) {
		t.Error(err)
	}
	if d := time.Since(begin); d < linger {
		t.Errorf("it ended after %v", d)
	}
	if err := x.ua.back(w); !errors.Is(err, rdma.ErrFlushed) {
		t.Error(err)
	}
}

// A device says what is left of it.
func TestDeviceClosed(t *testing.T) {
	d, err := start(Config{}, newFabric())
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	if _, err := d.Listen(context.Background(), "127.0.0.1:0"); err == nil {
		t.Error("a device that is closed listens")
	}
	for _, c := range []Config{{Depth: 1}, {Depth: 1 << 20}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is right", c)
		}
	}
}
