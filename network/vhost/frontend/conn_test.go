package frontend

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// backend answers messages at a socket by answer, until the test ends; what that returns is sent.
func backend(t *testing.T, answer func(m *message.Message) []message.Message) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
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
		s := message.NewStream(c.(*net.UnixConn), nil)
		for {
			var m message.Message
			if s.Read(&m) != nil {
				return
			}
			m.Descriptors.Close()
			for _, a := range answer(&m) {
				if s.Write(a.Header, a.Payload) != nil {
					return
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return path
}

func number(r message.Request, n uint64) []message.Message {
	return []message.Message{{Header: message.Header{Request: r, Flags: message.FlagReply}, Payload: message.AppendNumber(nil, n)}}
}

// TestAnswers: an answer is taken, and what is none ends the connection with an error that says so.
func TestAnswers(t *testing.T) {
	for _, x := range []struct {
		name   string
		answer func(m *message.Message) []message.Message
		want   string
	}{
		{"a number", func(m *message.Message) []message.Message { return number(m.Request, 7) }, ""},
		{"of another message", func(*message.Message) []message.Message { return number(message.GetQueueNum, 7) }, "is no answer to it"},
		{"not an answer", func(m *message.Message) []message.Message {
			return []message.Message{{Header: message.Header{Request: m.Request}, Payload: message.AppendNumber(nil, 7)}}
		}, "is no answer to it"},
		{"short", func(m *message.Message) []message.Message {
			return []message.Message{{Header: message.Header{Request: m.Request, Flags: message.FlagReply}, Payload: []byte{1}}}
		}, "the payload has 1 bytes"},
		{"nothing", func(*message.Message) []message.Message { return nil }, "no answer for"},
	} {
		t.Run(x.name, func(t *testing.T) {
			patience := time.Minute
			if x.name == "nothing" {
				patience = time.Millisecond
			}
			c, err := Connect(t.Context(), backend(t, x.answer), patience)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			n, err := c.Number(message.GetFeatures)
			if x.want == "" {
				if n != 7 || err != nil || c.Err() != nil {
					t.Errorf("%d, %v, %v", n, err, c.Err())
				}
			} else if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%d, %v, want %q", n, err, x.want)
			}
		})
	}
}

// TestRefused: what a back-end does not do is an error with its code, and the connection goes on.
func TestRefused(t *testing.T) {
	c, err := Connect(t.Context(), backend(t, func(m *message.Message) []message.Message {
		if m.Flags&message.FlagNeedReply == 0 {
			return nil
		}
		return number(m.Request, uint64(m.Request)%2)
	}), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Order(message.SetOwner, nil); err != nil {
		t.Error(err)
	}
	c.Acks(true)
	var refused *RefusedError
	if err := c.Order(message.SetOwner, nil); !errors.As(err, &refused) || refused.Code != 1 {
		t.Error(err)
	}
	if err := c.Order(message.SetFeatures, message.AppendNumber(nil, 0)); err != nil {
		t.Error(err)
	}
}

// TestDialEnds: a back-end that answers nothing holds nobody whose context ends.
func TestDialEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := backend(t, func(*message.Message) []message.Message { cancel(); return nil })
	if d, err := Dial(ctx, path, Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", d, err)
	}
}
