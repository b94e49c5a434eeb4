package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/bench"
	"github.com/lunette-io/lunette/network/tcp"
)

// The limit: a protocol of headers as long as those of iSCSI and data, and nothing else,
// with the same system calls and copies on both sides as a good target and a good
// initiator make.

const headerLen = 48

// A raw header is: 0 the direction, 1 the unit, 4 the number of the job, 8 the offset, 16
// the length.
type header [headerLen]byte

func (h *header) put(write bool, unit int, number uint32, off int64, n int) {
	h[0], h[1] = 0, byte(unit)
	if write {
		h[0] = 1
	}
	binary.LittleEndian.PutUint32(h[4:], number)
	binary.LittleEndian.PutUint64(h[8:], uint64(off))
	binary.LittleEndian.PutUint64(h[16:], uint64(n))
}

func (h *header) get() (write bool, unit int, number uint32, off int64, n int) {
	return h[0] == 1, int(h[1]), binary.LittleEndian.Uint32(h[4:]),
		int64(binary.LittleEndian.Uint64(h[8:])), int(binary.LittleEndian.Uint64(h[16:]))
}

// A stream receives headers in batches, data to its place, and sends what is gathered.
type stream struct {
	*tcp.Conn
	buf      []byte // received from..to
	from, to int
	recvErr  error
	sendErr  error // its own: another goroutine may send
	in       [2]unix.Iovec
	nin      int
	got      int
	out      []unix.Iovec
	left     []unix.Iovec
	slab     []header
	used     int
	bytes    int
	recvTry  func(uintptr) bool
	sendTry  func(uintptr) bool
	sendOnce func(uintptr) bool
}

func newStream(c *tcp.Conn) *stream {
	s := &stream{Conn: c, buf: make([]byte, 256<<10), slab: make([]header, 128)}
	s.recvTry = func(fd uintptr) bool {
		s.got, s.recvErr = tcp.RecvMsg(fd, s.in[:s.nin])
		return !tcp.Again(s.recvErr)
	}
	s.sendOnce = func(fd uintptr) bool { s.send(fd); return true }
	s.sendTry = s.send
	return s
}

// send sends until all is sent or the socket is full.
func (s *stream) send(fd uintptr) bool {
	for len(s.left) > 0 {
		n, err := tcp.SendMsg(fd, s.left)
		if tcp.Again(err) {
			return false
		}
		if err != nil {
			s.sendErr, s.left = err, nil
			return true
		}
		s.left = tcp.Advance(s.left, n)
	}
	return true
}

func (s *stream) receive() error {
	if err := s.Read(s.recvTry); err != nil {
		return err
	}
	if s.recvErr == nil && s.got == 0 {
		return io.EOF
	}
	return s.recvErr
}

// more waits for bytes behind those that were not used.
func (s *stream) more() error {
	s.to = copy(s.buf, s.buf[s.from:s.to])
	s.from = 0
	s.in[0], s.nin = tcp.Vector(s.buf[s.to:]), 1
	err := s.receive()
	s.to += s.got
	return err
}

// header returns the next header if all of it is here.
func (s *stream) header() (header, bool) {
	if s.to-s.from < headerLen {
		return header{}, false
	}
	h := header(s.buf[s.from:])
	s.from += headerLen
	return h, true
}

// data fills dst: with what is here, and then from the socket straight.
func (s *stream) data(dst []byte) error {
	n := copy(dst, s.buf[s.from:s.to])
	s.from += n
	for dst = dst[n:]; len(dst) > 0; {
		s.from, s.to = 0, 0
		s.in[0], s.in[1], s.nin = tcp.Vector(dst), tcp.Vector(s.buf), 2
		if err := s.receive(); err != nil {
			return err
		}
		n := min(s.got, len(dst))
		s.to = s.got - n
		dst = dst[n:]
	}
	return nil
}

// put gathers a header and data; full says that it is time to flush.
func (s *stream) put(h *header, data []byte) (full bool) {
	s.slab[s.used] = *h
	s.out = append(s.out, tcp.Vector(s.slab[s.used][:]))
	s.used++
	if len(data) > 0 {
		s.out = append(s.out, tcp.Vector(data))
		s.bytes += len(data)
	}
	return s.used == len(s.slab) || s.bytes >= 256<<10
}

