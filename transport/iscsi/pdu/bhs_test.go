package pdu

import "testing"

func TestHeaderFields(t *testing.T) {
	h := header(t, "41 e1 00 00 02 01 02 03 0001 0000 0000 0000 11223344 55667788 99aabbcc ddeeff00 12345678")
	if h.Opcode() != OpSCSICommand || !h.Immediate() || !h.Final() {
		t.Errorf("opcode %v, I %v, F %v", h.Opcode(), h.Immediate(), h.Final())
	}
	if h.TotalAHSLength() != 8 || h.DataSegmentLength() != 0x010203 {
		t.Errorf("lengths %d, %#x", h.TotalAHSLength(), h.DataSegmentLength())
	}
	if h.LUN() != 0x0001000000000000 || h.ITT() != 0x11223344 || h.TTT() != 0x55667788 {
		t.Errorf("LUN %#x, ITT %#x, TTT %#x", h.LUN(), h.ITT(), h.TTT())
	}
	if h.CmdSN() != 0x99aabbcc || h.ExpStatSN() != 0xddeeff00 {
		t.Errorf("CmdSN %#x, ExpStatSN %#x", h.CmdSN(), h.ExpStatSN())
	}
	if h.StatSN() != 0x99aabbcc || h.ExpCmdSN() != 0xddeeff00 || h.MaxCmdSN() != 0x12345678 {
		t.Errorf("StatSN %#x, ExpCmdSN %#x, MaxCmdSN %#x", h.StatSN(), h.ExpCmdSN(), h.MaxCmdSN())
	}
}

func TestHeaderSetters(t *testing.T) {
	var h BHS
	h.SetTotalAHSLength(1020)
	h.SetDataSegmentLength(MaxDataSegment)
	h.SetNumbers(1, 2, 3)
	if want := header(t, "0000 0000 ff ffffff 00000000 00000000 00000000 00000000 00000001 00000002 00000003"); h != *want {
		t.Errorf("got %x", h[:])
	}
	h.SetCmdSN(0xfffffffe)
	h.SetExpStatSN(7)
	if h.CmdSN() != 0xfffffffe || h.ExpStatSN() != 7 {
		t.Errorf("CmdSN %#x, ExpStatSN %#x", h.CmdSN(), h.ExpStatSN())
	}
}

func TestPadding(t *testing.T) {
	for n, want := range []int{0, 3, 2, 1, 0, 3} {
		if PadLen(n) != want || len(Padding(n)) != want || Padded(n) != n+want {
			t.Errorf("%d bytes: padding %d, %d, padded %d", n, PadLen(n), len(Padding(n)), Padded(n))
		}
	}
}

func TestNamesOfCodes(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{OpDataOut.String(), "SCSI Data-Out"},
		{Opcode(0x1c).String(), "opcode 0x1c"},
		{Opcode(0xff).String(), "opcode 0xff"},
		{TMFLUNReset.String(), "LOGICAL UNIT RESET"},
		{TMFFunction(0).String(), "function 0"},
		{TMFFunction(13).String(), "function 13"},
		{TMFRejected.String(), "function rejected"},
		{RejectInvalidField.String(), "invalid PDU field"},
		{RejectReason(0x42).String(), "reason 0x42"},
		{LoginNoSession.String(), "session does not exist"},
		{LoginStatus(0x0999).String(), "login status 0x0999"},
		{AsyncLogoutRequest.String(), "target requests logout"},
		{StageFullFeature.String(), "full feature phase"},
		{ISID{0x40, 0, 1, 0x37, 0, 2}.String(), "400001370002"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if !OpSNACK.FromInitiator() || OpNOPIn.FromInitiator() || Opcode(0x07).FromInitiator() || !OpLogoutRequest.FromInitiator() {
		t.Error("FromInitiator")
	}
	if !LoginMovedTemporarily.Redirects() || LoginInitiatorError.Redirects() {
		t.Error("classes of login status")
	}
	if TMFTargetColdReset.HasLUN() || !TMFAbortTask.HasLUN() {
		t.Error("HasLUN")
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	h := header(t, "01 a1 00 00 00000200 00000000 00000000 00000001 00000200 00000005")
	var out BHS
	if n := testing.AllocsPerRun(100, func() {
		c, err := ParseSCSICommand(h)
		if err != nil {
			t.Fatal(err)
		}
		SCSIResponse{ITT: c.ITT}.Put(&out)
		DataIn{Final: true, ITT: c.ITT, TTT: NoTag}.Put(&out)
		out.SetNumbers(1, 2, 3)
		HeaderDigest(&out, nil).Put(out[44:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
