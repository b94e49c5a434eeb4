//go:build verbs && cgo && linux

package verbs

// #include "library.h"
import "C"

import (
	"errors"
	"syscall"
	"unsafe"
)

// A device is an adapter as libibverbs has it. The context is librdmacm's; adapter_limits sees to it that it is never closed.
type device struct {
	lib     *C.library
	c       *C.struct_ibv_context
	domain  *C.struct_ibv_pd
	can     limits
	vectors int
	waiter
}

func (a *device) limits() limits { return a.can }

func (a *device) register(mem []byte, access access) (registration, error) {
	r := &region{lib: a.lib}
	if err := C.adapter_register(a.lib, a.domain, C.uint64_t(addressOf(mem)), C.uint64_t(len(mem)), C.int(access), &r.c); err != 0 {
		return nil, failure("cannot register memory", err)
	}
	return r, nil
}

func (a *device) queue(depth, index int) (queue, error) {
	q := &completionQueue{lib: a.lib}
	if err := C.queue_open(a.lib, a.c, C.int(depth), C.int(index%a.vectors), &q.channel, &q.c); err != 0 {
		return nil, failure("no queue for completions", err)
	}
	w, err := newWaiter(q.channel.fd, "completions")
	if err != nil {
		C.queue_close(a.lib, q.channel, q.c)
		return nil, err
	}
	q.waiter = w
	q.ready = w.trying(func() C.int { return C.queue_event(q.lib, q.channel) })
	return q, nil
}

func (a *device) shared(depth int) (receiver, error) {
	s := &sharedQueue{lib: a.lib}
	if err := C.shared_open(a.lib, a.domain, C.int(depth), &s.c); err != 0 {
		return nil, failure("no shared queue", err)
	}
	return s, nil
}

func (a *device) next() (happening, error) {
	var kind C.int
	var number C.uint32_t
	if err := a.until(func() C.int { return C.adapter_event(a.lib, a.c, &kind, &number) }); err != nil {
		return happening{}, err
	}
	h := happening{kind: nothingOfNote, number: uint32(number)}
	switch kind {
	case C.IBV_EVENT_DEVICE_FATAL:
		h.kind = adapterLost
	case C.IBV_EVENT_PORT_ERR:
		h.kind = portDown
	case C.IBV_EVENT_QP_ACCESS_ERR:
		h.kind = pairAccess
	case C.IBV_EVENT_QP_FATAL, C.IBV_EVENT_QP_REQ_ERR, C.IBV_EVENT_PATH_MIG_ERR:
		h.kind = pairBroken
	case C.IBV_EVENT_COMM_EST:
		h.kind = pairHeard
	case C.IBV_EVENT_CQ_ERR:
		h.kind = queueBroken
	case C.IBV_EVENT_QP_LAST_WQE_REACHED:
		h.kind = pairDrained
	}
	return h, nil
}

func (a *device) close() {
	a.file.Close()
	C.adapter_close(a.lib, a.domain)
}

// A region is memory that is registered.
type region struct {
	lib *C.library
	c   *C.struct_ibv_mr
}

func (r *region) keys() (local, remote uint32) { return uint32(r.c.lkey), uint32(r.c.rkey) }

func (r *region) end() error {
	return failure("cannot take memory back", C.adapter_deregister(r.lib, r.c))
}

// A completionQueue is a queue of completions with a channel of its own.
type completionQueue struct {
	lib     *C.library
	channel *C.struct_ibv_comp_channel
	c       *C.struct_ibv_cq
	ready   attempt // made once: a poller waits often
	waiter
}

func (q *completionQueue) number() uint32 { return uint32(q.c.handle) }

func (q *completionQueue) poll(into []completion) (int, error) {
	n := C.queue_poll(q.c, (*C.completion)(unsafe.Pointer(&into[0])), C.int(len(into)))
	if n < 0 {
		return 0, errors.New("verbs: the queue of completions has failed")
	}
	return int(n), nil
}

func (q *completionQueue) arm() error { return failure("cannot arm a queue", C.queue_arm(q.c)) }

func (q *completionQueue) wait() error { return q.attempt(&q.ready) }

func (q *completionQueue) close() {
	q.file.Close()
	C.queue_close(q.lib, q.channel, q.c)
}

// A sharedQueue is a queue for messages of many queue pairs.
type sharedQueue struct {
	lib *C.library
	c   *C.struct_ibv_srq
}

func (s *sharedQueue) receive(buffers []receive) (int, error) {
	var n C.int
	err := C.shared_receive(s.c, (*C.receive)(unsafe.Pointer(&buffers[0])), C.int(len(buffers)), &n)
	return int(n), failure("cannot post buffers", err)
}

func (s *sharedQueue) end() { C.shared_close(s.lib, s.c) }

// A pair is a queue pair; its identifier has it.
type pair struct {
	id   *ident
	most int
}

func (p *pair) number() uint32 { return uint32(p.id.c.qp.qp_num) }
func (p *pair) inlined() int   { return p.most }

func (p *pair) post(works []work, pieces []piece) (int, error) {
	var n C.int
	var first *piece
	if len(pieces) > 0 {
		first = &pieces[0]
	}
	err := C.pair_post(p.id.c.qp, (*C.work)(unsafe.Pointer(&works[0])), C.int(len(works)), (*C.struct_ibv_sge)(unsafe.Pointer(first)), &n)
	return int(n), failure("cannot post", err)
}

func (p *pair) receive(buffers []receive) (int, error) {
	var n C.int
	err := C.pair_receive(p.id.c.qp, (*C.receive)(unsafe.Pointer(&buffers[0])), C.int(len(buffers)), &n)
	return int(n), failure("cannot post buffers", err)
}

func (p *pair) fail() error { return failure("cannot fail a queue pair", C.id_fail(p.id.lib, p.id.c)) }
func (p *pair) end()        { C.id_destroy_queue_pair(p.id.lib, p.id.c) }

// byUser reports that a peer's user has refused, and not the connection manager or the system of the peer, where nobody listens.
func byUser(status int, iwarp bool) bool {
	const consumer = 28 // IBTA vol 1, 12.6.7.2
	if iwarp {
		return syscall.Errno(-status) == syscall.ECONNREFUSED || syscall.Errno(-status) == syscall.ECONNRESET
	}
	return status == consumer
}
