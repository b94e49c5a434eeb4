//go:build vm

package vm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/test/vm/iso"
)

// bridged are the devices that a guest has of QEMU, for the bridge: a CD drive and a disk.
const bridged = "-device virtio-scsi-pci,id=bus" +
	" -drive file=first.iso,if=none,id=cd,media=cdrom,format=raw -device scsi-cd,bus=bus.0,drive=cd" +
	" -drive file=hd.img,if=none,id=hd,format=raw -device scsi-hd,bus=bus.0,drive=hd,serial=LUNHD1,wwn=0x5000c500a1b2c3d4"

// TestBridge is devices of a guest, real ones and such that its kernel and QEMU make up, that lunette serves to the guest itself.
func TestBridge(t *testing.T) {
	bed{image: "initiators", seconds: "1800", script: "bridge.sh", others: []string{"attach.sh", "tape", "bridge"}, devices: bridged, fill: bridgedFiles}.run(t)
}

// bridgedFiles are what is behind bridged, and another disc.
func bridgedFiles(t *testing.T, dir string) {
	disc(t, dir, "first", 300)
	disc(t, dir, "second", 400)
	sparse(t, filepath.Join(dir, "hd.img"), 16<<20)
}

// disc makes NAME.iso, with one file of about that many KiB, which is NAME.txt as well.
func disc(t *testing.T, dir, name string, kib int) {
	t.Helper()
	var text []byte
	for line := "what is on the disc " + name + "\n"; len(text) < kib<<10; {
		text = append(text, line...)
	}
	image := iso.Disc{Label: "DISC", Files: []iso.File{{Name: "LINE.TXT", Data: text}}}.Image()
	for file, b := range map[string][]byte{name + ".txt": text, name + ".iso": image} {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sparse makes a file of zeros.
func sparse(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}
