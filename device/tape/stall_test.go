package tape_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// An initiator that takes nothing of a long READ keeps the drive as long as nobody else wants it; then it loses its connection.
func TestReadNobodyTakes(t *testing.T) {
	const blocks, length = 40, 100 << 10
	for name, wants := range map[string]func(b *bench) error{
		"another initiator": func(b *bench) error { b.good(rewind(), nil, 0); return nil },
		"the robot": func(b *bench) error {
			c, err := b.d.Unload(b.Context(), false)
			if err == nil {
				err = b.d.Load(b.Context(), c)
				b.calm(b.s)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := loaded(t, 100<<20, nil)
				defer b.close()
				for i := range blocks {
					b.good(writeCDB(length), block(i, length), 0)
				}
				b.good(rewind(), nil, 0)
				b.d.SetBlockLength(length)
				evil := b.login(2, loopback.Options{Untaken: true})
				p := evil.Start(loopback.Command{CDB: readFixed(blocks), In: make([]byte, blocks*length)})
				time.Sleep(time.Hour)
				if evil.Overdues() != 0 {
					t.Fatal("its connection was ended, and nobody else wanted the drive")
				}
				began := time.Now()
				if err := wants(b); err != nil {
					t.Error(err)
				}
				if waited := time.Since(began); waited > 2*target.Patience || evil.Overdues() != 1 {
					t.Errorf("after %v it was called overdue %d times", waited, evil.Overdues())
				}
				_, _ = p.Wait(t.Context()) // it was aborted
				b.good(ready(), nil, 0)
			})
		})
	}
}

// Who takes its data slowly keeps the drive until it has all.
func TestReadTakenSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const blocks, length = 40, 100 << 10
		b := loaded(t, 100<<20, nil)
		defer b.close()
		for i := range blocks {
			b.good(writeCDB(length), block(i, length), 0)
		}
		b.good(rewind(), nil, 0)
		b.d.SetBlockLength(length)
		slow := b.login(2, loopback.Options{Pace: true, Delay: target.Patience - time.Second})
		p := slow.Start(loopback.Command{CDB: readFixed(blocks), In: make([]byte, blocks*length)})
		synctest.Wait()
		b.good(rewind(), nil, 0)
		if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil || r.In != blocks*length || slow.Overdues() != 0 {
			t.Errorf("%v, %+v, overdue %d times", err, r, slow.Overdues())
		}
	})
}
