//go:build vm

package vm

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Releases of Debian whose QEMUs attach again when the daemon is back (QEMU 10 and 11), which that of Debian 12 does not (7.2).
const (
	newerQEMU  = "trixie"
	newestQEMU = "trixie-backports"
)

const (
	vhostMemory = "768"  // of a guest, in MiB
	vhostLimit  = "2400" // seconds, in which a guest waits for the other one as well
)

// TestVhost is Linux's own virtio_scsi in guests that have their units by vhost-user-scsi. Other than in all other tests the daemon runs here, beside QEMU.
//
// The first guest has the QEMU of this machine; the second a newer one, and units of the same daemon; the third has the newest one, and a daemon of its own when they are done.
func TestVhost(t *testing.T) {
	t.Parallel()
	bed{image: "initiators"}.need(t)
	t.Run("two guests", vhostTwo)
	t.Run("newest QEMU", vhostNewest)
}

func vhostTwo(t *testing.T) {
	dir := t.TempDir()
	tcp := freePort(t)
	d := newDaemon(t, dir, vhostDocument(t, dir, tcp))
	first, second := vhostBed(d, "first", ""), vhostBed(d, "second", newerQEMU)
	first.devices += forwarded(t, dir, tcp)
	if _, ok := qemu(t, newerQEMU); !ok {
		t.Run("second", func(t *testing.T) { t.Skipf("NOT TESTED: QEMU of %s cannot be had here; lab has said why", newerQEMU) })
		second = vhostBed(d, "second", "") // which attaches, and is there for reservations
		second.script += " setup attach raw reservations_too"
	}
	m := newMeeting()
	visits := make([]*visit, 2)
	var guests sync.WaitGroup
	for i, b := range []bed{first, second} {
		in := t.TempDir()
		b.furnish(t, in)
		settings(t, in, tcp)
		guests.Go(func() {
			defer m.leave()
			visits[i] = attended(b, outside{dir: in, daemon: d, meeting: m})
		})
	}
	guests.Wait()
	for i, name := range []string{"first", "second"} {
		t.Run(name, visits[i].report)
	}
}

func vhostNewest(t *testing.T) {
	b := bed{image: "initiators", emulator: newestQEMU}
	b.need(t)
	dir := t.TempDir()
	tcp := freePort(t)
	d := newDaemon(t, dir, vhostDocument(t, dir, tcp))
	in := t.TempDir()
	b = vhostBed(d, "third", newestQEMU)
	b.furnish(t, in)
	settings(t, in, tcp)
	attended(b, outside{dir: in, daemon: d}).report(t)
}

// attended boots a guest, and does what its script asks for meanwhile.
func attended(b bed, o outside) *visit {
	stop := make(chan struct{})
	served := make(chan error, 1)
	go func() { served <- o.serve(stop) }()
	v := b.boot(o.dir)
	close(stop)
	if err := <-served; err != nil {
		fmt.Fprintf(&v.trouble, "what is outside of the guest: %v\n", err)
	}
	return v
}

// vhostBed is a guest that has its units by a socket of the daemon.
func vhostBed(d *daemon, name, release string) bed {
	return bed{
		image: "initiators", emulator: release, seconds: vhostLimit, memory: vhostMemory, script: "vhost.sh " + name, others: []string{"attach.sh", "tape"},
		// The BIOS does not look for disks at the adapter, as it would for minutes: the kernel is booted from outside.
		devices: "-boot strict=on" + vhostDevices(filepath.Join(d.dir, name+".sock"), vhostMemory, release != "") + ",num_queues=2" + outsideDevices,
		fill:    func(t *testing.T, dir string) { disc(t, dir, "first", 300); disc(t, dir, "second", 400) },
	}
}

// vhostDevices are QEMU's arguments for an adapter at a socket of a machine with so much memory in MiB; one that attaches again if QEMU can.
func vhostDevices(socket, memory string, again bool) string {
	reconnect := ""
	if again {
		reconnect = ",reconnect-ms=500"
	}
	return " -object memory-backend-memfd,id=ram,size=" + memory + "M,share=on -machine memory-backend=ram" +
		" -chardev socket,id=adapter,path=" + socket + reconnect + " -device vhost-user-scsi-pci,chardev=adapter"
}

