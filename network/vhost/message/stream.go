package message

import (
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// What a stream does not survive.
var (
	ErrCut    = errors.New("descriptors of a message were cut off: there were too many, or this process has too many open files")
	ErrInside = errors.New("descriptors came in the middle of a message")
	ErrOther  = errors.New("a control message that has no descriptors")
)

// A Message is one that came.
type Message struct {
	Header
	Payload     []byte      // the stream's memory, until the next Read
	Descriptors Descriptors // of whoever has read it, who closes those that are left
}

// A Stream carries messages over a Unix socket. Read and Write are each called by one goroutine at a time.
type Stream struct {
	conn *net.UnixConn
	slow func() (stop func())
	in   [HeaderLen + MaxPayload]byte
	oob  []byte // has room for MaxDescriptors: more are cut off, and noticed
	out  []byte
}

// NewStream makes a stream of conn, which it does not close. When a message has begun, to come or to be sent, it calls slow, and what that has returned when all of it is there or gone: who limits how
// long that may take closes conn. A nil slow is no limit.
func NewStream(conn *net.UnixConn, slow func() (stop func())) *Stream {
	if slow == nil {
		slow = func() func() { return func() {} }
	}
	return &Stream{conn: conn, slow: slow, oob: make([]byte, unix.CmsgSpace(4*MaxDescriptors))}
}

// Read waits for a message. io.EOF: the other end has closed the socket after a whole one. After an error the stream is not at the beginning of a message, and m has no descriptors.
func (s *Stream) Read(m *Message) (err error) {
	*m = Message{}
	defer func() {
		if err != nil {
			m.Descriptors.Close()
		}
	}()
	header := s.in[:HeaderLen]
	n, err := s.receive(header, &m.Descriptors)
	if err != nil {
		return err
	}
	if n == 0 {
		return io.EOF
	}
	defer s.slow()()
	if err := s.fill(header[n:]); err != nil {
		return err
	}
	if m.Header, err = ParseHeader(header); err != nil {
		return err
	}
	m.Payload = s.in[HeaderLen : HeaderLen+m.Size]
	return s.fill(m.Payload)
}

// fill reads what is left of a message.
func (s *Stream) fill(b []byte) error {
	for len(b) > 0 {
		var none Descriptors
		n, err := s.receive(b, &none)
		if err == nil && none.Len() > 0 {
			none.Close()
			err = ErrInside
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		b = b[n:]
	}
	return nil
}

// receive reads once, at the most len(b) bytes, and the descriptors that came with them; 0 bytes are the end. After an error it has kept no descriptors.
func (s *Stream) receive(b []byte, d *Descriptors) (n int, err error) {
	// Go's net package asks for MSG_CMSG_CLOEXEC.
	n, oobn, flags, _, err := s.conn.ReadMsgUnix(b, s.oob)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		return 0, err
	}
	err = d.parse(s.oob[:oobn])
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		err = ErrCut
	}
	if err != nil {
		d.Close()
		return 0, err
	}
	return n, nil
}

// parse takes the descriptors that the kernel has opened. After an error those that could be read are in d.
func (d *Descriptors) parse(oob []byte) error {
	if len(oob) == 0 {
		return nil
	}
	all, err := unix.ParseSocketControlMessage(oob)
	for i := range all {
		fds, e := unix.ParseUnixRights(&all[i])
		if e != nil {
			err = ErrOther
			continue
		}
		d.fds = append(d.fds, fds...)
	}
	return err
}

// Write sends a message with descriptors, which stay the caller's. The size in h is not looked at.
func (s *Stream) Write(h Header, payload []byte, fds ...int) error {
	if len(payload) > MaxPayload || len(fds) > MaxDescriptors {
		return Errorf(h.Request, "%d bytes and %d descriptors are more than a message may have", len(payload), len(fds))
	}
	h.Size = uint32(len(payload))
	s.out = append(h.Append(s.out[:0]), payload...)
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	defer s.slow()()
	// What the first call has taken has the descriptors with it.
	n, _, err := s.conn.WriteMsgUnix(s.out, oob, nil)
	if err == nil && n < len(s.out) {
		_, err = s.conn.Write(s.out[n:])
	}
	return err
}
