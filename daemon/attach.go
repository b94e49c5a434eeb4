package daemon

import (
	"fmt"
	"strings"
)

// reachable is the address that initiators connect to: what the portal is bound to, or a word for an
// address of this machine, if it is bound to all of them.
func (p *portal) reachable() string {
	addr := p.Addr()
	if p.spec.Wildcard() {
		return "ADDRESS" + addr[strings.LastIndexByte(addr, ':'):]
	}
	return addr
}

// announceAttach shows how to attach the first unit of the first target, by each way there is; the
// others go the same way.
func (d *Daemon) announceAttach(b *strings.Builder) {
	b.WriteString("\nto attach it\n")
	shown := make(map[string]bool)
	for _, p := range d.first() {
		switch scheme := p.spec.Scheme(); {
		case shown[scheme]:
		case scheme == "iscsi+tcp":
			d.attachISCSI(b, p.reachable())
		case p.spec.Transport == "iser":
			d.attachISER(b, p)
		case p.spec.Transport == "srp":
			d.attachSRP(b, p)
		}
		shown[p.spec.Scheme()] = true
	}
}

// first are the portals, with those that are at one address before those that are at all.
func (d *Daemon) first() []*portal {
	var some, all []*portal
	for _, p := range d.portals {
		if p.spec.Wildcard() {
			all = append(all, p)
		} else {
			some = append(some, p)
		}
	}
	return append(some, all...)
}

func (d *Daemon) attachISCSI(b *strings.Builder, addr string) {
	t := d.targets[0].spec
	user := ""
	if len(t.Auth.Users) > 0 {
		user = t.Auth.Users[0].Name + "%SECRET@"
	}
	url := fmt.Sprintf("iscsi://%s%s/%s/%d", user, addr, t.Name, t.LUNs[0].Number)
	fmt.Fprintf(b, "  Linux      iscsiadm -m discovery -t sendtargets -p %s\n", addr)
	d.setAuth(b, addr, "")
	fmt.Fprintf(b, "             iscsiadm -m node -T %s -p %s --login\n"+
		"  libiscsi   iscsi-inq '%s'\n"+
		"  QEMU       qemu-system-x86_64 -drive 'file=%s,format=raw,if=virtio' ...\n", t.Name, addr, url, url)
}

// setAuth shows how Linux's initiator is told of CHAP, if the target asks for it.
func (d *Daemon) setAuth(b *strings.Builder, addr, iface string) {
	t := d.targets[0].spec
	if len(t.Auth.Users) == 0 {
		return
	}
	for _, set := range [][2]string{{"authmethod", "CHAP"}, {"username", t.Auth.Users[0].Name}, {"password", "SECRET"}} {
		fmt.Fprintf(b, "             iscsiadm -m node -T %s -p %s%s -o update -n node.session.auth.%s -v %s\n", t.Name, addr, iface, set[0], set[1])
	}
}

func (d *Daemon) attachISER(b *strings.Builder, p *portal) {
	addr := p.reachable()
	softwareDevice(b, "iSER", p)
	fmt.Fprintf(b, "             iscsiadm -m discovery -t sendtargets -p %s -I iser\n", addr)
	d.setAuth(b, addr, " -I iser")
	fmt.Fprintf(b, "             iscsiadm -m node -T %s -p %s -I iser --login\n", d.targets[0].spec.Name, addr)
}

func (d *Daemon) attachSRP(b *strings.Builder, p *portal) {
	softwareDevice(b, "SRP", p)
	fmt.Fprintf(b, "             modprobe ib_srp\n"+
		"             echo %s >/sys/class/infiniband_srp/srp-siw0-1/add_target\n", p.transport.Attach(*d.targets[0].spec, p.reachable()))
}

// softwareDevice shows how a Linux without an RDMA card gets a device, once for each network.
func softwareDevice(b *strings.Builder, name string, p *portal) {
	netdev := "DEVICE"
	if p.spec.Loopback() {
		netdev = "lo"
	}
	fmt.Fprintf(b, "  Linux %-4s rdma link add siw0 type siw netdev %s\n", name, netdev)
}
