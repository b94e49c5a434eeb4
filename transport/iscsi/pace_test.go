package iscsi_test

import (
	"testing"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestPace: data-in that is sent ahead of the response is produced as fast as it is taken. A
// peer that takes nothing holds little memory, and a reset by another initiator does not
// wait for it.
func TestPace(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	const size, commands = 4 << 20, 16
	deaf := login(t, s, s.Config(1))
	for i := range uint32(commands) {
		deaf.command(i, read(0, size, transporttest.Pieces), size, true, nil)
	}
	var held int64
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		held = max(held, s.Arena.Outstanding())
	}
	// Two pieces of 128 KiB (as the arena rounds them) of each command, and what one batch queues.
	if limit := int64(commands*2*128<<10 + 2<<20); held == 0 || held > limit {
		t.Fatalf("%d bytes are held for a peer that takes nothing, %d at most are expected", held, limit)
	}
	other := s.Dial(s.Config(2))
	begin := time.Now()
	if r, err := other.Manage(pdu.TMFLUNReset, 0, nil); err != nil || r != pdu.TMFComplete {
		t.Fatal(r, err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Fatalf("the reset took %v", d)
	}
	deaf.Close()
}
