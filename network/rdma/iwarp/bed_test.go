package iwarp

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// A bed is a connection without a network: what it receives is given, in pieces, and what it
// sends is kept.
type bed struct {
	t   testing.TB
	d   *Device
	c   *Conn
	h   *handler
	out []byte // what it has sent
	cut int    // bytes that one receive brings at most; 0: all
	max int    // bytes that one send takes at most; 0: all

	in       []byte
	eof      bool
	room     int // bytes that are taken until the socket is full; -1: no end
	awaits   bool
	closed   bool
	closedWr bool
	over     bool
	sends    int
}

// bedDevice has the buffers of all beds.
var bedDevice = sync.OnceValue(func() *Device {
	d, err := New(Config{Engine: tcp.NewGoroutines(tcp.Spin{})})
	if err != nil {
		panic(err)
	}
	return d
})

func newBed(t testing.TB, o rdma.Options, crc bool) *bed {
	b := &bed{t: t, d: bedDevice(), h: newHandler(t), room: -1}
	b.c = makeConn(b.d, (*bedSocket)(b), terms{crc: crc, reads: o.Reads, serves: o.Serves}, &o, 1448)
	b.c.recvMsg, b.c.sendMsg = b.recv, b.send
	b.c.mem.windows.Init(b.d.conf.MaxWindows, rand.NewChaCha8([32]byte{}).Read) // always the same
	b.c.Start(b.h)
	return b
}

type bedSocket bed

func (s *bedSocket) Start(tcp.Handler) {}
func (s *bedSocket) Try(f func(fd uintptr)) error {
	if s.closed {
		return net.ErrClosed
	}
	f(0)
	return nil
}
func (s *bedSocket) AwaitRoom(tcp.WriteHandler)          { s.awaits = true }
func (s *bedSocket) Resume()                             {}
func (s *bedSocket) Detach(func() bool, func(*tcp.Conn)) { panic("nobody detaches it") }
func (s *bedSocket) CloseWrite() error                   { s.closedWr = true; return nil }
func (s *bedSocket) Close() error                        { s.closed = true; return nil }

func (b *bed) recv(_ uintptr, iov []unix.Iovec) (int, error) {
	if len(b.in) == 0 {
		if b.eof {
			return 0, nil
		}
		return 0, unix.EAGAIN
	}
	n, most := 0, len(b.in)
	if b.cut > 0 {
		most = min(most, b.cut)
	}
	for i := range iov {
		k := copy(bytesOf(&iov[i], int(iov[i].Len)), b.in[:most-n])
		b.in = b.in[k:]
		if n += k; n == most {
			break
		}
	}
	return n, nil
}

func (b *bed) send(_ uintptr, iov []unix.Iovec) (int, error) {
	b.sends++
	n := 0
	for i := range iov {
		p := bytesOf(&iov[i], int(iov[i].Len))
		if b.max > 0 {
			p = p[:min(len(p), b.max-n)]
		}
		if b.room >= 0 {
			p = p[:min(len(p), b.room)]
			b.room -= len(p)
		}
		b.out = append(b.out, p...)
		n += len(p)
		if len(p) < int(iov[i].Len) {
			break
		}
	}
	if n == 0 {
		return 0, unix.EAGAIN
	}
	return n, nil
}

// feed lets the connection receive p, as an engine does.
func (b *bed) feed(p []byte) {
	b.in = append(b.in, p...)
	b.run()
}

func (b *bed) run() {
	for !b.over && !b.closed {
		switch b.c.Receive(0) {
		case tcp.Nothing:
			b.c.Idle()
			return
		case tcp.All, tcp.One:
			b.c.Idle()
		case tcp.End:
			b.end(nil)
		}
	}
	if b.closed {
		b.end(net.ErrClosed)
	}
}

// end is the end of the socket.
func (b *bed) end(err error) {
	if b.over {
		return
	}
	b.over = true
	if b.awaits {
		b.awaits = false
		b.c.tx.WriteDone(net.ErrClosed)
	}
	b.c.Ended(err)
}

// drain lets the socket take n more bytes; -1: all there will be.
func (b *bed) drain(n int) {
	b.room = n
	if b.awaits && b.c.tx.Writable(0) {
		b.awaits = false
		b.c.tx.WriteDone(nil)
	}
}

