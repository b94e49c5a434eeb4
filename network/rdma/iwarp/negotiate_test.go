package iwarp

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

func TestAnswer(t *testing.T) {
	o := rdma.Options{Reads: 8, Serves: 4}
	for name, c := range map[string]struct {
		q    frame
		o    rdma.Options
		crc  bool
		a    frame
		want terms
	}{
		"iSER":              {frame{rev: 2, enhanced: true, ird: 128, ord: 1}, o, false, frame{rev: 2, enhanced: true, ird: 4, ord: 8}, terms{reads: 8, serves: 4}},
		"few":               {frame{rev: 2, enhanced: true, ird: 2, ord: 100}, o, false, frame{rev: 2, enhanced: true, ird: 4, ord: 2}, terms{reads: 2, serves: 4}},
		"SRP, ORD 0":        {frame{rev: 2, enhanced: true, ird: 4}, rdma.Options{Reads: 4}, false, frame{rev: 2, enhanced: true, ord: 4}, terms{reads: 4}},
		"free":              {frame{rev: 2, enhanced: true, ird: free, ord: free}, o, false, frame{rev: 2, enhanced: true, ird: free, ord: free}, terms{reads: 8, serves: 4}},
		"CRC of the peer":   {frame{rev: 2, enhanced: true, crc: true, ird: 9}, o, false, frame{rev: 2, enhanced: true, crc: true, ird: 4, ord: 8}, terms{crc: true, reads: 8, serves: 4}},
		"CRC of ours":       {frame{rev: 1}, o, true, frame{rev: 1, crc: true}, terms{crc: true, reads: 1, serves: 4}},
		"revision 0":        {frame{rev: 0}, o, false, frame{rev: 0}, terms{reads: 1, serves: 4}},
		"revision 2, plain": {frame{rev: 2}, o, false, frame{rev: 2}, terms{reads: 1, serves: 4}},
		"all RTRs":          {frame{rev: 2, enhanced: true, peer: true, rtr: RTRSend | RTRRead | RTRWrite, ird: 1}, o, false, frame{rev: 2, enhanced: true, peer: true, rtr: RTRWrite, ird: 4, ord: 1}, terms{reads: 1, serves: 4, rtr: RTRWrite}},
		"a Read, IRD 0":     {frame{rev: 2, enhanced: true, peer: true, rtr: RTRRead}, rdma.Options{}, false, frame{rev: 2, enhanced: true, peer: true, rtr: RTRRead, ird: 1}, terms{serves: 1, rtr: RTRRead}},
		"a Send":            {frame{rev: 2, enhanced: true, peer: true, rtr: RTRSend}, rdma.Options{}, false, frame{rev: 2, enhanced: true, peer: true, rtr: RTRSend}, terms{rtr: RTRSend}},
		"RTR without A":     {frame{rev: 2, enhanced: true, rtr: RTRSend, ird: 1, ord: 1}, o, false, frame{rev: 2, enhanced: true, ird: 4, ord: 1}, terms{reads: 1, serves: 4}},
	} {
		c.o.Private = []byte("p")
		a, got := c.q.answer(&c.o, c.crc)
		c.a.reply, c.a.private = true, c.o.Private
		if !equalFrames(&a, &c.a) || got != c.want {
			t.Errorf("%s: %+v, %+v", name, a, got)
		}
	}
}

func TestAgree(t *testing.T) {
	o := rdma.Options{Reads: 8, Serves: 4}
	q2, q1 := ask(&o, &Config{}), ask(&o, &Config{Revision: 1})
	qr := ask(&o, &Config{RTR: RTRRead | RTRWrite})
	if q2.ird != 4 || q2.ord != 8 || q2.rev != 2 || !q2.enhanced || q1.rev != 1 || q1.enhanced || !qr.peer {
		t.Errorf("%+v, %+v, %+v", q2, q1, qr)
	}
	for name, c := range map[string]struct {
		q    frame
		a    frame
		want terms
		err  error
	}{
		"same":       {q2, frame{rev: 2, enhanced: true, ird: 8, ord: 4}, terms{reads: 8, serves: 4}, nil},
		"fewer":      {q2, frame{rev: 2, enhanced: true, ird: 2, ord: 1}, terms{reads: 2, serves: 4}, nil},
		"more":       {q2, frame{rev: 2, enhanced: true, ird: 100, ord: 100}, terms{reads: 8, serves: 100}, nil},
		"too many":   {q2, frame{rev: 2, enhanced: true, ird: 8, ord: 129}, terms{}, rdma.ErrProtocol},
		"free":       {q2, frame{rev: 2, enhanced: true, ird: free, ord: free, crc: true}, terms{crc: true, reads: 8, serves: 4}, nil},
		"old":        {q1, frame{rev: 1}, terms{reads: 1, serves: 4}, nil},
		"older":      {q2, frame{rev: 1}, terms{}, rdma.ErrProtocol},
		"markers":    {q1, frame{rev: 1, markers: true}, terms{}, rdma.ErrProtocol},
		"a Write":    {qr, frame{rev: 2, enhanced: true, peer: true, rtr: RTRWrite, ird: 8, ord: 4}, terms{reads: 8, serves: 4, rtr: RTRWrite}, nil},
		"a Read":     {qr, frame{rev: 2, enhanced: true, peer: true, rtr: RTRRead, ird: 8, ord: 4}, terms{reads: 8, serves: 4, rtr: RTRRead}, nil},
		"a Send":     {qr, frame{rev: 2, enhanced: true, peer: true, rtr: RTRSend, ird: 8, ord: 4}, terms{}, rdma.ErrProtocol},
		"no RTR":     {qr, frame{rev: 2, enhanced: true, ird: 8, ord: 4}, terms{}, rdma.ErrProtocol},
		"Read, IRD0": {qr, frame{rev: 2, enhanced: true, peer: true, rtr: RTRRead}, terms{}, rdma.ErrProtocol},
	} {
		got, err := c.q.agree(&c.a, &o)
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	no := frame{rev: 2, enhanced: true, reject: true, private: []byte("no")}
	var rejected *rdma.RejectedError
	if _, err := q2.agree(&no, &o); !errors.As(err, &rejected) || string(rejected.Private) != "no" {
		t.Error(err)
	}
}
