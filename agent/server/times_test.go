package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
)

// pipes are connections in memory, in which time can be a test's.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// piped serves root over pipes, in a bubble of time. What it returns opens a connection.
func piped(t *testing.T, c Config) (open func() net.Conn) {
	t.Helper()
	c.times, c.Log = usual(), slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	s := bounded(ctx, c)
	s.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return asRoot(ctx) }
	l := make(pipes)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		cancel()
		close(l)
		_ = s.Close()
	})
	return func() net.Conn {
		a, b := net.Pipe()
		l <- b
		return a
	}
}

// A change may take longer than the times of requests and answers: neither cuts it.
func TestChangesTakeTheirTime(t *testing.T) {
	for _, request := range []string{
		"PUT /v1/config HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ntext",
		"PUT /v1/config HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntext\r\n0\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/profile/block?time=2m HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.work = func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return errors.New("it was cut")
				case <-time.After(time.Hour):
					return nil
				}
			}
			c := piped(t, whole(f))()
			defer func() { _ = c.Close() }()
			began := time.Now()
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("%s: %v", request, err)
			}
			if took := time.Since(began); answer.StatusCode != http.StatusOK || took != time.Hour && took != 2*time.Minute {
				t.Errorf("%s: %s after %v", request, answer.Status, took)
			}
		})
	}
}

// A request that does not come to its end is given up.
func TestRequestsThatHang(t *testing.T) {
	for _, request := range []string{
		"GET /v1/version HTT", "PUT /v1/config HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nte",
		"PUT /v1/config HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nte",
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			c := piped(t, whole(f))()
			defer func() { _ = c.Close() }()
			began := time.Now()
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
			_, _ = io.ReadAll(c)
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("%s: it took %v", request, took)
			}
			if len(f.requests) != 0 {
				t.Error("the agent was asked")
			}
		})
	}
}

// A listener who does not read is dropped, and the agent is not kept waiting.
func TestSlowListenersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := piped(t, whole(f))()
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil { // and no more
			t.Fatal(err)
		}
		time.Sleep(usual().write + time.Second)
		if rest, err := io.ReadAll(c); err != nil || strings.Contains(string(rest), "id:") {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// A client that leaves ends its change.
func TestLeavingEndsAChange(t *testing.T) {
	f := newFake(t)
	began, ended := make(chan struct{}), make(chan struct{})
	f.work = func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}
	c, _ := serve(t, whole(f))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if _, err := c.Apply(ctx, client.ApplyRequest{Text: []byte(document)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	select {
	case <-ended:
	case <-time.After(soon):
		t.Error("it goes on")
	}
}

// A body of the largest size is taken, a longer one is 413, and of large ones a few are held at a time.
func TestLargeBodies(t *testing.T) {
	f := newFake(t)
	var now, most atomic.Int32
	f.work = func(context.Context) error {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(10 * time.Millisecond)
		now.Add(-1)
		return nil
	}
	c, _ := serve(t, whole(f))
	if _, err := c.Apply(t.Context(), client.ApplyRequest{Text: make([]byte, 16<<20)}); err != nil {
		t.Error(err)
	}
	var refused *client.Error
	if _, err := c.Apply(t.Context(), client.ApplyRequest{Text: make([]byte, api.MaxBody+1)}); !errors.As(err, &refused) || refused.Status != http.StatusRequestEntityTooLarge {
		t.Error(err)
	}
	most.Store(0)
	ended := make(chan error)
	const all = 12
	for range all {
		go func() {
			_, err := c.Apply(t.Context(), client.ApplyRequest{Text: []byte(strings.Repeat("x", bigBody+1))})
			ended <- err
		}()
	}
	for range all {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > maxBig {
		t.Errorf("%d large bodies at the same time", most.Load())
	}
}