// flush sends what is gathered.
func (s *stream) flush() error {
	s.left = s.out
	err := s.Write(s.sendTry)
	s.clear()
	return errors.Join(err, s.sendErr)
}

func (s *stream) clear() { s.out, s.used, s.bytes = s.out[:0], 0, 0 }

// echo answers the requests of one connection from memory.
func echo(c *tcp.Conn, memory [][]byte) error {
	s := newStream(c)
	defer c.Close()
	for {
		if err := s.more(); err != nil {
			return err
		}
		for h, ok := s.header(); ok; h, ok = s.header() {
			write, unit, _, off, n := h.get()
			if unit >= len(memory) || off < 0 || n < 0 || off+int64(n) > int64(len(memory[unit])) {
				return errors.New("a request outside of the memory")
			}
			place := memory[unit][off:][:n]
			if write {
				if len(s.out) > 0 && n > s.to-s.from {
					if err := s.flush(); err != nil { // what follows may wait
						return err
					}
				}
				if err := s.data(place); err != nil {
					return err
				}
				place = nil
			}
			if s.put(&h, place) {
				if err := s.flush(); err != nil {
					return err
				}
			}
		}
		if len(s.out) > 0 {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
}

// A rawClient is the other side.
type rawClient struct {
	*stream
	byID    []*bench.Job
	queue   []*bench.Job
	done    []*bench.Job
	sending chan error // a goroutine sends what did not fit
	flight  int        // jobs that were given to the socket, and not answered
}

func dialRaw(addr string) (bench.Client, error) {
	n, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c, err := tcp.NewConn(n.(*net.TCPConn))
	if err != nil {
		return nil, err
	}
	return &rawClient{stream: newStream(c)}, nil
}

// Submit implements [bench.Client].
func (c *rawClient) Submit(j *bench.Job) error {
	if _, ok := j.Link.(uint32); !ok {
		j.Link = uint32(len(c.byID))
		c.byID = append(c.byID, j)
	}
	c.queue = append(c.queue, j)
	return nil
}

// start sends what is queued, without waiting: a socket that is full is left to a goroutine.
func (c *rawClient) start() error {
	if c.sending != nil {
		var err error
		if c.flight == 0 {
			err = <-c.sending // all is answered: it is just ending
		} else {
			select {
			case err = <-c.sending:
			default:
				return nil
			}
		}
		c.sending = nil
		c.clear()
		if err != nil {
			return err
		}
	}
	for len(c.queue) > 0 {
		for n, j := range c.queue {
			var h header
			c.flight++
			h.put(j.Write, j.Unit, j.Link.(uint32), j.Off, len(j.Buf))
			data := j.Buf
			if !j.Write {
				data = nil
			}
			if c.put(&h, data) || n == len(c.queue)-1 {
				c.queue = c.queue[:copy(c.queue, c.queue[n+1:])]
				break
			}
		}
		c.left = c.out
		if err := errors.Join(c.Write(c.sendOnce), c.sendErr); err != nil {
			return err
		}
		if len(c.left) > 0 {
			c.sending = make(chan error, 1)
			go func() { c.sending <- errors.Join(c.Write(c.sendTry), c.sendErr) }()
			return nil
		}
		c.clear()
	}
	return nil
}

// Wait implements [bench.Client]. It waits as long as it takes: nothing here has a rate.
func (c *rawClient) Wait(time.Duration) ([]*bench.Job, error) {
	c.done = c.done[:0]
	for len(c.done) == 0 {
		if err := c.start(); err != nil {
			return nil, err
		}
		if err := c.more(); err != nil {
			return nil, err
		}
		for h, ok := c.header(); ok; h, ok = c.header() {
			write, _, number, _, n := h.get()
			if int(number) >= len(c.byID) || n > len(c.byID[number].Buf) {
				return nil, errors.New("an answer to no job")
			}
			j := c.byID[number]
			c.flight--
			if !write {
				if err := c.data(j.Buf[:n]); err != nil {
					return nil, err
				}
			}
			c.done = append(c.done, j)
		}
	}
	return c.done, nil
}
