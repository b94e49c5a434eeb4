package block

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Identity names the device itself, the same on every host that has it and whatever its node is
// called: as its own identifier says (its WWID), or that of the volume that it is (the UUID of device
// mapper, which LVM makes of that of the logical volume, or of MD). It is empty where the kernel
// knows of none.
func (s *Store) Identity() string {
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return ""
	}
	return identity(sysfs(uint64(st.Rdev)))
}

// identity reads the directory of a device in sysfs.
func identity(dir string) string {
	if number := attribute(dir, "partition"); number != "" {
		disk := identity(dir[:max(0, strings.LastIndexByte(dir, '/'))])
		switch uuid := partUUID(dir); {
		case disk == "":
			return ""
		case uuid != "":
			return disk + " partition " + uuid
		}
		return disk + " partition " + number
	}
	for _, a := range []string{"dm/uuid", "md/uuid", "wwid", "device/wwid", "serial", "device/serial"} {
		text := attribute(dir, a)
		digits := text
		if _, behind, ok := strings.Cut(text, "."); ok { // of eui.0123, which may be all zeros as well
			digits = behind
		}
		if strings.Trim(digits, "0- ") != "" {
			return a[strings.LastIndexByte(a, '/')+1:] + " " + strings.Join(strings.Fields(text), " ")
		}
	}
	return ""
}

// partUUID is what the partition table calls a partition, where the kernel tells.
func partUUID(dir string) string {
	for _, line := range strings.Split(attribute(dir, "uevent"), "\n") {
		if uuid, ok := strings.CutPrefix(line, "PARTUUID="); ok {
			return uuid
		}
	}
	return ""
}

func attribute(dir, name string) string {
	b, err := os.ReadFile(dir + "/" + name)
	if err != nil || len(b) > 4096 {
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", ""))
}