// hangUp is the end of the peer's direction.
func (b *bed) hangUp() {
	b.eof = true
	b.run()
}

// A sent is an FPDU that the connection has sent.
type sent struct {
	header
	payload []byte
}

// sentAll takes what the connection has sent, which has to be whole FPDUs.
func (b *bed) sentAll() (all []sent) {
	b.t.Helper()
	for p := b.out; len(p) > 0; {
		h := parseHeader(p)
		size := fpduLen(int(h.length))
		if len(p) < size {
			b.t.Fatalf("an FPDU of %d bytes, of which there are %d", size, len(p))
		}
		if b.c.crc && !crc(0).add(p[:size-4]).matches(p[size-4:]) {
			b.t.Fatal("a wrong CRC")
		}
		all = append(all, sent{h, bytes.Clone(p[h.len() : h.len()+h.payload()])})
		p = p[size:]
	}
	b.out = nil
	return all
}

// fpdu makes an FPDU; its length and versions are set if they are 0.
func fpdu(h header, payload []byte, sums bool) []byte {
	if h.length == 0 {
		h.length = uint16(h.len() - lengthLen + len(payload))
	}
	if h.ddp == 0 {
		h.ddp = version
	}
	if h.rdmap == 0 {
		h.rdmap = version
	}
	b := make([]byte, h.len())
	h.put(b)
	b = append(b, payload...)
	b = append(b, make([]byte, -len(payload)&3)...)
	var sum [4]byte
	if sums {
		crc(0).add(b).put(sum[:])
	}
	return append(b, sum[:]...)
}

func send(msn uint32, payload []byte) []byte {
	return fpdu(header{last: true, op: opSend, msn: msn}, payload, false)
}

// response makes the FPDUs of a Read Response, with n bytes of data each.
func response(sink uint32, data []byte, n int, sums bool) (b []byte) {
	for off := 0; off == 0 || off < len(data); off += n {
		p := data[off:min(len(data), off+n)]
		b = append(b, fpdu(header{tagged: true, last: off+n >= len(data), op: opReadResponse, stag: sink, to: uint64(off)}, p, sums)...)
	}
	return b
}

// read posts a Read into the middle of mem, and returns the STag of its sink.
func (b *bed) read(mem []byte, guard int) (*rdma.Work, uint32) {
	b.t.Helper()
	w := &rdma.Work{Op: rdma.Read, Data: buffer.Of(mem), At: int64(guard), Len: int64(len(mem) - 2*guard), Remote: rdma.Remote{Key: 77, Addr: 88}}
	if !b.c.Post(w) {
		b.t.Fatal("not taken")
	}
	b.c.Flush()
	all := b.sentAll()
	q := all[len(all)-1]
	if q.op != opReadRequest || len(q.payload) != readRequestLen {
		b.t.Fatalf("%+v", q)
	}
	r := parseReadRequest(q.payload)
	if r.source != 77 || r.sourceTO != 88 || int64(r.size) != w.Len || r.sinkTO != 0 || r.sink == 0 {
		b.t.Fatalf("%+v", r)
	}
	return w, r.sink
}

// terminated checks that the connection has ended with a Terminate for want, and our direction.
func (b *bed) terminated(want cause, head []byte) {
	b.t.Helper()
	all := b.sentAll()
	if len(all) == 0 || all[len(all)-1].op != opTerminate {
		b.t.Fatalf("no Terminate: %+v", all)
	}
	x := all[len(all)-1]
	if x.qn != queueTerminate || x.msn != 1 || x.mo != 0 || !x.last || x.tagged {
		b.t.Errorf("%+v", x.header)
	}
	if got, _ := parseTerminate(x.payload); got != want {
		b.t.Fatalf("terminated with %v, want %v", got, want)
	}
	if head != nil {
		h := parseHeader(append(bytes.Clone(head), make([]byte, 8)...))
		p := x.payload[4:]
		if binary.BigEndian.Uint16(p) != h.length || !bytes.HasPrefix(p[2:], head[lengthLen:h.len()]) {
			b.t.Errorf("terminated with the header %x, not %x", p, head[:h.len()])
		}
	}
	if !b.closedWr || b.closed {
		b.t.Errorf("our direction is closed: %v, the socket: %v", b.closedWr, b.closed)
	}
	b.hangUp()
	if b.h.closed != 1 {
		b.t.Fatal("it does not end")
	}
}
