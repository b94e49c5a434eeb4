//go:build verbs && cgo && linux

package verbs

// #cgo LDFLAGS: -ldl
// #include "library.h"
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// installed is what has to be done where the libraries are missing.
const installed = "install rdma-core with libibverbs1, ibverbs-providers and librdmacm1 (Debian's names)"

// unlimited lets this process have as much memory locked as it may: an adapter holds the pages of all that is registered.
func unlimited() {
	const forever = ^uint64(0)
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: forever, Max: forever}) == nil {
		return // with CAP_SYS_RESOURCE
	}
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &l) == nil && l.Cur < l.Max {
		l.Cur = l.Max
		_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &l)
	}
}

// A library is libibverbs and librdmacm, opened.
type library struct{ c *C.library }

// open opens the libraries. They stay open: adapters' libraries cannot be closed.
func open() (driver, error) {
	var why [256]C.char
	l := C.library_open(&why[0], C.int(len(why)))
	if l == nil {
		return nil, fmt.Errorf("verbs: %s: %s", C.GoString(&why[0]), installed)
	}
	unlimited()
	return library{l}, nil
}

func failure(what string, err C.int) error {
	if err == 0 {
		return nil
	}
	return fmt.Errorf("verbs: %s: %w", what, syscall.Errno(err))
}

// A waiter waits for a descriptor that the libraries read, by the runtime's poller.
type waiter struct {
	file *os.File
	raw  syscall.RawConn
}

// newWaiter makes one of a duplicate of fd, which does not block.
func newWaiter(fd C.int, name string) (waiter, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return waiter{}, err
	}
	f := os.NewFile(uintptr(dup), name)
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return waiter{}, err
	}
	return waiter{f, raw}, nil
}

// An attempt is something that is tried when a descriptor may have something.
type attempt struct {
	got *C.int
	try func(uintptr) bool
}

// trying makes an attempt of f, which returns EAGAIN if there is nothing.
func (w waiter) trying(f func() C.int) (a attempt) {
	got := new(C.int)
	a.got = got
	a.try = func(uintptr) bool {
		for {
			switch *got = f(); syscall.Errno(*got) {
			case syscall.EINTR:
			case syscall.EAGAIN:
				return false
			default:
				return true
			}
		}
	}
	return a
}

// attempt waits until there is something.
func (w waiter) attempt(a *attempt) error {
	err := w.raw.Read(a.try)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	case err != nil:
		return err
	case *a.got != 0:
		return syscall.Errno(*a.got)
	}
	return nil
}

// until waits for f not to return EAGAIN.
func (w waiter) until(f func() C.int) error {
	a := w.trying(f)
	return w.attempt(&a)
}

// interrupt ends until, now and later.
func (w waiter) interrupt() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) }

func (l library) manager() (manager, error) {
	var ch *C.struct_rdma_event_channel
	if err := C.manager_open(l.c, &ch); err != 0 {
		return nil, fmt.Errorf("verbs: the connection manager of the kernel: %w (the module rdma_ucm makes /dev/infiniband/rdma_cm, which has to be writable)", syscall.Errno(err))
	}
	w, err := newWaiter(ch.fd, "rdma_cm")
	if err != nil {
		C.manager_close(l.c, ch)
		return nil, err
	}
	return &channel{lib: l.c, c: ch, waiter: w}, nil
}

// A channel is an event channel of librdmacm.
type channel struct {
	lib *C.library
	c   *C.struct_rdma_event_channel
	waiter
}

func (m *channel) create(token uint64) (identifier, error) {
	x := &ident{lib: m.lib}
	if err := C.id_create(m.lib, m.c, C.uint64_t(token), &x.c); err != 0 {
		return nil, failure("no identifier", err)
	}
	return x, nil
}

func (m *channel) next() (event, error) {
	var o C.occurrence
	err := m.until(func() C.int { return C.manager_next(m.lib, m.c, &o) })
	if err != nil {
		return event{}, err
	}
	e := event{
		kind: other, status: int(o.status), token: uint64(o.token), reads: int(o.asks), serves: int(o.serves),
		private: C.GoBytes(unsafe.Pointer(&o.data), C.int(o.length)),
	}
	switch o.kind {
	case C.RDMA_CM_EVENT_ADDR_RESOLVED:
		e.kind = resolved
	case C.RDMA_CM_EVENT_ROUTE_RESOLVED:
		e.kind = routed
	case C.RDMA_CM_EVENT_CONNECT_REQUEST:
		e.kind, e.id = requested, &ident{lib: m.lib, c: o.id}
	case C.RDMA_CM_EVENT_ESTABLISHED:
		e.kind = established
	case C.RDMA_CM_EVENT_REJECTED:
		e.kind = unreachable
		if byUser(e.status, o.iwarp != 0) {
			e.kind = rejected
		}
	case C.RDMA_CM_EVENT_ADDR_ERROR, C.RDMA_CM_EVENT_ROUTE_ERROR, C.RDMA_CM_EVENT_CONNECT_ERROR, C.RDMA_CM_EVENT_UNREACHABLE:
		e.kind = unreachable
	case C.RDMA_CM_EVENT_DISCONNECTED:
		e.kind = disconnected
	case C.RDMA_CM_EVENT_DEVICE_REMOVAL:
		e.kind = removed
	}
	return e, nil
}

