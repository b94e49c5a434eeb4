package iscsi

import (
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
)

// maxR2T is how many R2Ts a task has outstanding at most: the MaxOutstandingR2T we offer.
const maxR2T = 4

// A dataOut is the way of a command's data to where the device server wants it. What comes unasked
// comes first: the command's own data segment if it was not here in time (what was is Task.First,
// which the target takes care of), then Data-Outs up to FirstBurstLength. It goes straight to the
// place that the device server has asked for, or is retained until it asks. Then R2Ts fetch the rest.
//
//	                         command
//	     all data is here ┌─────┴─────┐ unasked data is to come
//	                      v           v
//	                    quiet <─── arriving ──────────────> withheld
//	ReceiveDataOut │      ^    the     │ ReceiveDataOut      │ SendResponse: the response
//	               v      │    end     v                     v waits for the end of it
//	             fetching ┘ <────── awaited                answered
//	                        the end
//
// In awaited and fetching the device server waits: its step is called when the state is left for
// quiet (or for arriving, if it has asked for less than comes). An abort goes the same ways, without
// waiting for the initiator. mu guards all of it, and is held when the mover is asked to
// move something, never when the target or the mover's Flush is called.
type dataOut struct {
	k     *task
	mu    sync.Mutex
	state dataOutState
	owes  bool // counted in Conn.owing
	ended bool // the target has forgotten the task
	err   error

	// Unasked data.
	from     int64 // its offset: what came before is Task.First
	most     int64 // where it ends at the latest
	got      int64 // where what has come ends
	final    bool  // its last PDU has come, or nobody waits for it any more
	busy     bool  // unasked is the mover's, or will be in a moment
	nextSN   uint32
	retained *buffer.Lease // what has come from offset from on
	unasked  Transfer

	// What the device server has asked for.
	into      *buffer.Lease // nil: nothing
	off       int64         // its offset in the command's data
	have      int64         // bytes of into that are there, from its start
	asked     int64         // bytes of into that are there or R2T'd
	r2tSN     uint32
	solicited [maxR2T]Transfer
	used      [maxR2T]bool
	flying    int // of solicited with the mover

	response *target.Response // that waits, in the state withheld
}

// A dataOutState is what goes on with a command's data-out.
type dataOutState uint8

const (
	dataQuiet    dataOutState = iota // nothing comes, and nobody waits
	dataArriving                     // unasked data comes
	dataAwaited                      // unasked data comes, and the device server waits for data
	dataFetching                     // data comes that was asked for
	dataWithheld                     // unasked data comes, and the response waits for its end
)

// A follow is what is to be done when mu has been left: what it calls may end the task.
type follow uint8

const (
	nothing  follow = iota
	flush           // R2Ts are queued
	received        // the device server's step has its data, or the error
	respond         // the response that was withheld goes out
	withdraw        // it does not
)

func (d *dataOut) init(k *task) {
	d.k = k
	d.unasked.Owner = k
	for i := range d.solicited {
		d.solicited[i].Owner = k
	}
}

// reset makes d ready for a command of which all data is here that comes unasked. Nobody else knows
// it.
func (d *dataOut) reset() {
	d.state, d.owes, d.ended, d.err = dataQuiet, false, false, nil
	d.from, d.most, d.got, d.final, d.busy, d.nextSN = 0, 0, 0, true, false, 0
	d.into, d.r2tSN, d.response = nil, 0, nil
}

// expect says that unasked data is to come: bytes from on, up to most. segment: the rest of the
// command's own data segment, for which place is called; more: Data-Outs. It is called before the
// task is executed.
func (d *dataOut) expect(from, most int64, segment, more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.account()
	d.state = dataArriving
	d.from, d.got, d.most, d.busy, d.final = from, from, most, segment, !more
}

// refuse has all that comes thrown away: the command is not executed.
func (d *dataOut) refuse() {
	d.mu.Lock()
	d.err = ErrDataAmount
	d.account()
	d.mu.Unlock()
}

// account counts the task among those whose initiators owe data, if it is one. It comes after every
// change. d.mu is held.
func (d *dataOut) account() {
	if owes := d.comes() || d.flying > 0; owes != d.owes {
		d.owes = owes
		if owes {
			d.k.c.owing.Add(1)
		} else {
			d.k.c.owing.Add(-1)
			d.k.c.settled.Add(1)
		}
	}
}

// comes reports that unasked data is still to come. d.mu is held.
func (d *dataOut) comes() bool { return !d.final || d.busy }

// receive begins what the device server has asked for. Of into, have bytes are there.
func (d *dataOut) receive(off int64, into *buffer.Lease, have int64) {
	c := d.k.c
	d.mu.Lock()
	if d.k.Aborted() { // and terminate may have been called
		d.mu.Unlock()
		d.k.DataOutReceived(target.ErrAborted)
		return
	}
	d.into, d.off, d.have, d.asked = into, off, have, 0
	if d.state == dataArriving {
		d.state = dataAwaited
	} else {
		d.state = dataFetching
	}
	if !d.busy {
		d.useRetained()
	}
	f, err := d.next()
	d.account()
	d.mu.Unlock()
	d.follow(c, f, err)
}

