package packettest

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// addressFlags is IFA_FLAGS (linux/if_addr.h).
const addressFlags = 8

// Address gives an interface an address. That nobody else has it is not looked at: it can be used at once.
func (n *Namespace) Address(of string, p netip.Prefix) {
	n.t.Helper()
	family := byte(unix.AF_INET)
	if p.Addr().Is6() {
		family = unix.AF_INET6
	}
	head := []byte{family, byte(p.Bits()), unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE}
	head = binary.NativeEndian.AppendUint32(head, uint32(n.Index(of)))
	if err := n.message(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, head,
		attribute(unix.IFA_LOCAL, p.Addr().AsSlice()), attribute(unix.IFA_ADDRESS, p.Addr().AsSlice()),
		attribute(addressFlags, binary.NativeEndian.AppendUint32(nil, unix.IFA_F_NODAD))); err != nil {
		n.t.Fatalf("rtnetlink: %v", err)
	}
}

// VethTo makes two interfaces that are a cable to another namespace, which are up: a here, b there.
func (n *Namespace) VethTo(a string, to *Namespace, b string, mtu int) {
	n.t.Helper()
	var there int
	var err error
	to.Do(func() {
		there, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = unix.Close(there) }()
	peer := append(make([]byte, unix.SizeofIfInfomsg), attribute(unix.IFLA_IFNAME, name(b))...)
	peer = append(peer, attribute(unix.IFLA_NET_NS_FD, binary.NativeEndian.AppendUint32(nil, uint32(there)))...)
	info := append(attribute(unix.IFLA_INFO_KIND, []byte("veth")), attribute(unix.IFLA_INFO_DATA, attribute(vethInfoPeer, peer))...)
	n.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, 0, 0, 0, attribute(unix.IFLA_IFNAME, name(a)), attribute(unix.IFLA_LINKINFO, info))
	n.SetMTU(a, mtu)
	to.SetMTU(b, mtu)
	n.SetUp(a, true)
	to.SetUp(b, true)
	n.carryTo(a, to, b)
	to.carryTo(b, n, a)
}

// message asks for a change of something else than links, and waits for the answer.
func (n *Namespace) message(kind, flags uint16, head []byte, attributes ...[]byte) (err error) {
	e := binary.NativeEndian
	b := e.AppendUint16(make([]byte, 4), kind)
	b = e.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
	b = append(b, make([]byte, 8)...)
	b = append(b, head...)
	for _, a := range attributes {
		b = append(b, a...)
	}
	e.PutUint32(b, uint32(len(b)))
	n.Do(func() { err = exchange(b) })
	return err
}

// exchange sends a message, and waits for the answer.
func exchange(b []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	size, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if size < 20 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("an answer of %d bytes", size)
	}
	if code := int32(binary.NativeEndian.Uint32(answer[16:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