func (m *channel) close() {
	m.file.Close()
	C.manager_close(m.lib, m.c)
}

// An ident is an identifier of librdmacm.
type ident struct {
	lib *C.library
	c   *C.struct_rdma_cm_id
}

func (x *ident) name() string {
	if x.c.verbs == nil {
		return ""
	}
	return C.GoString(C.adapter_name(x.lib, x.c.verbs))
}

func (x *ident) adapter() (adapter, error) {
	a := &device{lib: x.lib, c: x.c.verbs}
	var l C.limits
	if err := C.adapter_limits(x.lib, a.c, &l); err != 0 {
		return nil, failure("what the adapter can do", err)
	}
	if err := C.adapter_domain(x.lib, a.c, &a.domain); err != 0 {
		return nil, failure("no protection domain", err)
	}
	w, err := newWaiter(a.c.async_fd, x.name())
	if err != nil {
		C.adapter_close(x.lib, a.domain)
		return nil, err
	}
	a.waiter, a.vectors = w, int(l.vectors)
	a.can = limits{
		pieces: int(l.sge), readPieces: int(l.sge_read), works: int(l.works), completions: int(l.cqe), shared: int(l.shared_works),
		reads: int(l.reads), serves: int(l.serves), iwarp: l.iwarp != 0, invalidates: l.invalidates != 0,
	}
	return a, nil
}

func (x *ident) addresses() (local, remote netip.AddrPort) {
	get := func(peer C.int) netip.AddrPort {
		var ip [16]byte
		var zone C.uint32_t
		var port C.uint16_t
		n := C.id_address(x.c, peer, (*C.uint8_t)(&ip[0]), &zone, &port)
		a, _ := netip.AddrFromSlice(ip[:n])
		if zone != 0 && a.IsLinkLocalUnicast() {
			a = a.WithZone(strconv.Itoa(int(zone)))
		}
		return netip.AddrPortFrom(a.Unmap(), uint16(port))
	}
	return get(0), get(1)
}

func (x *ident) setToken(token uint64) { C.id_token(x.c, C.uint64_t(token)) }
func (x *ident) established()          { C.id_established(x.lib, x.c) }
func (x *ident) port() uint32          { return uint32(x.c.port_num) }
func (x *ident) disconnect() error     { return failure("cannot disconnect", C.id_disconnect(x.lib, x.c)) }
func (x *ident) destroy()              { C.id_destroy(x.lib, x.c) }

// with has f see an address as C has it.
func with(a netip.AddrPort, f func(ip *C.uint8_t, n C.int, zone C.uint32_t, port C.uint16_t) C.int) C.int {
	ip := a.Addr().Unmap().AsSlice()
	var zone int
	if z := a.Addr().Zone(); z != "" {
		var err error
		if zone, err = strconv.Atoi(z); err != nil {
			i, err := net.InterfaceByName(z)
			if err != nil {
				return C.int(syscall.ENODEV)
			}
			zone = i.Index
		}
	}
	return f((*C.uint8_t)(&ip[0]), C.int(len(ip)), C.uint32_t(zone), C.uint16_t(a.Port()))
}

func (x *ident) listen(at netip.AddrPort, backlog int) error {
	return failure("cannot listen at "+at.String(), with(at, func(ip *C.uint8_t, n C.int, zone C.uint32_t, port C.uint16_t) C.int {
		return C.id_listen(x.lib, x.c, ip, n, zone, port, C.int(backlog))
	}))
}

// patience is how long finding an adapter and a way may take, in milliseconds.
const patience = 5000

func (x *ident) resolve(to netip.AddrPort) error {
	return failure("no adapter leads to "+to.String(), with(to, func(ip *C.uint8_t, n C.int, zone C.uint32_t, port C.uint16_t) C.int {
		return C.id_resolve(x.lib, x.c, ip, n, zone, port, patience)
	}))
}

func (x *ident) route() error { return failure("no way", C.id_route(x.lib, x.c, patience)) }

func (x *ident) greet(accept C.int, g greeting) C.int {
	var data *byte
	if len(g.private) > 0 {
		data = &g.private[0]
	}
	return C.id_connect(x.lib, x.c, accept, unsafe.Pointer(data), C.int(len(g.private)), C.int(g.reads), C.int(g.serves))
}

func (x *ident) ask(g greeting) error    { return failure("cannot ask for a connection", x.greet(0, g)) }
func (x *ident) answer(g greeting) error { return failure("cannot accept", x.greet(1, g)) }

func (x *ident) refuse(private []byte) error {
	var data *byte
	if len(private) > 0 {
		data = &private[0]
	}
	return failure("cannot reject", C.id_reject(x.lib, x.c, unsafe.Pointer(data), C.int(len(private))))
}

func (x *ident) queuePair(p pairConfig) (queuePair, error) {
	var srq *C.struct_ibv_srq
	if p.shared != nil {
		srq = p.shared.(*sharedQueue).c
	}
	var most C.int
	err := C.id_queue_pair(x.lib, x.c, p.adapter.(*device).domain, p.queue.(*completionQueue).c, srq, C.int(p.works), C.int(p.receives), C.int(p.pieces), &most)
	if err != 0 {
		return nil, failure("no queue pair", err)
	}
	return &pair{id: x, most: int(most)}, nil
}
