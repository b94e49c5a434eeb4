package loopback_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unit is a logical unit that is one function.
type unit struct {
	run func(*target.Task)
}

func (u unit) Order([]byte) target.Order       { return target.Order{} }
func (u unit) Attach(*target.ITL)              {}
func (u unit) Detach(*target.ITL)              {}
func (u unit) Execute(t *target.Task)          { u.run(t) }
func (u unit) Event(target.Event, *target.ITL) {}
func (u unit) Close() error                    { return nil }

func login(t *testing.T, opt loopback.Options, run func(*target.Task)) *loopback.Session {
	t.Helper()
	tgt, err := target.NewTarget("t", target.Mapping{Unit: target.NewUnit("u", unit{run})})
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(target.PortConfig{Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	return loopback.Login(port, target.Initiator{}, opt)
}

// Data comes back as it went, in every shape that the options give it.
func TestEcho(t *testing.T) {
	out := bytes.Repeat([]byte("abcdefg"), 1000)
	for _, opt := range []loopback.Options{{}, {First: -1}, {First: 100}, {Later: true}, {Later: true, Piece: 33}, {First: 9, Later: true, Piece: 1}} {
		s := login(t, opt, func(x *target.Task) {
			if want := min(opt.First, int64(len(out))); opt.First >= 0 && x.First.Len() != want {
				t.Errorf("%+v: %d bytes came along", opt, x.First.Len())
			}
			x.ReceiveDataOut(0, x.HaveOut, func(x *target.Task, l *buffer.Lease, err error) {
				if err != nil {
					t.Error(err)
				}
				x.SendDataIn(0, l.Slice(0, 10), nil)
				x.Respond(target.Response{Moves: 2 * l.Len(), At: 10, DataIn: l.Slice(10, l.Len()-10)})
				l.Release()
			})
		})
		r, in, err := s.Do(t.Context(), 0, []byte{0}, out, len(out))
		if err != nil || r.Err() != nil || !bytes.Equal(in, out) || r.Residual != 0 {
			t.Errorf("%+v: %+v %v", opt, r, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A wait that ends aborts the task.
func TestTimeout(t *testing.T) {
	s := login(t, loopback.Options{Never: true}, func(x *target.Task) {
		x.ReceiveDataOut(0, 1, func(x *target.Task, _ *buffer.Lease, err error) {
			if !errors.Is(err, target.ErrAborted) {
				t.Errorf("%v", err)
			}
			x.Respond(target.Response{})
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := s.Do(ctx, 0, []byte{0}, []byte{1}, 0); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A device server that breaks the contract is found out.
func TestBrokenContracts(t *testing.T) {
	for name, run := range map[string]func(*target.Task){
		"too much data-in": func(x *target.Task) {
			x.SendDataIn(0, buffer.Of(make([]byte, 11)), nil)
			x.Respond(target.Response{})
		},
		"too much data-out": func(x *target.Task) {
			x.ReceiveDataOut(5, 6, func(x *target.Task, l *buffer.Lease, _ error) { l.Release(); x.Respond(target.Response{}) })
		},
	} {
		s := login(t, loopback.Options{}, run)
		if _, _, err := s.Do(t.Context(), 0, []byte{0}, make([]byte, 10), 10); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); !errors.Is(err, loopback.ErrProtocol) {
			t.Errorf("%s was not noticed: %v", name, err)
		}
	}
}
