package kind

import (
	"fmt"

	"github.com/lunette-io/lunette/network/fc/fcoe"
)

// host is what a Linux host does to get on the network at an address: DEVICE is its own interface there, which is on the
// same Ethernet as ours.
func host(at string) []string {
	a, err := fcoe.ParseAddress(at)
	if err != nil {
		return nil
	}
	dev := "DEVICE"
	lines := []string{
		fmt.Sprintf("modprobe fcoe; ip link set %s mtu 2500 up   # DEVICE is on the same Ethernet as our %s", dev, a.Interface),
	}
	if a.VLAN != 0 {
		dev = fmt.Sprintf("DEVICE.%d", a.VLAN)
		lines = append(lines, fmt.Sprintf("ip link add link DEVICE name %s type vlan id %d; ip link set %s mtu 2500 up", dev, a.VLAN, dev))
	}
	lines = append(lines, fmt.Sprintf("echo %s >/sys/bus/fcoe/ctlr_create   # makes ctlr_0, or the next: ls /sys/bus/fcoe/devices", dev))
	if a.Mode == fcoe.VN2VN {
		// In capitals: newer kernels compare the word as it is, older ones do not mind.
		lines = append(lines, "echo VN2VN >/sys/bus/fcoe/devices/ctlr_0/mode")
	}
	return append(lines, "echo 1 >/sys/bus/fcoe/devices/ctlr_0/enabled")
}
