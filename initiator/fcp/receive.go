package fcp

import (
	"fmt"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// maxOuts is how many sequences of data-out a target may have asked for that have not left.
const maxOuts = 64

// frame takes a frame of the command's exchange, or of one that it had before.
func (k *Command) frame(f *fc.Frame) {
	k.mu.Lock()
	if !k.open || k.state != running || !k.x.Owns(f) {
		k.mu.Unlock()
		return
	}
	k.last.Store(k.c.p.tick.Load())
	k.tries = 0
	var err error
	switch f.RCtl {
	case fc.RCtlData:
		err = k.dataIn(f)
	case fc.RCtlDataDescriptor:
		err = k.ready(f)
	case fc.RCtlStatus:
		err = k.response(f)
	default:
		err = fmt.Errorf("%w: a frame of %v", ErrProtocol, f.RCtl)
	}
	var do func()
	if err != nil {
		do = k.fail(err)
	} else if k.responded {
		do = k.complete()
	}
	told := k.settle()
	k.mu.Unlock()
	if do != nil {
		do()
	}
	if told {
		k.tell()
	}
}

// dataIn places data. k.mu is held.
func (k *Command) dataIn(f *fc.Frame) error {
	off, n := int64(f.Parameter), int64(len(f.Payload))
	if f.FCtl&fc.FCtlRelativeOffset == 0 {
		return fmt.Errorf("%w: data without relative offset", ErrProtocol)
	}
	if n == 0 || off+n > int64(len(k.In)) {
		return fmt.Errorf("%w: %d bytes of data at %d of %d", ErrProtocol, n, off, len(k.In))
	}
	before := k.place.twice
	k.place.put(k.In, f.Payload, off)
	if d := k.place.twice - before; d > 0 {
		k.c.p.counts.doubled.Add(d)
	}
	if k.place.differ {
		return fmt.Errorf("%w: data at %d came once more, and is not the same", ErrProtocol, off)
	}
	return nil
}

// ready sends what is asked for. k.mu is held.
func (k *Command) ready(f *fc.Frame) error {
	x, err := iu.ParseReady(f.Payload)
	if err != nil {
		return fmt.Errorf("%w: FCP_XFER_RDY: %w", ErrProtocol, err)
	}
	off, n := int64(x.Offset), int64(x.Len)
	if n == 0 || off+n > int64(len(k.Out)) {
		return fmt.Errorf("%w: FCP_XFER_RDY for %d bytes at %d of %d", ErrProtocol, n, off, len(k.Out))
	}
	if f.FCtl&fc.FCtlSequenceInitiative == 0 {
		return fmt.Errorf("%w: FCP_XFER_RDY without the initiative", ErrProtocol)
	}
	k.asked = max(k.asked, off+n)
	if k.c.p.cfg.Withhold {
		return nil
	}
	if k.busy == maxOuts {
		return fmt.Errorf("%w: more than %d FCP_XFER_RDY at a time", ErrProtocol, maxOuts)
	}
	var d *dataOut
	for _, o := range k.outs {
		if !o.lent {
			d = o
			break
		}
	}
	if d == nil {
		d = new(dataOut)
		k.outs = append(k.outs, d)
	}
	d.Sequence = fc.Sequence{
		Header: fc.Header{
			RCtl: fc.RCtlData, Type: fc.TypeFCP, FCtl: fc.FCtlEndSequence | fc.FCtlSequenceInitiative | fc.FCtlRelativeOffset, Parameter: x.Offset,
		},
		Data: &k.out, At: off, Len: n,
	}
	if k.x.Post(&d.Sequence) { // else the login ends
		d.lent = true
		k.lent++
		k.busy++
	}
	return nil
}

// response takes FCP_RSP. k.mu is held.
func (k *Command) response(f *fc.Frame) error {
	x, err := iu.ParseResponse(f.Payload)
	if err != nil {
		return fmt.Errorf("%w: FCP_RSP: %w", ErrProtocol, err)
	}
	if len(x.Sense) > len(k.sense) {
		return fmt.Errorf("%w: %d bytes of sense data", ErrProtocol, len(x.Sense))
	}
	k.Status, k.Residual, k.HasCode, k.Code = scsi.Status(x.Status), x.Residual, x.HasCode, x.Code
	k.SenseData, k.Sense = k.sense[:copy(k.sense[:], x.Sense)], scsi.Sense{}
	if len(x.Sense) > 0 {
		if k.Sense, err = scsi.ParseSense(k.SenseData); err != nil {
			return fmt.Errorf("%w: sense data: %w", ErrProtocol, err)
		}
	}
	if x.Residual > int64(len(k.In)+len(k.Out)) {
		return fmt.Errorf("%w: a residual of %d of %d bytes", ErrProtocol, x.Residual, len(k.In)+len(k.Out))
	}
	k.responded, k.confirms = true, x.Confirm
	return nil
}

// expected is how much data-in there is by the response. k.mu is held.
func (k *Command) expected() int64 {
	if k.Manage != 0 || (k.HasCode && k.Code != iu.CodeComplete) {
		return 0
	}
	return int64(len(k.In)) - max(0, k.Residual)
}

// complete ends the command if all of its data is there: data may come behind the response on networks that do not keep the order. k.mu is held. The
// result is as that of fail.
func (k *Command) complete() func() {
	if len(k.In) > 0 {
		have, want := k.place.total(), k.expected()
		if have < want {
			return nil // it may come yet; else the clock asks for it
		}
		if have > want || k.place.end() != want {
			return k.fail(fmt.Errorf("%w: %d bytes of data came, up to %d, and by the residual %d there are %d", ErrProtocol, have, k.place.end(), k.Residual, want))
		}
		k.Received = int(want)
	}
	k.state, k.ask = ending, nil
	if k.confirms {
		k.confirm = fc.Sequence{Header: fc.Header{
			RCtl: fc.RCtlSolicitedControl, Type: fc.TypeFCP, FCtl: fc.FCtlLastSequence | fc.FCtlEndSequence | fc.FCtlSequenceInitiative,
		}}
		if k.x.Post(&k.confirm) {
			k.lent++
		}
	}
	return nil
}
