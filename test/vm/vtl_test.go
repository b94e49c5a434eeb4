//go:build vm && vtl

package vm

import "testing"

// TestVTL is Bacula and Amanda, as they come, with a tape library.
func TestVTL(t *testing.T) {
	bed{image: "backup", seconds: "1500", script: "vtl.sh", others: []string{"attach.sh", "tape"}}.run(t)
}

// TestTapePeer shows that what [TestTape] checks can fail: with the tape library of tgt, where that is known to be wrong.
func TestTapePeer(t *testing.T) {
	inGuest(t, "tape.sh setup peer_attach peer_tools peer_blank peer_filled peer_demands peer_detach", "attach.sh", "tape")
}
