package vhosttest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Requests of a front-end, as the protocol numbers them.
const (
	GetFeatures         = 1
	SetFeatures         = 2
	SetOwner            = 3
	ResetOwner          = 4
	SetMemTable         = 5
	SetLogBase          = 6
	SetVringNum         = 8
	SetVringAddr        = 9
	SetVringBase        = 10
	GetVringBase        = 11
	SetVringKick        = 12
	SetVringCall        = 13
	SetVringErr         = 14
	GetProtocolFeatures = 15
	SetProtocolFeatures = 16
	GetQueueNum         = 17
	SetVringEnable      = 18
	GetConfig           = 24
	SetConfig           = 25
	GetInflight         = 31
	SetInflight         = 32
	ResetDevice         = 34
	GetMaxMemSlots      = 36
	AddMemReg           = 37
	RemMemReg           = 38
)

// Flags of a message's header.
const (
	Version   = 1
	IsReply   = 1 << 2
	NeedReply = 1 << 3
)

// Features of virtio, and of the protocol.
const (
	Indirect         = 1 << 28
	EventIndex       = 1 << 29
	ProtocolFeatures = 1 << 30
	Version1         = 1 << 32
	Packed           = 1 << 34

	ReplyAck       = 1 << 3
	InflightShared = 1 << 12
	ResetsDevice   = 1 << 13
	MemSlots       = 1 << 15
)

// HeaderLen is that of a message.
const HeaderLen = 12

// Patience is how long a Monitor waits for a reply: only what never comes takes as long.
const Patience = time.Minute

// A Monitor is a front-end's connection. Its methods are for one goroutine at a time.
type Monitor struct {
	Conn     *net.UnixConn
	Features uint64 // that were agreed by Agree
	Protocol uint64 // features of the protocol that were agreed by Agree
	RAM      *RAM   // the guest's, if Up or Give has been called
	Rings    []*Ring
}

// Dial connects to a back-end's socket, and says nothing.
func Dial(path string) (*Monitor, error) {
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err == nil {
			return &Monitor{Conn: c}, nil
		}
		if !errors.Is(err, unix.EAGAIN) || time.Since(begin) > Patience { // that: as many as it has room for wait to be accepted
			return nil, err
		}
	}
}

// Close ends the connection, and gives back the memory and all descriptors of its rings.
func (m *Monitor) Close() error {
	err := m.Conn.Close()
	for _, r := range m.Rings {
		r.close()
	}
	m.Rings = nil
	if m.RAM != nil {
		err = errors.Join(err, m.RAM.Close())
		m.RAM = nil
	}
	return err
}

// Raw sends bytes, and descriptors with the first of them.
func (m *Monitor) Raw(b []byte, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	_ = m.Conn.SetWriteDeadline(time.Now().Add(Patience))
	n, _, err := m.Conn.WriteMsgUnix(b, rights, nil)
	if err == nil && n < len(b) {
		_, err = m.Conn.Write(b[n:])
	}
	return err
}

// Header is that of a message.
func Header(request, flags uint32, size int) []byte {
	b := binary.NativeEndian.AppendUint32(nil, request)
	b = binary.NativeEndian.AppendUint32(b, flags)
	return binary.NativeEndian.AppendUint32(b, uint32(size))
}

// Send sends a message, and waits for nothing.
func (m *Monitor) Send(request, flags uint32, payload []byte, fds ...int) error {
	return m.Raw(append(Header(request, Version|flags, len(payload)), payload...), fds...)
}

// Receive waits for a message, and closes descriptors that come with it but for the first, which is -1 if there is none.
func (m *Monitor) Receive() (request uint32, payload []byte, fd int, err error) {
	_ = m.Conn.SetReadDeadline(time.Now().Add(Patience))
	b, oob := make([]byte, HeaderLen), make([]byte, unix.CmsgSpace(4*8))
	fd = -1
	n, oobn, _, _, err := m.Conn.ReadMsgUnix(b, oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return 0, nil, fd, err
	}
	fd = first(oob[:oobn])
	if _, err = io.ReadFull(m.Conn, b[n:]); err == nil {
		size := binary.NativeEndian.Uint32(b[8:])
		if size > 64<<10 {
			return 0, nil, fd, fmt.Errorf("vhosttest: a reply of %d bytes", size)
		}
		payload = make([]byte, size)
		_, err = io.ReadFull(m.Conn, payload)
	}
	return binary.NativeEndian.Uint32(b), payload, fd, err
}

// first is the first of the descriptors in control messages; all others are closed.
func first(oob []byte) (fd int) {
	fd = -1
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fd
	}
	for _, c := range all {
		fds, err := unix.ParseUnixRights(&c)
		if err != nil {
			continue
		}
		for _, f := range fds {
			if fd < 0 {
				fd = f
			} else {
				_ = unix.Close(f)
			}
		}
	}
	return fd
}

