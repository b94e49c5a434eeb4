package loopback_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/guard/guardtest"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// echo is a unit that fills data-in with data-out, by memory that is lent where it is, in pieces.
func echo(t *testing.T, piece int64) func(*target.Task) {
	return func(x *target.Task) {
		x.BorrowDataOut(0, x.HaveOut, func(x *target.Task, out *buffer.Lease, err error) {
			if err != nil {
				var d *target.DataError
				if errors.As(err, &d) {
					x.Fail(d.Sense)
					return
				}
				x.Respond(target.Response{})
				return
			}
			n := out.Len()
			for at := int64(0); ; at += piece {
				l := x.LendDataIn(at, min(piece, n-at))
				if l == nil {
					if l, err = x.Memory(min(piece, n-at)); err != nil {
						t.Error(err)
					}
					l.Truncate(min(piece, n-at))
				}
				b := make([]byte, l.Len())
				if err := errors.Join(out.GuardedRead(at, b), l.GuardedCopy(0, b)); err != nil {
					l.Release()
					out.Release()
					x.Respond(target.Response{Status: 2})
					return
				}
				if at+l.Len() == n {
					out.Release()
					x.Respond(target.Response{Moves: 2 * n, At: at, DataIn: l})
					return
				}
				x.SendDataIn(at, l, func(*target.Task) {})
			}
		})
	}
}

func TestLend(t *testing.T) {
	out := bytes.Repeat([]byte("abcdefg"), 1000)
	for _, opt := range []loopback.Options{{}, {Lend: true}, {Lend: true, LendPiece: 33}, {Lend: true, First: 100}, {Lend: true, Later: true}} {
		s := login(t, opt, echo(t, 4000))
		in := make([]byte, len(out))
		r, err := s.Run(loopback.Command{Out: out, In: in})
		if err != nil || r.Err() != nil || r.In != int64(len(in)) || r.Residual != 0 || !bytes.Equal(in, out) {
			t.Errorf("%+v: %+v, %v", opt, r, err)
		}
		want := int64(0)
		if opt.Lend {
			want = 2 * int64(len(out))
		}
		if opt.Later {
			want = int64(len(out))
		}
		if s.Lent() != want || opt.Lend && s.Moved() != 2*int64(len(out))-want || opt.Lend && s.Copied() != 0 {
			t.Errorf("%+v: lent %d, moved %d, copied %d", opt, s.Lent(), s.Moved(), s.Copied())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Memory that is gone ends the session where the transport has to move data, and nothing else.
func TestMoveGone(t *testing.T) {
	for _, later := range []bool{false, true} {
		for _, which := range []string{"in", "out"} {
			t.Run(fmt.Sprintf("%s/later=%v", which, later), func(t *testing.T) {
				mem := guardtest.New(t, 2*guardtest.Page)
				c := loopback.Command{Out: make([]byte, len(mem.Mem)), In: make([]byte, len(mem.Mem))}
				if which == "in" {
					c.In = mem.Mem
				} else {
					c.Out = mem.Mem
				}
				s := login(t, loopback.Options{Lend: true, Later: later}, func(x *target.Task) {
					x.ReceiveDataOut(0, x.HaveOut, func(x *target.Task, l *buffer.Lease, err error) {
						var d *target.DataError
						if errors.As(err, &d) {
							x.Fail(d.Sense)
							return
						}
						if err != nil {
							x.Respond(target.Response{})
							return
						}
						x.Respond(target.Response{DataIn: l, Moves: l.Len()})
					})
				})
				mem.Cut(guardtest.Page)
				if r, err := s.Run(c); err == nil && r.Err() == nil {
					t.Errorf("GOOD: %+v", r)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A device server that keeps what it was lent, or asks for a second piece, breaks the contract.
func TestLendBroken(t *testing.T) {
	for name, run := range map[string]func(*target.Task) *buffer.Lease{
		"two at a time": func(x *target.Task) *buffer.Lease {
			l := x.LendDataIn(0, 1)
			x.LendDataIn(1, 1)
			return l
		},
		"another offset": func(x *target.Task) *buffer.Lease { return x.LendDataIn(5, 1) },
	} {
		s := login(t, loopback.Options{Lend: true}, func(x *target.Task) {
			x.Respond(target.Response{DataIn: run(x)})
		})
		if _, err := s.Run(loopback.Command{In: make([]byte, 10)}); err != nil {
			t.Error(err)
		}
		if err := s.Close(); !errors.Is(err, loopback.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var kept *buffer.Lease
	s := login(t, loopback.Options{Lend: true}, func(x *target.Task) {
		kept = x.LendDataIn(0, 1)
		x.Respond(target.Response{})
	})
	if _, err := s.Run(loopback.Command{In: make([]byte, 10)}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); !errors.Is(err, loopback.ErrProtocol) {
		t.Errorf("kept: %v", err)
	}
	kept.Release()
}
