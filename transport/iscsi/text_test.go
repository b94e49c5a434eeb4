package iscsi_test

import (
	"path/filepath"
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/transport/iscsi"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// readAndNegotiate has reads under way while the initiator changes how much one PDU may bring it
// (RFC 7143 13.12 lets it at any time), and checks through the initiator that the numbers of all
// Data-In PDUs are in order.
func readAndNegotiate(t *testing.T, c *initiator.Conn, rounds, size int, way transporttest.Way) {
	t.Helper()
	cmds := make([]initiator.Command, 8)
	for i := range cmds {
		cmds[i] = initiator.Command{CDB: read(0, size, way), In: make([]byte, size)}
	}
	lengths := []string{"8192", "131072"}
	for i := range rounds {
		submit(t, c, cmds)
		if _, err := c.Text(keys.Pair{Key: "MaxRecvDataSegmentLength", Value: lengths[i%len(lengths)]}); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		finish(t, c, len(cmds))
	}
}

// TestTextWhileReading: DataSN is a matter of where a PDU is cut, so that a text negotiation
// which changes the length of PDUs meets no reads that were numbered before.
func TestTextWhileReading(t *testing.T) {
	for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.Pieces, transporttest.Sense} {
		s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
		c := s.Dial(s.Config(1))
		if way == transporttest.Sense {
			for range 20 { // here ExpDataSN counts what has been cut
				senseAfterText(t, c)
			}
			continue
		}
		readAndNegotiate(t, c, 100, 1<<20, way)
	}
}

// senseAfterText reads with a status that does not ride on the last Data-In.
func senseAfterText(t *testing.T, c *initiator.Conn) {
	t.Helper()
	var cmds [4]initiator.Command
	for i := range cmds {
		cmds[i] = initiator.Command{CDB: read(0, 96<<10, transporttest.Sense), In: make([]byte, 96<<10)}
		if err := c.Submit(&cmds[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []string{"512", "65536"} {
		if _, err := c.Text(keys.Pair{Key: "MaxRecvDataSegmentLength", Value: n}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range cmds {
		if err := c.Finish(&cmds[i]); err != nil || cmds[i].Err != nil || cmds[i].Received != 96<<10 || cmds[i].Status == 0 {
			t.Fatal(err, cmds[i].Err, cmds[i].Received)
		}
	}
}

// TestTextWhileReadingFile does so with reads that end on the goroutines of a store.
func TestTextWhileReadingFile(t *testing.T) {
	st, err := file.Open(file.Config{Path: filepath.Join(t.TempDir(), "disk.img"), Size: 16 << 20, IO: "threads"})
	if err != nil {
		t.Fatal(err)
	}
	s, end := startDisk(t, st)
	defer end()
	c := s.Dial(s.Config(1))
	ready(t, c)
	readAndNegotiate(t, c, 300, 1<<20, 0)
}
