//go:build vm

package vm

import "testing"

func TestPanicked(t *testing.T) {
	const console = "lab: the guest died (qemu: 0); its console ended:\n[   63.675843] CR2: 0000000000000010\n[   63.675952] RIP: 0010:iscsi_complete_pdu+0x14/0x60 [libiscsi]\n[   63.679714] Kernel panic - not syncing: Fatal exception in interrupt\n"
	if !panicked(console, lateAnswer) {
		t.Error("the flaw is not known again")
	}
	if panicked(console, "complete_pdu") || panicked(console, "iscsi_complete") || panicked("RIP: 0010:iscsi_complete_pdu+0x14/0x60", lateAnswer) {
		t.Error("something else is taken for it")
	}
}
