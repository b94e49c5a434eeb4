package ring

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
)

// Both halves work at the same time, each on a goroutine, and sleep when they have nothing to do: what is written before an index is there for who sees the index, and nobody sleeps for ever. The device gives back on
// a third goroutine.
func TestBothAtOnce(t *testing.T) {
	const requests = 2000
	for _, o := range few() {
		for _, area := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v/%v", o, area), func(t *testing.T) { atOnce(t, o, area, requests) })
		}
	}
}

func atOnce(t *testing.T, o Options, area bool, requests int) {
	const size, slot = 32, 64
	g := newGuest(t, 1<<20)
	place := g.place(size, o.Packed)
	drv, err := NewDriver(place, o, g.tables(size, 4))
	if err != nil {
		t.Fatal(err)
	}
	s := o.start()
	if area {
		s.Inflight, _ = g.cut(InflightSize(size, o.Packed))
	}
	dev, err := NewDevice(place, o, g, s)
	if err != nil {
		t.Fatal(err)
	}
	data, at := g.cut(size * slot)
	kick, call, over := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	ring := func(bell chan struct{}) {
		select {
		case bell <- struct{}{}:
		default:
		}
	}
	type work struct {
		id  uint16
		mem []byte
	}
	todo := make(chan work, size)
	var all sync.WaitGroup
	all.Go(func() { // the device takes
		defer close(todo)
		var b Buffers
		for {
			ok, err := dev.Next(&b)
			if err != nil {
				t.Error(err)
				return
			}
			if ok {
				if in := binary.LittleEndian.Uint64(b.Readable[0].Mem); in == 0 {
					t.Error("a request without what was written before it")
				} else {
					binary.LittleEndian.PutUint64(b.Writable[0].Mem, in*3)
				}
				todo <- work{b.ID, b.Writable[0].Mem}
				continue
			}
			if already, err := dev.Want(true); err != nil {
				t.Error(err)
				return
			} else if !already {
				select {
				case <-kick:
				case <-over:
					return
				}
			}
			if _, err := dev.Want(false); err != nil {
				t.Error(err)
				return
			}
		}
	})
	all.Go(func() { // and gives back
		for w := range todo {
			if err := dev.Put(w.id, 8); err != nil {
				t.Error(err)
			}
			more := len(todo) > 0 // then the driver is called later
			if more && w.id%3 != 0 {
				continue
			}
			c, err := dev.Publish(!more || w.id%2 == 0)
			if err != nil {
				t.Error(err)
			}
			if c {
				ring(call)
			}
		}
	})
	free := make([]int, 0, size)
	for i := range size {
		free = append(free, i)
	}
	want := make([]uint64, size)
	for sent, got := 0, 0; got < requests && !t.Failed(); {
		for len(free) > 0 && sent < requests {
			i := free[len(free)-1]
			sent++
			want[i] = uint64(sent) * 3
			binary.LittleEndian.PutUint64(data[i*slot:], uint64(sent))
			binary.LittleEndian.PutUint64(data[i*slot+8:], 0)
			a := at + uint64(i*slot)
			if err := drv.Add([]Piece{{a, 8}}, []Piece{{a + 8, 8}}, uint64(i)); err == ErrFull {
				sent--
				break
			} else if err != nil {
				t.Fatal(err)
			}
			free = free[:len(free)-1]
			if sent%5 == 0 && drv.Kick() {
				ring(kick)
			}
		}
		if drv.Kick() {
			ring(kick)
		}
		i, n, ok, err := drv.Get()
		switch {
		case err != nil:
			t.Fatal(err)
		case ok:
			if answer := binary.LittleEndian.Uint64(data[int(i)*slot+8:]); answer != want[i] || n != 8 {
				t.Errorf("the answer is %d, %d is wanted; %d bytes", answer, want[i], n)
			}
			free = append(free, int(i))
			got++
		case !drv.Want(true):
			<-call
			drv.Want(false)
		}
	}
	close(over)
	all.Wait()
}
