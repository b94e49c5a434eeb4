package fabric

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// Everything at once: hosts come and go and send, ports inside come and go and send to all, zoning changes.
func TestRace(t *testing.T) {
	y := new(yard)
	f := New(Config{Name: 1, Max: 8, ErrorDetect: time.Millisecond}, y)
	y.f = f
	var all, inside sync.WaitGroup
	stop := make(chan struct{})
	loop := func(wait *sync.WaitGroup, seed uint64, step func(r *rand.Rand)) {
		r := rand.New(rand.NewPCG(seed, 1))
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					step(r)
				}
			}
		})
	}
	for i := range uint64(3) {
		loop(&inside, i, func(r *rand.Rand) {
			l := new(local)
			link, err := f.Attach(fc.PortConfig{Port: target + fc.Name(i), Types: []fc.Type{fc.TypeFCP}}, l)
			if err != nil {
				t.Error(err)
				return
			}
			id := link.(*port).id
			posted := 0
			for range 30 {
				to := []fc.ID{0x010001, 0x010002, 0x010100 + fc.ID(r.IntN(20)), fc.NameServer, fc.FabricController}[r.IntN(5)]
				s := &fc.Sequence{Header: fc.Header{RCtl: fc.RCtlELSRequest, D: to, S: id, Type: fc.TypeELS, FCtl: fc.FCtlRequest}, Head: els.Register{Function: els.RegisterFull}.Append(nil)}
				if link.Post(s) {
					posted++
				}
				link.Flush()
				_ = link.Stats()
			}
			link.Close()
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(l.sent) != posted {
				t.Errorf("%d of %d are given back", len(l.sent), posted)
			}
		})
	}
	// One goroutine is the link's.
	loop(&all, 10, func(r *rand.Rand) {
		name := host + fc.Name(r.IntN(12))
		g, err := f.Login(flogi(name), uint64(name))
		if err != nil {
			return
		}
		for range 20 {
			to := []fc.ID{0x010001, 0x010002, 0x010003, fc.FabricController, fc.NameServer}[r.IntN(5)]
			f.Received(frame(g.ID, to, els.Register{Function: els.RegisterFull}.Append(nil)))
		}
		f.Batch()
		if r.IntN(3) == 0 {
			f.Logout(g.ID, fc.ErrDown)
		}
	})
	loop(&all, 11, func(r *rand.Rand) {
		f.Zone(zoning{{target + fc.Name(r.IntN(3)), host + fc.Name(r.IntN(12))}: true})
		f.Change(1024+512*r.IntN(3), 1<<20)
		_ = f.Info()
		time.Sleep(time.Millisecond)
	})
	loop(&all, 12, func(*rand.Rand) {
		y.grab()
		time.Sleep(time.Millisecond)
	})
	time.Sleep(500 * time.Millisecond)
	close(stop)
	inside.Wait()
	all.Wait()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
