package iscsi

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// anybody lets everybody log in.
type anybody struct{}

func (anybody) Target(*login.Request) (login.Target, pdu.LoginStatus) {
	return login.Target{PortalGroup: 1}, pdu.LoginSuccess
}
func (anybody) Tried(string, error) {}

func (anybody) Admit(*login.Result) (uint16, pdu.LoginStatus, string) { return 1, pdu.LoginSuccess, "" }

// dialFake logs in to a target that says afterwards what say sends.
func dialFake(t *testing.T, say func(w *Wire)) *Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		w := &Wire{TCPConn: c.(*net.TCPConn)}
		cfg := login.DefaultConfig()
		n := login.New(&cfg, anybody{})
		for sn := uint32(1); ; sn++ {
			r, err := w.Receive()
			if err != nil {
				return
			}
			resp, ok, err := n.Step(&r.BHS, r.Data)
			resp.Header.SetNumbers(sn, 1, 32)
			if w.Send(&resp.Header, nil, resp.Text) != nil || err != nil {
				return
			}
			if ok {
				break
			}
		}
		say(w)
		_ = w.CloseWrite()
		_, _ = io.Copy(io.Discard, w)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // only what never ends takes as long
	defer cancel()
	c, err := Dial(ctx, l.Addr().String(), Config{InitiatorName: "iqn.2026-11.io.lunette.test:i", TargetName: "iqn.2026-11.io.lunette.test:t", Login: DefaultLogin()})
	_ = l.Close()
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { _ = c.Close(); <-done })
	return c
}

// TestViolations has a target break the rules: the connection ends with ErrProtocol.
func TestViolations(t *testing.T) {
	type put interface{ Put(h *pdu.BHS) }
	const tag = 1 << 10 // of the first command
	for name, x := range map[string]struct {
		p    put
		sn   uint32 // StatSN
		n    int    // bytes of data
		good bool
	}{
		"a good response":           {p: pdu.SCSIResponse{ITT: tag}, sn: 2, good: true},
		"StatSN":                    {p: pdu.SCSIResponse{ITT: tag}, sn: 3},
		"a response to nothing":     {p: pdu.SCSIResponse{ITT: 5}, sn: 2},
		"ExpDataSN":                 {p: pdu.SCSIResponse{ITT: tag, ExpDataSN: 1}, sn: 2},
		"SenseLength":               {p: pdu.SCSIResponse{ITT: tag, Status: 2}, sn: 2, n: 2000},
		"good data":                 {p: pdu.DataIn{ITT: tag, TTT: pdu.NoTag, Final: true, HasStatus: true}, sn: 2, n: 512, good: true},
		"DataSN":                    {p: pdu.DataIn{ITT: tag, TTT: pdu.NoTag, DataSN: 1, Final: true}, n: 512},
		"data at a wrong offset":    {p: pdu.DataIn{ITT: tag, TTT: pdu.NoTag, BufferOffset: 1, Final: true}, n: 12},
		"more data than asked for":  {p: pdu.DataIn{ITT: tag, TTT: pdu.NoTag, Final: true}, n: 513},
		"a PDU that is too long":    {p: pdu.DataIn{ITT: tag, TTT: pdu.NoTag, Final: true}, n: 262145},
		"an R2T for a read":         {p: pdu.R2T{ITT: tag, TTT: 1, DesiredLength: 10}, sn: 2},
		"an answer to no ping":      {p: pdu.NOPIn{ITT: 9, TTT: pdu.NoTag}, sn: 2},
		"a login response":          {p: pdu.LoginResponse{}, sn: 2},
		"an initiator's PDU":        {p: pdu.NOPOut{ITT: 1, TTT: pdu.NoTag}, sn: 2},
		"a Reject without a header": {p: pdu.Reject{Reason: pdu.RejectProtocolError}, sn: 2},
		"a TMF response to nothing": {p: pdu.TMFResponse{ITT: tag}, sn: 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialFake(t, func(w *Wire) {
				if _, err := w.Receive(); err != nil {
					return
				}
				var h pdu.BHS
				x.p.Put(&h)
				h.SetNumbers(x.sn, 2, 32)
				data := make([]byte, x.n)
				if x.n == 2000 {
					data[0] = 0xff
				}
				_ = w.Send(&h, nil, data)
			})
			r, err := c.Do(0, []byte{0x28, 9: 0}, nil, make([]byte, 512))
			switch {
			case x.good && (err != nil || r.Received != x.n):
				t.Fatal(err, r)
			case !x.good && !errors.Is(err, ErrProtocol):
				t.Fatal(err)
			}
		})
	}
}

// FuzzConn receives any bytes from a target: it never panics or hangs.
func FuzzConn(f *testing.F) {
	w := &Wire{}
	for _, p := range []interface{ Put(h *pdu.BHS) }{
		pdu.SCSIResponse{ITT: 1 << 10, Status: 2}, pdu.DataIn{ITT: 1 << 10, TTT: pdu.NoTag, Final: true, HasStatus: true},
		pdu.DataIn{ITT: 1 << 10, TTT: pdu.NoTag}, pdu.R2T{ITT: 2<<10 | 1, TTT: 7, DesiredLength: 4096}, pdu.NOPIn{ITT: pdu.NoTag, TTT: 3},
		pdu.Reject{Reason: pdu.RejectTaskInProgress}, pdu.Async{Event: pdu.AsyncLogoutRequest}, pdu.TextResponse{ITT: 5},
	} {
		var h pdu.BHS
		p.Put(&h)
		h.SetNumbers(2, 2, 40)
		f.Add(w.AppendPDU(nil, &h, nil, make([]byte, 48)))
		f.Add(w.AppendPDU(nil, &h, nil, make([]byte, 40000))[:5000])
		f.Add(w.AppendPDU(nil, &h, nil, nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := dialFake(t, func(w *Wire) { _, _ = w.Write(b) })
		r := Command{CDB: []byte{0x28, 9: 0}, In: make([]byte, 40000)}
		o := Command{CDB: []byte{0x2a, 9: 0}, Out: make([]byte, 8192)}
		_, _ = c.Submit(&r), c.Submit(&o)
		for {
			if _, err := c.Receive(); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal("it hangs")
				}
				break
			}
		}
	})
}
