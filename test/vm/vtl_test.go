//go:build vm && vtl

package vm

import "testing"

// TestVTL is Bacula and Amanda, as they come, with a tape library.
func TestVTL(t *testing.T) {
	inGuestOf(t, "backup", "1500", "vtl.sh", "attach.sh", "tape")
}
