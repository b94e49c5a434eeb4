package block

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIdentity(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		at    string
		want  string
	}{
		{"lvm", map[string]string{"dm/uuid": "LVM-abcdef\n", "dm/name": "vg-lv\n"}, "", "uuid LVM-abcdef"},
		{"nvme", map[string]string{"wwid": "eui.0025388\n"}, "", "wwid eui.0025388"},
		{"scsi", map[string]string{"device/wwid": "t10.ATA     QEMU    DISK\x00\x00\n"}, "", "wwid t10.ATA QEMU DISK"},
		{"md", map[string]string{"md/uuid": "1-2-3\n"}, "", "uuid 1-2-3"},
		{"virtio", map[string]string{"serial": "vol-17\n"}, "", "serial vol-17"},
		{"virtio without", map[string]string{"serial": "\n"}, "", ""},
		{"all zeros", map[string]string{"wwid": "eui.0000000000000000\n", "serial": "S1\n"}, "", "serial S1"},
		{"no uuid", map[string]string{"md/uuid": "00000000-0000\n"}, "", ""},
		{"partition", map[string]string{"wwid": "eui.1\n", "p2/partition": "2\n", "p2/uevent": "MAJOR=1\nPARTUUID=aa-02\n"}, "p2", "wwid eui.1 partition aa-02"},
		{"partition, old kernel", map[string]string{"wwid": "eui.1\n", "p2/partition": "2\n"}, "p2", "wwid eui.1 partition 2"},
		{"partition of what", map[string]string{"p2/partition": "2\n", "p2/uevent": "PARTUUID=aa-02\n"}, "p2", ""},
		{"loop", map[string]string{"loop/backing_file": "/x\n"}, "", ""},
	} {
		dir := t.TempDir()
		for name, text := range test.files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := identity(filepath.Join(dir, test.at)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