// forwarded are QEMU's arguments for a network card that leads to the daemon's portal for iSCSI, and nowhere else. What carries a connection is made in dir.
func forwarded(t *testing.T, dir, portal string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(portal)
	path := filepath.Join(dir, "forward")
	if err == nil {
		script := "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/" + port + "\ncat <&3 &\nexec cat >&3\n"
		err = os.WriteFile(path, []byte(script), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return " -netdev user,id=card,restrict=on,guestfwd=tcp:10.0.2.100:" + port + "-cmd:" + path + " -device virtio-net-pci,netdev=card"
}

// settings leaves for the script what is known here alone.
func settings(t *testing.T, dir, portal string) {
	t.Helper()
	_, port, err := net.SplitHostPort(portal)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "settings"), []byte("tcp="+port+"\n"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// vhostDocument is what a daemon serves to the three guests: to each its own disk and memory, to the first and the second one unit that both have, to the first units of several kinds that iSCSI has
// as well, and to the first and the third a tape library and a disc.
func vhostDocument(t *testing.T, dir, tcp string) string {
	t.Helper()
	discs := filepath.Join(dir, "discs")
	if err := os.Mkdir(discs, 0o755); err != nil {
		t.Fatal(err)
	}
	disc(t, discs, "first", 300)
	disc(t, discs, "second", 400)
	library(t, dir)
	const document = `version: 1
portals:
- {kind: iscsi+tcp, address: "TCP", targets: ["IQN:main", "IQN:same"]}
- {kind: virtio+vhost, address: "DIR/first.sock", targets: ["IQN:main", "IQN:media", "IQN:same"], initiator: "IQN.test:first"}
- {kind: virtio+vhost, address: "DIR/second.sock", targets: ["IQN:second"], initiator: "IQN.test:second"}
- {kind: virtio+vhost, address: "DIR/third.sock", targets: ["IQN:main", "IQN:media"], initiator: "IQN.test:third"}
units:
- {name: disk, store: {kind: file, path: DIR/disk, size: 64M}}
- {name: ram, store: {kind: memory, size: 48M}}
- {name: disk-two, store: {kind: file, path: DIR/disk-two, size: 64M, direct: true}}
- {name: ram-two, store: {kind: memory, size: 48M}}
- {name: shared, store: {kind: file, path: DIR/shared, size: 16M}}
- {name: far, store: {kind: memory, size: 16M}}
- {name: memory-512, store: {kind: memory, size: 32M}}
- {name: direct-512, store: {kind: file, path: DIR/direct-512, size: 32M, direct: true}}
- {name: file-4096, store: {kind: file, path: DIR/file-4096, size: 32M}, device: {kind: disk, block-size: 4096}}
- {name: vtl, device: {kind: library, store: DIR/vtl, library: ibm-ts3500, drives: [2xlto5], slots: 8, mail-slots: 2}}
- {name: cd, device: {kind: optical, disc: DIR/discs/first.iso, library: DIR/discs}}
targets:
- {name: "IQN:main", luns: {0: disk, 1: ram, 2: shared, 300: far}}
- {name: "IQN:media", luns: {0: vtl/changer, 1: vtl/drive0, 2: vtl/drive1, 3: cd}, virtio: {number: 1}}
- {name: "IQN:same", luns: {0: memory-512, 1: direct-512, 2: file-4096}, virtio: {number: 2}}
- {name: "IQN:second", luns: {0: disk-two, 1: ram-two, 2: shared}}
`
	return strings.NewReplacer("DIR", dir, "TCP", tcp, "IQN", "iqn.2026-11.io.lunette").Replace(document)
}

// library makes a tape library in DIR/vtl, with cartridges of 32 MiB in slots 1 to 6.
func library(t *testing.T, dir string) {
	t.Helper()
	binary := filepath.Join(dir, "lunette")
	serverOf(t, binary)
	out, err := exec.Command(binary, strings.Fields("vtl create vtl --library ibm-ts3500 --drives 2xlto5 --slots 8 --mailslots 2 --cartridges 6:L5 --size 32M"+
		" --barcode-prefix LUN --store "+filepath.Join(dir, "vtl")+" --out "+filepath.Join(dir, "created.yaml"))...).CombinedOutput()
	if err != nil {
		t.Fatalf("vtl create: %v: %s", err, out)
	}
}