// next goes on as far as possible, and returns what to do when mu has been left. d.mu is held.
func (d *dataOut) next() (follow, error) {
	switch d.state {
	case dataArriving:
		if !d.comes() {
			d.state = dataQuiet
		}
	case dataWithheld:
		if !d.comes() {
			d.state = dataQuiet
			return respond, nil
		}
	case dataAwaited:
		if d.comes() {
			if d.busy || d.err != nil || d.have < d.into.Len() {
				return nothing, nil
			}
			d.state, d.into = dataArriving, nil // it has asked for less
			return received, nil
		}
		d.state = dataFetching
		return d.fetch()
	case dataFetching:
		return d.fetch()
	}
	return nothing, nil
}

// fetch asks for what is missing, by R2Ts. d.mu is held.
func (d *dataOut) fetch() (follow, error) {
	c := d.k.c
	if d.err == nil && d.have == d.into.Len() {
		d.state, d.into = dataQuiet, nil
		return received, nil
	}
	prm := &c.sess.Params
	limit := int(min(prm.MaxOutstandingR2T, maxR2T))
	d.asked = max(d.asked, d.have)
	f := nothing
	for d.err == nil && d.flying < limit && d.asked < d.into.Len() {
		i := 0
		for d.used[i] {
			i++
		}
		x := &d.solicited[i]
		x.LUN, x.ITT, x.R2TSN, x.Offset = uint64(d.k.LUN), d.k.itt, d.r2tSN, uint32(d.off+d.asked)
		x.Data, x.At, x.Len = d.into, d.asked, min(int64(prm.MaxBurstLength), d.into.Len()-d.asked)
		x.Window = d.k.memory.Out
		if !c.m.GetData(x) {
			x.Data, d.err = nil, ErrTerminated
			break
		}
		d.k.hold()
		d.used[i] = true
		d.flying++
		d.r2tSN++
		d.asked += x.Len
		f = flush
	}
	if d.err != nil && d.flying == 0 {
		d.state, d.into = dataQuiet, nil
		return received, dataError(d.err)
	}
	return f, nil
}

// follow does what next has returned. No lock is held. The task may be gone afterwards; where R2Ts
// were queued it may be gone already, so that c has to be known.
func (d *dataOut) follow(c *Conn, f follow, err error) {
	switch f {
	case flush:
		c.m.Flush()
	case received:
		d.k.DataOutReceived(err)
	case respond:
		c.respond(d.k, d.response)
		d.k.responded()
		c.m.Flush()
	case withdraw:
		d.k.responded()
	}
}

// arrived takes back a transfer.
func (d *dataOut) arrived(x *Transfer, err error) {
	c := d.k.c
	d.mu.Lock()
	if err != nil && d.err == nil {
		d.err = err
	}
	if x == &d.unasked {
		d.busy = false
		switch {
		case x.Data == nil:
		case x.Data == d.into:
			d.have = x.At + x.Len
		case d.err == nil:
			d.useRetained()
		}
	} else {
		for i := range d.solicited {
			if x == &d.solicited[i] {
				d.used[i] = false
			}
		}
		d.flying--
		d.have += x.Len
	}
	x.Data = nil
	if d.ended && !d.busy {
		d.release()
	}
	f, e := d.next()
	d.account()
	d.mu.Unlock()
	d.follow(c, f, e)
	d.k.drop() // the transfer's
}

// withhold reports that the response has to wait for the end of the unasked data, so that the
// initiator's last Data-Out does not meet a tag that is free again (RFC 7143 11.4.3).
func (d *dataOut) withhold(r *target.Response) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.comes() {
		return false
	}
	d.state, d.response = dataWithheld, r
	return true
}

// terminate stops moving data: nobody waits for the initiator any more. When it returns the
// device server's step has been called, or the last transfer that cannot be stopped calls it. The
// caller has a reference to the task.
func (d *dataOut) terminate() {
	k, c := d.k, d.k.c
	d.mu.Lock()
	d.final = true
	if d.busy && c.m.Cancel(&d.unasked) {
		d.busy = false
		k.drop()
	}
	for i := range d.solicited {
		if d.used[i] && c.m.Cancel(&d.solicited[i]) {
			d.used[i] = false
			d.flying--
			k.drop()
		}
	}
	f, err := nothing, error(nil)
	switch d.state {
	case dataWithheld:
		d.state, f = dataQuiet, withdraw
	case dataAwaited, dataFetching:
		d.err = target.ErrAborted
		f, err = d.next()
	default:
		f, err = d.next()
	}
	d.account()
	d.mu.Unlock()
	d.follow(c, f, err)
}

// end gives back what nobody needs any more: the target has forgotten the task.
func (d *dataOut) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.account()
	d.ended, d.final = true, true
	if !d.busy {
		d.release()
	}
}
