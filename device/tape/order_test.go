package tape_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// IMMED answers early; the work goes on, and others are told so, or wait.
func TestImmediate(t *testing.T) {
	b := newBench(t, nil)
	f := newFaulty(100 << 20)
	b.load(f)
	b.good(writeCDB(100), block(0, 100), 0)
	progress := func(want scsi.Sense, tur scsi.ASC) {
		t.Helper()
		want.ProgressValid = true
		got, err := scsi.ParseSense(b.good(cdb.RequestSense{Allocation: 18}.Append(nil), nil, 18))
		if err != nil || got != want {
			t.Errorf("REQUEST SENSE %v, want %v", got, want)
		}
		not := scsi.NotReady(tur)
		not.ProgressValid = true
		b.ends(ready(), nil, 0, not, 0)
	}
	for _, c := range []struct {
		cdb  []byte
		what string
		want scsi.Sense
		tur  scsi.ASC
	}{
		{cdb.Rewind{Immed: true}.Append(nil), "locate", sense(scsi.KeyNoSense, scsi.ASCOperationInProgress), scsi.ASCNotReadyOperationInProgress},
		{cdb.Locate{Opcode: scsi.OpLocate16, Immed: true, Identifier: 1}.Append(nil), "locate", sense(scsi.KeyNoSense, scsi.ASCOperationInProgress), scsi.ASCNotReadyOperationInProgress},
		{cdb.Erase{Immed: true, Long: true}.Append(nil), "erase", sense(scsi.KeyNoSense, scsi.ASCEraseInProgress), scsi.ASCNotReadyOperationInProgress},
	} {
		hold := make(chan struct{})
		f.set(func(what string) error {
			if what == c.what {
				<-hold
			}
			return nil
		})
		b.good(c.cdb, nil, 0)
		progress(c.want, c.tur)
		p := b.s.Start(loopback.Command{CDB: cdb.ReadPosition{Action: cdb.PositionLong}.Append(nil), In: make([]byte, 32)})
		progress(c.want, c.tur)
		close(hold)
		if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
			t.Error(err, r.Err())
		}
		b.good(ready(), nil, 0)
	}
	// An error of it is told by what comes next.
	b.good(rewind(), nil, 0)
	b.good(cdb.Locate{Opcode: scsi.OpLocate16, Immed: true, Identifier: 77}.Append(nil), nil, 0)
	b.ends(space(cdb.SpaceBlocks, -1), nil, 0, sense(scsi.KeyBlankCheck, scsi.ASCEndOfData).AsDeferred(), 0)
	b.good(space(cdb.SpaceBlocks, -1), nil, 0)
}

// Commands of one nexus are done in order of their arrival, although the data of a later one is there first; others do not wait for
// who owes data.
func TestOrderOfArrival(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	owes := b.login(2, loopback.Options{Never: true})
	p := owes.Start(loopback.Command{CDB: writeCDB(100), Out: block(1, 100)})
	q := owes.Start(loopback.Command{CDB: rewind()})
	b.good(writeCDB(50), block(2, 50), 0)
	b.at(1, 0)
	if r := owes.Manage(target.AbortTask, 0, p.Tag()); r != target.FunctionComplete {
		t.Error(r)
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Error(err)
	}
	if r, err := q.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Error(err, r.Err())
	}
	b.at(0, 0)
	b.reads(block(2, 50))
	// Many at a time, whose data comes when it wants to: all in order.
	late := b.login(3, loopback.Options{Later: true, Piece: 700})
	var all []loopback.Pending
	for i := range 100 {
		all = append(all, late.Start(loopback.Command{CDB: writeCDB(1000 + 37*(i%11)), Out: block(i, 1000+37*(i%11))}))
	}
	for _, p := range all {
		if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
			t.Fatal(err, r.Err())
		}
	}
	b.good(locate(1), nil, 0)
	for i := range 100 {
		b.reads(block(i, 1000+37*(i%11)))
	}
}

// A queue of commands that are aborted while the first of them hangs: they end at once.
func TestAbortInQueue(t *testing.T) {
	b := newBench(t, nil)
	f := newFaulty(100 << 20)
	b.load(f)
	hold := make(chan struct{})
	f.set(func(what string) error { <-hold; return nil })
	first := b.s.Start(loopback.Command{CDB: locate(0)})
	other := b.login(2, loopback.Options{})
	for _, c := range []loopback.Command{{CDB: writeCDB(100), Out: block(1, 100)}, {CDB: readCDB(100), In: make([]byte, 100)}, {CDB: rewind()}} {
		p := other.Start(c)
		if r := other.Manage(target.AbortTask, 0, p.Tag()); r != target.FunctionComplete {
			t.Error(r)
		}
		if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.d.Unload(ctx, false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(hold)
	if r, err := first.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Error(err, r.Err())
	}
	b.at(0, 0)
}

// The disk below hangs: commands that wait for it end when they are aborted, and what was buffered is written when it goes on.
func TestAbortWhileDiskHangs(t *testing.T) {
	b := newBench(t, func(c *tape.Config) { c.Buffer = 100 << 10 })
	f := newFaulty(100 << 20)
	b.load(f)
	hold := make(chan struct{})
	f.set(func(what string) error {
		if what == "append" {
			<-hold
		}
		return nil
	})
	const size = 60 << 10
	b.good(writeCDB(size), block(0, size), 0)
	for _, c := range []loopback.Command{
		{CDB: writeCDB(size), Out: block(1, size)}, {CDB: rewind()}, {CDB: marks(1)}, {CDB: marks(0)}, {CDB: readCDB(size), In: make([]byte, size)},
		{CDB: cdb.Erase{}.Append(nil)}, {CDB: space(cdb.SpaceBlocks, -1)},
	} {
		p := b.s.Start(c)
		for i := 0; b.d.Status().Activity == "idle"; i++ {
			if i == 10000 {
				t.Fatalf("%x does nothing", c.CDB)
			}
			time.Sleep(100 * time.Microsecond)
		}
		if r := b.s.Manage(target.AbortTask, 0, p.Tag()); r != target.FunctionComplete {
			t.Error(r)
		}
		if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
			t.Errorf("%x: %v", c.CDB, err)
		}
		for b.d.Status().Activity != "idle" {
			time.Sleep(100 * time.Microsecond)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if m, err := b.d.Unload(ctx, true); m != nil || err == nil {
		t.Error(m, err)
	}
	close(hold)
	b.at(1, 0)
	b.good(rewind(), nil, 0)
	b.reads(block(0, size))
	b.ends(readCDB(size), nil, size, eod(size), size)
}
