package iscsi_test

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// Ways of FuzzConnection to begin.
const (
	afterLogin = 1 << iota // the bytes come after a good login
	withDigests
	inDiscovery
	dripping // the bytes come in small pieces
)

// FuzzConnection sends any bytes to a node. It must not panic, hang or keep anything.
func FuzzConnection(f *testing.F) {
	s := transporttest.StartISCSI(f, iscsi.Config{Window: 16, Limits: iscsi.Limits{LoginTimeout: 2 * time.Second}}, nil)
	for _, how := range []byte{0, afterLogin, afterLogin | withDigests, afterLogin | inDiscovery, afterLogin | dripping} {
		w := initiator.Wire{HeaderDigest: how&withDigests != 0, DataDigest: how&withDigests != 0}
		var all []byte
		for _, b := range seeds(&w) {
			f.Add(how, b)
			all = append(all, b...)
		}
		f.Add(how, all)
	}
	f.Fuzz(func(t *testing.T, how byte, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		w, err := initiator.DialWire(context.Background(), s.Addr)
		if err != nil {
			t.Skip(err) // the fuzzer is faster than the system gives ports back
		}
		_ = w.SetLinger(0)
		defer w.Close()
		_ = w.SetDeadline(time.Now().Add(transporttest.Patience))
		if how&afterLogin != 0 {
			cfg := s.Config(1)
			if how&withDigests != 0 {
				cfg.Login.HeaderDigest, cfg.Login.DataDigest = "CRC32C", "CRC32C"
			}
			if how&inDiscovery != 0 {
				cfg.TargetName = ""
			}
			if _, err := w.Login(cfg, 1); err != nil {
				t.Skip(err) // the session before is still going
			}
		}
		read := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, w)
			read <- err
		}()
		step := len(b)
		if how&dripping != 0 {
			step = min(len(b), 1+len(b)/7)
		}
		for len(b) > 0 {
			n := min(len(b), step)
			if _, err := w.Write(b[:n]); err != nil {
				break
			}
			if b = b[n:]; len(b) > 0 {
				time.Sleep(50 * time.Microsecond)
			}
		}
		_ = w.CloseWrite()
		if err := <-read; errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection hangs")
		}
		_ = w.Close()
		transporttest.Eventually(t, "all is given back", func() bool {
			s.Units[0].Release()
			s.Units[1].Release()
			return len(s.Node.Sessions()) == 0 && s.Arena.Outstanding() == 0 &&
				s.Units[0].Store.Outstanding() == 0 && s.Units[1].Store.Outstanding() == 0
		})
	})
}

// seeds are PDUs in full feature phase whose numbers fit to each other.
func seeds(w *initiator.Wire) (all [][]byte) {
	sn := uint32(1)
	add := func(h pdu.BHS, data []byte) {
		if h.Opcode() != pdu.OpDataOut {
			h.SetCmdSN(sn)
			if !h.Immediate() {
				sn++
			}
		}
		all = append(all, w.AppendPDU(nil, &h, nil, data))
	}
	command := func(itt uint32, cdb []byte, n int, final bool, data []byte) {
		x := pdu.SCSICommand{Final: final, Write: cdb[0] == byte(scsi.OpWrite10), Read: cdb[0] == byte(scsi.OpRead10), ITT: itt, ExpectedDataLength: uint32(n), Attr: pdu.TaskAttribute(itt % 5)}
		copy(x.CDB[:], cdb)
		var h pdu.BHS
		x.Put(&h)
		add(h, data)
	}
	for way := range transporttest.Sense + 1 {
		command(uint32(way), read(0, 1024, way), 1024, true, nil)
		command(0x100|uint32(way), write(0, 1024, way), 1024, true, make([]byte, 1024))
		command(0x200|uint32(way), write(0, 64<<10, way), 64<<10, false, make([]byte, 512))
		var h pdu.BHS
		pdu.DataOut{ITT: 0x200 | uint32(way), TTT: pdu.NoTag, BufferOffset: 512, Final: true}.Put(&h)
		add(h, make([]byte, 64<<10-512))
		command(0x300|uint32(way), write(0, 32<<10, way), 32<<10, true, make([]byte, 100))
		pdu.DataOut{ITT: 0x300 | uint32(way), TTT: 1 << 16, BufferOffset: 100, Final: true}.Put(&h)
		add(h, make([]byte, 32<<10-100))
	}
	var h pdu.BHS
	for f := range pdu.TMFFunction(13) {
		pdu.TMFRequest{Immediate: f%2 == 0, Function: f, ITT: 0x400 | uint32(f), ReferencedTaskTag: 0x205, RefCmdSN: sn}.Put(&h)
		add(h, nil)
	}
	pdu.NOPOut{ITT: 5, TTT: pdu.NoTag}.Put(&h)
	add(h, make([]byte, 99))
	pdu.TextRequest{Final: true, ITT: 6, TTT: pdu.NoTag}.Put(&h)
	add(h, []byte("SendTargets=All\x00"))
	pdu.TextRequest{Final: true, ITT: 6, TTT: pdu.NoTag}.Put(&h)
	add(h, []byte("MaxRecvDataSegmentLength=512\x00"))
	pdu.SNACK{ITT: 1, TTT: pdu.NoTag}.Put(&h)
	add(h, nil)
	pdu.LogoutRequest{Reason: pdu.LogoutCloseConnection, ITT: 7}.Put(&h)
	add(h, nil)
	pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: pdu.ISID{0x80}}.Put(&h)
	add(h, []byte("InitiatorName="+transporttest.InitiatorName+"\x00TargetName="+transporttest.TargetName+"\x00SessionType=Normal\x00"))
	return all
}