// Ask sends a message that has a reply, and waits for it.
func (m *Monitor) Ask(request uint32, payload []byte, fds ...int) ([]byte, error) {
	if err := m.Send(request, 0, payload, fds...); err != nil {
		return nil, err
	}
	return m.reply(request)
}

// Tell sends a message that has none, and waits until the back-end has done what it says, if it can say so.
func (m *Monitor) Tell(request uint32, payload []byte, fds ...int) error {
	if m.Protocol&ReplyAck == 0 {
		return m.Send(request, 0, payload, fds...)
	}
	if err := m.Send(request, NeedReply, payload, fds...); err != nil {
		return err
	}
	b, err := m.reply(request)
	if err == nil && (len(b) != 8 || binary.NativeEndian.Uint64(b) != 0) {
		err = fmt.Errorf("vhosttest: request %d is answered %x", request, b)
	}
	return err
}

func (m *Monitor) reply(request uint32) ([]byte, error) {
	got, b, fd, err := m.Receive()
	if fd >= 0 {
		_ = unix.Close(fd)
	}
	if err == nil && got != request {
		err = fmt.Errorf("vhosttest: an answer to request %d, not to %d", got, request)
	}
	return b, err
}

// U64 is a payload of one number, State one of an index and a number.
func U64(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

// State is the payload of messages about a ring: its index, and a number.
func State(index, v int) []byte {
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, uint32(index)), uint32(v))
}

// Agree agrees on the features that are wanted and offered, and on those of the protocol.
func (m *Monitor) Agree(features, protocol uint64) error {
	b, err := m.Ask(GetFeatures, nil)
	if err != nil || len(b) != 8 {
		return errors.Join(err, fmt.Errorf("vhosttest: features %x", b))
	}
	m.Features = binary.NativeEndian.Uint64(b) & features
	if b, err = m.Ask(GetProtocolFeatures, nil); err != nil || len(b) != 8 {
		return errors.Join(err, fmt.Errorf("vhosttest: features of the protocol %x", b))
	}
	agreed := binary.NativeEndian.Uint64(b) & protocol
	if err := m.Send(SetProtocolFeatures, 0, U64(agreed)); err != nil {
		return err
	}
	m.Protocol = agreed
	if err := m.Tell(SetOwner, nil); err != nil {
		return err
	}
	return m.Tell(SetFeatures, U64(m.Features))
}

// Give hands over the guest's memory. The Monitor closes it.
func (m *Monitor) Give(r *RAM) error {
	m.RAM = r
	table := binary.NativeEndian.AppendUint32(nil, 1)
	table = binary.NativeEndian.AppendUint32(table, 0)
	return m.Tell(SetMemTable, append(table, r.Region()...), int(r.File.Fd()))
}

// Prepare sets ring index up: it lies at At(index) of the memory, and waits for Start.
func (m *Monitor) Prepare(index, size int) (*Ring, error) {
	r, err := newRing(m.RAM, index, size)
	if err != nil {
		return nil, err
	}
	m.Rings = append(m.Rings, r)
	return r, nil
}

// Ring sets ring index up, and starts it.
func (m *Monitor) Ring(index, size int) (*Ring, error) {
	r, err := m.Prepare(index, size)
	if err != nil {
		return nil, err
	}
	return r, m.Start(r)
}

// Start starts a ring that is set up.
func (m *Monitor) Start(r *Ring) error {
	fd := U64(uint64(r.Index))
	return errors.Join(
		m.Tell(SetVringNum, State(r.Index, r.Size)), m.Tell(SetVringBase, State(r.Index, r.Base)), m.Tell(SetVringAddr, r.addresses()),
		m.Tell(SetVringCall, fd, r.CallFD), m.Tell(SetVringKick, fd, r.KickFD), m.Tell(SetVringEnable, State(r.Index, 1)))
}

// Stop stops a ring, which returns when the back-end has given everything of it back.
func (m *Monitor) Stop(r *Ring) error {
	b, err := m.Ask(GetVringBase, State(r.Index, 0))
	if err == nil && (len(b) != 8 || binary.NativeEndian.Uint32(b) != uint32(r.Index)) {
		err = fmt.Errorf("vhosttest: ring %d is stopped, and the answer is %x", r.Index, b)
	}
	if err == nil {
		r.Base = int(binary.NativeEndian.Uint32(b[4:]))
	}
	return err
}

// Up does all that a front-end does in good order: it makes memory of size bytes, and starts the first n rings.
func (m *Monitor) Up(features uint64, size int64, n, entries int) error {
	if err := m.Agree(features|Version1|ProtocolFeatures, ReplyAck|ResetsDevice|InflightShared|MemSlots); err != nil {
		return err
	}
	r, err := NewRAM(size, 0)
	if err != nil {
		return err
	}
	if err := m.Give(r); err != nil {
		return err
	}
	for i := range n {
		if _, err := m.Ring(i, entries); err != nil {
			return err
		}
	}
	return nil
}
