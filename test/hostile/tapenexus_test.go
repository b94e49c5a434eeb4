//go:build hostile

package hostile

import (
	"bytes"
	"slices"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// patient are limits with which nobody is thrown out while a test runs.
const patient = "{memory: 64M, idle-timeout: 1h}"

// What an initiator prevents is allowed when it is lost.
func TestTapePreventOfTheLost(t *testing.T) {
	s := newTapeScene(t, limits)
	g := &gang{scene: s.scene, t: t, over: "tcp", stop: make(chan struct{})}
	p := g.evil(g.who("evil"))
	for _, lun := range []scsi.LUN{onDrive, onRobot} {
		must(t, p.ready(lun))
		if status, _, sense, err := p.run(command{lun: lun, cdb: cdb.Prevent{Mode: 1}.Append(nil)}, nil); err != nil || status != scsi.Good {
			t.Fatalf("PREVENT: %v, %x, %v", status, sense, err)
		}
	}
	h := s.enters("tcp")
	defer h.close()
	s.good(h, onRobot, make([]byte, 6), nil, nil)
	status, sense, err := h.do(work{lun: onRobot, cdb: move(firstDrive, firstSlot), attr: pdu.AttrSimple})
	if x, _ := scsi.ParseSense(sense); err != nil || status != scsi.CheckCondition || x.ASC != scsi.ASCMediumRemovalPrevented {
		t.Fatalf("a move out of a drive that an initiator prevents: %v, %v, %v", status, x, err)
	}
	g.end()
	s.d.eventually("the drive can be emptied", func() bool {
		status, _, err := h.do(work{lun: onRobot, cdb: move(firstDrive, firstSlot), attr: pdu.AttrSimple})
		must(t, err)
		return status == scsi.Good
	})
	s.good(h, onRobot, move(firstSlot, firstDrive), nil, nil)
	s.good(h, onRobot, move(firstSlot+2, 100), nil, nil) // to the mail slot
}

// An initiator that takes nothing of a long READ keeps the drive, until somebody resets it.
func TestTapeReset(t *testing.T) {
	s := newTapeScene(t, patient)
	for _, over := range []string{"tcp", "iser"} {
		s.whole() // the length of blocks, too
		before := s.quiet()
		g := &gang{scene: s.scene, t: t, over: over, stop: make(chan struct{})}
		for range 2 {
			w := g.who("evil")
			w.receive = 4096
			p := g.evil(w)
			must(t, p.ready(onDrive))
			for range 4 {
				must(t, p.put(command{lun: onDrive, cdb: plain(scsi.OpRewind), attr: pdu.AttrSimple}))
				must(t, p.put(command{lun: onDrive, cdb: readBlocks(tapeBlocks), attr: pdu.AttrSimple, in: tapeBlocks * tapeBlock}))
			}
		}
		h := s.enters("tcp").(iscsiHost)
		s.good(h, onOther, make([]byte, 6), nil, nil)
		if code, err := h.Manage(pdu.TMFLUNReset, onDrive, nil); err != nil || code != pdu.TMFComplete {
			t.Fatalf("over %s: LOGICAL UNIT RESET: %v, %v", over, code, err)
		}
		s.good(h, onDrive, plain(scsi.OpRewind), nil, nil)
		s.good(h, onRobot, move(firstDrive, firstSlot), nil, nil)
		s.good(h, onRobot, move(firstSlot, firstDrive), nil, nil)
		h.close()
		g.end()
		s.left("a reset", before)
	}
	s.whole()
}

// Resets and aborts go on all the while; who reads the drive reads what is there, as often as it is left to.
func TestTapeStorm(t *testing.T) {
	s := newTapeScene(t, limits)
	before := s.quiet()
	g := &gang{scene: s.scene, t: t, over: "tcp", stop: make(chan struct{})}
	defer g.end()
	write := cdb.Transfer{Opcode: scsi.OpWrite6, Length: 1 << 20}.Append(nil)
	tapeAborts(g, write, pdu.TMFAbortTaskSet, pdu.TMFLUNReset, pdu.TMFAbortTask, pdu.TMFClearTaskSet)
	h := s.enters("tcp").(iscsiHost)
	in := make([]byte, tapeBlock)
	one := cdb.Transfer{Opcode: scsi.OpRead6, Length: tapeBlock}.Append(nil) // a reset takes the length of blocks away
	read, lost := 0, 0
	for read < 50 && lost < 5000 {
		h.SetDeadline(time.Now().Add(hang))
		ok, err := h.tries(one, in)
		must(t, err)
		if ok {
			read++
			continue
		}
		if _, err := h.tries(plain(scsi.OpRewind), nil); err != nil { // it may be the end of data
			t.Fatal(err)
		}
		lost++
	}
	if read < 50 {
		t.Errorf("%d reads were done, and %d were not", read, lost)
	}
	h.close()
	g.end() // before others use the library: a reset would take their commands away with no answer
	s.used("tcp", 2)
	s.left("a storm", before)
	s.whole()
	t.Logf("%d reads were done, %d were taken away", read, lost)
}

// tries reports that a command to the drive has ended with GOOD. A reset may take it away with no answer: then the host
// loses its patience, as hosts do, and aborts it.
func (h iscsiHost) tries(c, in []byte) (bool, error) {
	k := &initiator.Command{LUN: onDrive, CDB: c, In: in, Attr: pdu.AttrSimple}
	if err := h.Submit(k); err != nil {
		return false, err
	}
	for n := 0; n < 201; n++ {
		done, err := h.Poll()
		if err != nil {
			return false, err
		}
		if slices.Contains(done, k) {
			return k.Err == nil && k.Status == scsi.Good, nil
		}
		if n < 200 {
			time.Sleep(time.Millisecond)
			_, err = h.Ping(nil)
		} else {
			_, err = h.Manage(pdu.TMFAbortTask, onDrive, k)
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// A key of one initiator is of no use to others: neither to read what it writes, nor when it has come back.
func TestTapeKeysOfANexus(t *testing.T) {
	s := newTapeScene(t, limits)
	h := s.enters("tcp")
	set := page.EncryptionSet{Scope: 1, Encryption: 2, Decryption: 2, Index: 1, Key: bytes.Repeat([]byte{7}, 32)}.Append(nil)
	out := cdb.SecurityProtocol{Opcode: scsi.OpSecurityProtocolOut, Protocol: cdb.ProtocolDataEncryption, Specific: 0x10, Length: uint32(len(set))}.Append(nil)
	s.good(h, onOther, out, set, nil)
	block := bytes.Repeat([]byte("secret"), 1000)
	write := cdb.Transfer{Opcode: scsi.OpWrite6, Length: uint32(len(block))}.Append(nil)
	read := cdb.Transfer{Opcode: scsi.OpRead6, Length: uint32(len(block))}.Append(nil)
	in := make([]byte, len(block))
	s.good(h, onOther, write, block, nil)
	s.good(h, onOther, cdb.WriteFilemarks{Count: 1}.Append(nil), nil, nil)
	s.good(h, onOther, plain(scsi.OpRewind), nil, nil)
	s.good(h, onOther, read, nil, in)
	if !bytes.Equal(in, block) {
		t.Fatal("what was read is not what was written")
	}
	refused := func(who string, h host) {
		t.Helper()
		clear(in)
		s.good(h, onOther, plain(scsi.OpRewind), nil, nil)
		status, sense, err := h.do(work{lun: onOther, cdb: read, in: in, attr: pdu.AttrSimple})
		if x, _ := scsi.ParseSense(sense); err != nil || status != scsi.CheckCondition || x.Key != scsi.KeyDataProtect || x.ASC != scsi.ASCUnableToDecryptData {
			t.Errorf("%s: %v, %v, %v", who, status, x, err)
		}
		if bytes.Contains(in, []byte("secret")) {
			t.Errorf("%s has read it", who)
		}
	}
	for _, over := range transports {
		other, err := s.net.host(s.d, over, "other")
		must(t, err)
		refused("another over "+over, other)
		other.close()
	}
	s.good(h, onOther, plain(scsi.OpRewind), nil, nil)
	s.good(h, onOther, read, nil, in)
	h.close()
	h = s.enters("tcp")
	defer h.close()
	refused("who had the key in another session", h)
}
