package kind

import (
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// show says at which sockets a target is, and as what.
func show(s plugin.Showing) plugin.Shown {
	n := number(s.Target.Values)
	who := "whoever may open " + strings.Join(s.At, ", ")
	if some := initiators(s.Target.Values); len(some) > 0 {
		who += ", of the initiators " + strings.Join(some, ", ")
	}
	shown := plugin.Shown{
		Lines: []string{fmt.Sprintf(" by virtio as target %d, %s", n, who)},
		Facts: api.Facts{{Name: "virtioNumber", Value: n}},
	}
	for _, at := range s.At {
		shown.Notes = append(shown.Notes, api.Note{
			Title: fmt.Sprintf("to attach %s to a guest, as target %d", s.Target.Name, n),
			Lines: []string{"QEMU: " + qemu(at, " "), "Cloud Hypervisor: " + cloudHypervisor(at)},
		})
	}
	return shown
}

// qemu is what QEMU is told; between is what stands between memory and device.
func qemu(path, between string) string {
	return "-object memory-backend-memfd,id=mem,size=SIZE,share=on -machine memory-backend=mem" + between +
		"-chardev " + quoted("socket,id=lunette,path="+strings.ReplaceAll(path, ",", ",,")) + " -device vhost-user-scsi-pci,chardev=lunette"
}

// cloudHypervisor is what Cloud Hypervisor is told: a request queue for each of two processors, behind the two that every SCSI host has.
func cloudHypervisor(path string) string {
	return "--memory size=SIZE,shared=on --generic-vhost-user " + quoted("socket="+path+",device_type=scsi,queue_sizes=[256,256,256,256]")
}

// quoted is a word of a shell.
func quoted(word string) string {
	if !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.,=_-", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// attach shows how to attach a target.
func attach(a plugin.Attaching) []string {
	lines := []string{
		"  QEMU       " + qemu(a.At, " \\\n             "),
		"             # SIZE as -m has it; from QEMU 10 on with ,reconnect-ms=500 behind the path the guest lives through a restart of lunette",
		"  libvirt    <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>, and in <qemu:commandline> the",
		"             arguments -chardev and -device of above",
		"  Cloud      " + cloudHypervisor(a.At),
		"  Hypervisor # a queue size for each processor, and two more",
	}
	if n := number(a.Target.Values); n > 0 {
		lines = append(lines, fmt.Sprintf("             # in the guest it is HOST:0:%d:%d: lsscsi", n, a.LUN))
	}
	return append(lines, a.Appears()...)
}
