//go:build vm

package vm

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lunette-io/lunette/test/vm/iso"
)

const (
	bootLimit  = "300" // seconds that a machine may take from power on to its line; it takes less than ten on a machine that has time
	bootMemory = "128" // of the machine, in MiB
)

// TestBoot is a machine with no disk and no network card, which boots from a disc that lunette serves: QEMU's own initiator brings it there. The
// line that the machine prints is on the disc, and read from there by what was booted.
func TestBoot(t *testing.T) {
	dir := t.TempDir()
	says := "booted from a disc: " + rand.Text()
	disc := iso.Disc{Label: "BOOT", Files: []iso.File{{Name: "LINE.TXT", Data: []byte(says + "\n")}}, Boot: iso.Says}
	path := filepath.Join(dir, "boot.iso")
	if err := os.WriteFile(path, disc.Image(), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "machine.sock")
	url := serveDisc(t, dir, path, "virtio+vhost://"+socket)
	byVhost := vhostDevices(socket, bootMemory, false)
	for _, way := range []struct{ name, release, devices string }{
		// QEMU's CD drive, which has its sectors from lunette.
		{"drive of QEMU", "", "-drive file=" + url + ",if=none,id=cd,media=cdrom,format=raw,readonly=on -device ide-cd,drive=cd,bootindex=0"},
		// The BIOS itself sends commands to lunette, as they are.
		{"drive of lunette", "", "-drive file=" + url + ",if=none,id=cd,format=raw,readonly=on" +
			" -device virtio-scsi-pci,id=bus -device scsi-generic,bus=bus.0,drive=cd,bootindex=0"},
		// The same, but QEMU sees nothing of the commands. The BIOS asks all targets that there could be.
		{"vhost-user", "", byVhost},
		{"vhost-user of " + newerQEMU, newerQEMU, byVhost},
		{"vhost-user of " + newestQEMU, newestQEMU, byVhost},
	} {
		t.Run(way.name, func(t *testing.T) {
			program, ok := qemu(t, way.release)
			if !ok {
				t.Skipf("NOT TESTED: QEMU of %s cannot be had here; lab has said why", way.release)
			}
			if got := boot(t, program, way.devices); !strings.Contains(got, says) {
				t.Errorf("it has not said %q, but\n%s", says, got)
			}
		})
	}
}

// boot starts a machine of a QEMU with these devices, and returns what it has sent to its serial port until it ended.
func boot(t *testing.T, program, devices string) string {
	// It ends by itself even when this process does not get to it.
	args := append(strings.Fields(bootLimit+" "+program+" -accel tcg -M q35 -m "+bootMemory+" -nodefaults -no-user-config -nic none -display none -no-reboot"+
		" -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=1"), strings.Fields(devices)...)
	machine := exec.Command("timeout", args...)
	var out, trouble bytes.Buffer
	machine.Stdout, machine.Stderr = &out, &trouble
	err := machine.Run()
	if status := (*exec.ExitError)(nil); !errors.As(err, &status) || status.ExitCode() != 1 {
		t.Errorf("QEMU ended with %v\n%s", err, trouble.String())
	}
	return out.String()
}

// serveDisc serves the file until the test ends, by iSCSI and by another portal, and returns QEMU's name for it by iSCSI.
func serveDisc(t *testing.T, dir, path, another string) string {
	binary := filepath.Join(dir, "lunette")
	serverOf(t, binary)
	const target = "iqn.2026-11.io.lunette:disc"
	portal := freePort(t)
	log := &bytes.Buffer{}
	server := exec.Command(binary, "serve", path, "--portal", portal, "--portal", another, "--target", target, "--socket", filepath.Join(dir, "socket"))
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil || t.Failed() {
			t.Errorf("lunette: %v\n%s", err, log.String())
		}
	})
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", portal)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("iscsi://%s/%s/0", portal, target)
}

// freePort is an address where nobody listens.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
