package packettest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// Attributes of rtnetlink that are nested in IFLA_INFO_DATA (linux/veth.h, linux/if_link.h).
const (
	vethInfoPeer = 1
	ifLinkVLANID = 1
)

// Veth makes two interfaces that are a cable, which are up.
func (n *Namespace) Veth(a, b string, macA, macB ethernet.MAC, mtu int) {
	n.t.Helper()
	n.VethAt(0, a, b, macA, macB, mtu)
}

// VethAt is Veth, where a has a number.
func (n *Namespace) VethAt(index int, a, b string, macA, macB ethernet.MAC, mtu int) {
	n.t.Helper()
	peer := append(make([]byte, unix.SizeofIfInfomsg), attribute(unix.IFLA_IFNAME, name(b))...)
	info := append(attribute(unix.IFLA_INFO_KIND, []byte("veth")), attribute(unix.IFLA_INFO_DATA, attribute(vethInfoPeer, peer))...)
	n.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, index, 0, 0, attribute(unix.IFLA_IFNAME, name(a)), attribute(unix.IFLA_LINKINFO, info))
	for _, x := range []struct {
		name string
		mac  ethernet.MAC
	}{{a, macA}, {b, macB}} {
		n.SetMAC(x.name, x.mac)
		n.SetMTU(x.name, mtu)
	}
	n.SetUp(a, true)
	n.SetUp(b, true)
	n.carry(a, b)
	n.carry(b, a)
}

// carry waits until frames that one interface sends come to another: the kernel has both up, and throws them away for a moment longer.
func (n *Namespace) carry(from, to string) {
	n.t.Helper()
	n.carryTo(from, n, to)
}

// carryTo is carry, to another namespace.
func (n *Namespace) carryTo(from string, other *Namespace, to string) {
	n.t.Helper()
	const experimental = 0xb688 // EtherType 88B6h, in the order of the network
	open := func(n *Namespace, name string) (fd int, err error) {
		index := n.Index(name)
		n.Do(func() {
			if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err == nil {
				err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: experimental, Ifindex: index})
			}
		})
		return fd, err
	}
	out, err := open(n, from)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = unix.Close(out) }()
	in, err := open(other, to)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = unix.Close(in) }()
	frame := append(bytes.Repeat([]byte{0xff}, 6), make([]byte, 54)...)
	frame[6], frame[12], frame[13] = 2, 0x88, 0xb6
	for {
		_, _ = unix.Write(out, frame)
		switch _, err := unix.Read(in, make([]byte, 100)); {
		case err == nil:
			return
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENETDOWN):
			n.t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// VLAN makes the interface NAME.ID for a VLAN of an interface, and takes it up. Where the kernel cannot do that the test is skipped.
func (n *Namespace) VLAN(on string, id uint16) {
	n.t.Helper()
	data := attribute(ifLinkVLANID, binary.NativeEndian.AppendUint16(nil, id))
	info := append(attribute(unix.IFLA_INFO_KIND, []byte("vlan")), attribute(unix.IFLA_INFO_DATA, data)...)
	whole := fmt.Sprintf("%s.%d", on, id)
	err := n.ask(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, 0, 0, 0, attribute(unix.IFLA_IFNAME, name(whole)),
		attribute(unix.IFLA_LINK, binary.NativeEndian.AppendUint32(nil, uint32(n.Index(on)))), attribute(unix.IFLA_LINKINFO, info))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		n.t.Skip("SKIPPED: the kernel has no interfaces for VLANs (module 8021q)")
	case err != nil:
		n.t.Fatalf("rtnetlink: %v", err)
	}
	n.SetUp(whole, true)
}

// SetUp takes an interface up, or down.
func (n *Namespace) SetUp(of string, up bool) {
	n.t.Helper()
	flags := uint32(0)
	if up {
		flags = unix.IFF_UP
	}
	n.request(unix.RTM_NEWLINK, 0, n.Index(of), flags, unix.IFF_UP)
}

// SetMTU changes the MTU of an interface.
func (n *Namespace) SetMTU(of string, mtu int) {
	n.t.Helper()
	n.request(unix.RTM_NEWLINK, 0, n.Index(of), 0, 0, attribute(unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, uint32(mtu))))
}

// SetMAC changes the address of an interface.
func (n *Namespace) SetMAC(of string, m ethernet.MAC) {
	n.t.Helper()
	n.request(unix.RTM_NEWLINK, 0, n.Index(of), 0, 0, attribute(unix.IFLA_ADDRESS, m[:]))
}

// Rename calls an interface something else, which takes it down and up again.
func (n *Namespace) Rename(of, to string) {
	n.t.Helper()
	n.SetUp(of, false)
	n.request(unix.RTM_NEWLINK, 0, n.Index(of), 0, 0, attribute(unix.IFLA_IFNAME, name(to)))
	n.SetUp(to, true)
}

// Remove takes an interface away, and the other end of its cable.
func (n *Namespace) Remove(of string) {
	n.t.Helper()
	n.request(unix.RTM_DELLINK, 0, n.Index(of), 0, 0)
}

// Index is the number of an interface.
func (n *Namespace) Index(of string) (index int) {
	n.t.Helper()
	var err error
	n.Do(func() {
		var fd int
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		defer func() { _ = unix.Close(fd) }()
		var r *unix.Ifreq
		if r, err = unix.NewIfreq(of); err != nil {
			return
		}
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r)
		index = int(r.Uint32())
	})
	if err != nil {
		n.t.Fatalf("interface %s: %v", of, err)
	}
	return index
}

// name is a string as rtnetlink has it.
func name(s string) []byte { return append([]byte(s), 0) }

// attribute is an attribute, with padding behind it.
func attribute(kind uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	return append(b, make([]byte, -len(b)&3)...)
}

// request asks for a change of links, and waits for the answer.
func (n *Namespace) request(kind, flags uint16, index int, set, change uint32, attributes ...[]byte) {
	n.t.Helper()
	if err := n.ask(kind, flags, index, set, change, attributes...); err != nil {
		n.t.Fatalf("rtnetlink: %v", err)
	}
}

// ask is request, with an error.
func (n *Namespace) ask(kind, flags uint16, index int, set, change uint32, attributes ...[]byte) error {
	head := make([]byte, 4) // ifinfomsg: family, type
	for _, x := range []uint32{uint32(index), set, change} {
		head = binary.NativeEndian.AppendUint32(head, x)
	}
	return n.message(kind, flags, head, attributes...)
}
