package iwarp

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A hostile peer is told what it has done wrong, and has touched nothing.
func TestHostile(t *testing.T) {
	type scene struct {
		*bed
		window, source rdma.Remote // of 1000 bytes: to write, to read
		sink           uint32      // of a Read of 3000 bytes
	}
	write := func(r rdma.Remote, to uint64, n int) []byte {
		return fpdu(header{tagged: true, last: true, op: opWrite, stag: uint32(r.Key), to: to}, make([]byte, n), false)
	}
	request := func(msn uint32, r rdma.Remote, to uint64, n uint32) []byte {
		var p [readRequestLen]byte
		(&readRequest{sink: 1, size: n, source: uint32(r.Key), sourceTO: to}).put(p[:])
		return fpdu(header{last: true, op: opReadRequest, qn: queueRead, msn: msn}, p[:], false)
	}
	answer := func(s *scene, to uint64, n int, last bool) []byte {
		return fpdu(header{tagged: true, last: last, op: opReadResponse, stag: s.sink, to: to}, make([]byte, n), false)
	}
	for name, c := range map[string]struct {
		wire func(s *scene) []byte
		want cause
		is   error
	}{
		"a key of nothing":          {func(s *scene) []byte { return write(rdma.Remote{Key: s.window.Key + 1}, s.window.Addr, 1) }, causeKey, rdma.ErrAccess},
		"key 0":                     {func(s *scene) []byte { return write(rdma.Remote{}, 0, 1) }, causeKey, rdma.ErrAccess},
		"a Write where it may read": {func(s *scene) []byte { return write(s.source, s.source.Addr, 1) }, causeAccess, rdma.ErrAccess},
		"past the end":              {func(s *scene) []byte { return write(s.window, s.window.Addr+1000, 1) }, causeBounds, rdma.ErrAccess},
		"across the end":            {func(s *scene) []byte { return write(s.window, s.window.Addr+990, 11) }, causeBounds, rdma.ErrAccess},
		"longer than all":           {func(s *scene) []byte { return write(s.window, s.window.Addr, 1001) }, causeBounds, rdma.ErrAccess},
		"before the begin":          {func(s *scene) []byte { return write(s.window, s.window.Addr-1, 2) }, causeBounds, rdma.ErrAccess},
		"TO 0":                      {func(s *scene) []byte { return write(s.window, 0, 1) }, causeBounds, rdma.ErrAccess},
		"TO wraps":                  {func(s *scene) []byte { return write(s.window, math.MaxUint64-3, 8) }, causeWrap, rdma.ErrAccess},
		"a large Write":             {func(s *scene) []byte { return write(s.window, s.window.Addr, 60000) }, causeBounds, rdma.ErrAccess},
		"a Read of no key":          {func(s *scene) []byte { return request(1, rdma.Remote{Key: s.source.Key + 1}, s.source.Addr, 1) }, causeReadKey, rdma.ErrAccess},
		"a Read where it may write": {func(s *scene) []byte { return request(1, s.window, s.window.Addr, 1) }, causeAccess, rdma.ErrAccess},
		"a Read past the end":       {func(s *scene) []byte { return request(1, s.source, s.source.Addr+1, 1000) }, causeReadBounds, rdma.ErrAccess},
		"a Read of 4 GiB":           {func(s *scene) []byte { return request(1, s.source, s.source.Addr, math.MaxUint32) }, causeReadBounds, rdma.ErrAccess},
		"a Read that wraps":         {func(s *scene) []byte { return request(1, s.source, math.MaxUint64, 2) }, causeReadWrap, rdma.ErrAccess},
		"Reads beyond IRD": {func(s *scene) []byte {
			return bytes.Join([][]byte{request(1, s.source, s.source.Addr, 4), request(2, s.source, s.source.Addr, 4), request(3, rdma.Remote{}, 0, 0)}, nil)
		}, causeStream, rdma.ErrProtocol},
		"a Read of MSN 2":            {func(s *scene) []byte { return request(2, s.source, s.source.Addr, 1) }, causeMSN, rdma.ErrProtocol},
		"a Response to another sink": {func(s *scene) []byte { s.sink++; return answer(s, 0, 10, false) }, causeKey, rdma.ErrAccess},
		"a Response out of order":    {func(s *scene) []byte { return answer(s, 10, 10, false) }, causeBounds, rdma.ErrAccess},
		"overlapping Responses":      {func(s *scene) []byte { return append(answer(s, 0, 100, false), answer(s, 50, 100, false)...) }, causeBounds, rdma.ErrAccess},
		"a Response that wraps":      {func(s *scene) []byte { return answer(s, math.MaxUint64, 10, false) }, causeWrap, rdma.ErrAccess},
		"a Response too long":        {func(s *scene) []byte { return answer(s, 0, 3001, true) }, causeBounds, rdma.ErrAccess},
		"a large Response too long":  {func(s *scene) []byte { return answer(s, 0, 50000, true) }, causeBounds, rdma.ErrAccess},
		"a Response too short":       {func(s *scene) []byte { return answer(s, 0, 2999, true) }, causeUnspecified, rdma.ErrProtocol},
		"a Response without end":     {func(s *scene) []byte { return answer(s, 0, 3000, false) }, causeUnspecified, rdma.ErrProtocol},
		"an answer to nothing":       {func(s *scene) []byte { return append(answer(s, 0, 3000, true), answer(s, 0, 0, true)...) }, causeOpcode, rdma.ErrProtocol},
		"MSN 2":                      {func(s *scene) []byte { return send(2, nil) }, causeMSN, rdma.ErrProtocol},
		"MSN again":                  {func(s *scene) []byte { return append(send(1, nil), send(1, nil)...) }, causeMSN, rdma.ErrProtocol},
		"MO":                         {func(s *scene) []byte { return fpdu(header{op: opSend, msn: 1, mo: 4}, nil, false) }, causeMO, rdma.ErrProtocol},
		"MO again": {func(s *scene) []byte {
			x := fpdu(header{op: opSend, msn: 1}, make([]byte, 8), false)
			return append(x, x...)
		}, causeMO, rdma.ErrProtocol},
		"MO of a Read Request": {func(s *scene) []byte {
			return fpdu(header{last: true, op: opReadRequest, qn: queueRead, msn: 1, mo: 8}, make([]byte, readRequestLen), false)
		}, causeMO, rdma.ErrProtocol},
		"QN 3":         {func(s *scene) []byte { return fpdu(header{last: true, op: opSend, qn: 3, msn: 1}, nil, false) }, causeQueue, rdma.ErrProtocol},
		"QN of others": {func(s *scene) []byte { return fpdu(header{last: true, op: opSend, qn: queueRead, msn: 1}, nil, false) }, causeQueue, rdma.ErrProtocol},
		"too long":     {func(s *scene) []byte { return send(1, make([]byte, 2001)) }, causeTooLong, rdma.ErrLength},
		"too long in pieces": {func(s *scene) []byte {
			return append(fpdu(header{op: opSend, msn: 1}, make([]byte, 1500), false), fpdu(header{last: true, op: opSend, msn: 1, mo: 1500}, make([]byte, 501), false)...)
		}, causeTooLong, rdma.ErrLength},
		"a long Read Request": {func(s *scene) []byte {
			return fpdu(header{last: true, op: opReadRequest, qn: queueRead, msn: 1}, make([]byte, 29), false)
		}, causeTooLong, rdma.ErrLength},
		"a short Read Request": {func(s *scene) []byte {
			return fpdu(header{last: true, op: opReadRequest, qn: queueRead, msn: 1}, make([]byte, 27), false)
		}, causeUnspecified, rdma.ErrProtocol},
		"DDP version 2":     {func(s *scene) []byte { return fpdu(header{last: true, ddp: 2, op: opSend, msn: 1}, nil, false) }, causeDDPVersion, rdma.ErrProtocol},
		"tagged, version 2": {func(s *scene) []byte { return fpdu(header{tagged: true, last: true, ddp: 2}, nil, false) }, causeTaggedVersion, rdma.ErrProtocol},
		"RDMAP version 2":   {func(s *scene) []byte { return fpdu(header{last: true, rdmap: 2, op: opSend, msn: 1}, nil, false) }, causeVersion, rdma.ErrProtocol},
		"opcode 8":          {func(s *scene) []byte { return fpdu(header{last: true, op: 8, msn: 1}, nil, false) }, causeOpcode, rdma.ErrProtocol},
		"a tagged Send":     {func(s *scene) []byte { return fpdu(header{tagged: true, last: true, op: opSend}, nil, false) }, causeOpcode, rdma.ErrProtocol},
		"an untagged Write": {func(s *scene) []byte { return fpdu(header{last: true, op: opWrite, msn: 1}, nil, false) }, causeOpcode, rdma.ErrProtocol},
		"a short FPDU":      {func(s *scene) []byte { return fpdu(header{tagged: true, last: true, length: 13}, nil, false) }, causeLength, rdma.ErrProtocol},
		"a short Send":      {func(s *scene) []byte { return fpdu(header{last: true, op: opSend, msn: 1, length: 15}, nil, false) }, causeLength, rdma.ErrProtocol},
		"Invalidate of nothing": {func(s *scene) []byte {
			return fpdu(header{last: true, op: opSendInvalidate, stag: uint32(s.window.Key) + 1, msn: 1}, nil, false)
		}, causeInvalidate, rdma.ErrAccess},
		"Invalidate twice": {func(s *scene) []byte {
			h := header{last: true, op: opSendSolicitedInvalidate, stag: uint32(s.window.Key), msn: 1}
			x := fpdu(h, nil, false)
			h.msn = 2
			return append(x, fpdu(h, nil, false)...)
		}, causeInvalidate, rdma.ErrAccess},
		"a Write to what was invalidated": {func(s *scene) []byte {
			return append(fpdu(header{last: true, op: opSendInvalidate, stag: uint32(s.window.Key), msn: 1}, nil, false), write(s.window, s.window.Addr, 1)...)
		}, causeKey, rdma.ErrAccess},
	} {
		for _, pieces := range []int{0, 1, 100} {
			t.Run(name, func(t *testing.T) {
				const guard = 100
				b := newBed(t, rdma.Options{Reads: 2, Serves: 2, MaxMessage: 2000}, false)
				s := &scene{bed: b}
				mem := [3][]byte{fill(1000+2*guard, 1), fill(1000+2*guard, 2), fill(3000+2*guard, 3)}
				before := [3][]byte{bytes.Clone(mem[0]), bytes.Clone(mem[1]), bytes.Clone(mem[2])}
				var err1, err2 error
				s.window, err1 = b.c.Expose(buffer.Of(mem[0][guard:guard+1000]), rdma.RemoteWrite)
				s.source, err2 = b.c.Expose(buffer.Of(mem[1][guard:guard+1000]), rdma.RemoteRead)
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				var w *rdma.Work
				w, s.sink = b.read(mem[2], guard)
				if b.cut = pieces; name == "Reads beyond IRD" {
					b.cut = 0 // in one batch, before any is answered
				}
				b.feed(c.wire(s))
				b.terminated(c.want, nil)
				if err := b.h.ended(); !errors.Is(err, c.is) {
					t.Errorf("ended with %v", err)
				}
				if err := b.h.gotBack(w); name != "an answer to nothing" && (!errors.Is(err, rdma.ErrFlushed) || !errors.Is(err, c.is)) {
					t.Errorf("a Read ended with %v", err)
				}
				for i := range mem {
					if i == 2 { // it is ours to be overwritten
						copy(mem[2][guard:guard+3000], before[2][guard:])
					}
					if !bytes.Equal(mem[i], before[i]) {
						t.Errorf("memory %d was touched", i)
					}
				}
			})
		}
	}
}
