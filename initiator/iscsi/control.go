package iscsi

import (
	"bytes"
	"io"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// An answer is what a request that is not a command waits for.
type answer struct {
	h    pdu.BHS
	data []byte
	err  error
	done bool
}

// answered takes the answer to such a request.
func (c *Conn) answered(h *pdu.BHS, data []byte) error {
	a := c.waits[h.ITT()]
	if a == nil {
		return violation("%v without a request, tag %#x", h.Opcode(), h.ITT())
	}
	a.h, a.data, a.done = *h, bytes.Clone(data), true
	return nil
}

// newTag returns a tag for a request that is not a command: those have the highest bit.
func (c *Conn) newTag() uint32 {
	c.uses++
	return 1<<31 | c.uses&(1<<30-1)
}

// request sends an immediate request and waits for its answer. Requests are immediate so
// that they work when the window is closed.
func (c *Conn) request(h *pdu.BHS, data []byte) (*answer, error) {
	a := &answer{}
	tag := h.ITT()
	c.waits[tag] = a
	defer delete(c.waits, tag)
	h.SetCmdSN(c.s.peek())
	c.Queue(h, data)
	for !a.done {
		if err := c.round(true); err != nil && !a.done {
			return nil, err
		}
	}
	return a, a.err
}

// Queue queues any PDU, behind what was submitted, with the numbers that h has but for
// ExpStatSN. data is lent until it is sent.
func (c *Conn) Queue(h *pdu.BHS, data []byte) {
	c.start()
	c.link.queue(h, data)
}

// Abandon sends a PDU as Queue does, at once, and forgets it: an answer to it is not one
// that a Conn expects, and ends it.
func (c *Conn) Abandon(h *pdu.BHS, data []byte) error {
	h.SetCmdSN(c.s.peek())
	c.Queue(h, data)
	return c.link.flush()
}

// Ping sends a NOP-Out with data and returns what came back.
func (c *Conn) Ping(data []byte) ([]byte, error) {
	var h pdu.BHS
	pdu.NOPOut{Immediate: true, ITT: c.newTag(), TTT: pdu.NoTag}.Put(&h)
	a, err := c.request(&h, data)
	if err != nil {
		return nil, err
	}
	return a.data, nil
}

// Manage asks for a task management function and waits for the answer. Commands that
// it has ended finish with [ErrAborted].
func (c *Conn) Manage(f pdu.TMFFunction, lun scsi.LUN, of *Command) (pdu.TMFResponseCode, error) {
	if err := c.Flush(); err != nil { // what was submitted before comes before
		return 0, err
	}
	r := pdu.TMFRequest{Immediate: true, Function: f, LUN: uint64(lun), ITT: c.newTag(), ReferencedTaskTag: pdu.NoTag}
	if of != nil {
		r.ReferencedTaskTag, r.RefCmdSN = of.tag, of.sn
	}
	var h pdu.BHS
	r.Put(&h)
	a, err := c.request(&h, nil)
	if err != nil {
		return 0, err
	}
	x, err := pdu.ParseTMFResponse(&a.h)
	if err == nil && x.Response == pdu.TMFComplete {
		c.aborted(f, lun, of)
	}
	return x.Response, err
}

// aborted finishes the commands that f has ended.
func (c *Conn) aborted(f pdu.TMFFunction, lun scsi.LUN, of *Command) {
	for _, k := range c.tasks {
		if k == nil {
			continue
		}
		hit := false
		switch f {
		case pdu.TMFAbortTask:
			hit = k == of
		case pdu.TMFAbortTaskSet, pdu.TMFClearTaskSet, pdu.TMFLUNReset:
			hit = k.LUN == lun
		case pdu.TMFTargetWarmReset, pdu.TMFTargetColdReset, pdu.TMFNexusReset:
			hit = true
		}
		if hit {
			c.finish(k, ErrAborted)
		}
	}
}

// Text sends pairs by Text Requests and returns the answer, however many PDUs it takes.
func (c *Conn) Text(pairs ...login.Pair) ([]login.Pair, error) {
	var all login.Collector
	text := login.AppendPairs(nil, pairs)
	ttt := uint32(pdu.NoTag)
	tag := c.newTag()
	for {
		var h pdu.BHS
		pdu.TextRequest{Immediate: true, Final: true, ITT: tag, TTT: ttt}.Put(&h)
		a, err := c.request(&h, text)
		if err != nil {
			return nil, err
		}
		r, err := pdu.ParseTextResponse(&a.h)
		if err != nil {
			return nil, err
		}
		whole, complete, err := all.Add(a.data, !r.Final)
		if err != nil {
			return nil, err
		}
		if complete {
			return login.ParseAnswer(whole)
		}
		text, ttt = nil, r.TTT
	}
}

// A Found is a target that discovery has found.
type Found struct {
	Name      string
	Addresses []string // HOST:PORT,GROUP
}

// SendTargets asks for targets: "All" in a discovery session, or a name, or "" for the one
// of the session.
func (c *Conn) SendTargets(what string) ([]Found, error) {
	pairs, err := c.Text(login.Pair{Key: "SendTargets", Value: what})
	if err != nil {
		return nil, err
	}
	var all []Found
	for _, p := range pairs {
		switch {
		case p.Key == "TargetName":
			all = append(all, Found{Name: p.Value})
		case p.Key == "TargetAddress" && len(all) > 0:
			f := &all[len(all)-1]
			f.Addresses = append(f.Addresses, p.Value)
		case p.Key == "SendTargets":
			return nil, violation("SendTargets=%s", p.Value)
		}
	}
	return all, nil
}

// Logout asks the target to end the session or a connection, and waits for the answer.
// If that is this connection too, it waits for the target to close it and closes it.
func (c *Conn) Logout(reason pdu.LogoutReason, cid uint16) (pdu.LogoutResponseCode, error) {
	var h pdu.BHS
	pdu.LogoutRequest{Immediate: true, Reason: reason, ITT: c.newTag(), CID: cid}.Put(&h)
	a, err := c.request(&h, nil)
	if err != nil {
		return 0, err
	}
	x, err := pdu.ParseLogoutResponse(&a.h)
	ours := reason == pdu.LogoutCloseSession || (reason == pdu.LogoutCloseConnection && cid == c.cfg.CID)
	if err != nil || x.Response != pdu.LogoutSuccess || !ours {
		return x.Response, err
	}
	for err == nil {
		err = c.round(true)
	}
	if err == io.EOF {
		err = nil
	}
	return x.Response, err
}
