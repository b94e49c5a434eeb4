package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
)

// eventsOf are events with the numbers from one to another.
func eventsOf(from, to uint64) (all []apply.Event) {
	for n := from; n <= to; n++ {
		all = append(all, apply.Event{Sequence: n, Type: "applied", Message: fmt.Sprint("the\n", n)})
	}
	return all
}

// collect are the numbers of events until there are so many, or they end.
func collect(t *testing.T, c *client.Client, from uint64, follow bool, most int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	var all []string
	for e, err := range c.Events(ctx, from, follow) {
		var gap *apply.GapError
		switch {
		case errors.As(err, &gap):
			all = append(all, fmt.Sprintf("gap to %d", gap.Next))
		case err != nil:
			all = append(all, err.Error())
		case e.Message != fmt.Sprint("the\n", e.Sequence):
			t.Errorf("%+v", e)
		default:
			all = append(all, fmt.Sprint(e.Sequence))
		}
		if len(all) == most {
			break
		}
	}
	return strings.Join(all, " ")
}

// Events come from where the client wants them, those that are gone are told, and without follow they end.
func TestEvents(t *testing.T) {
	f := newFake(t)
	f.past = eventsOf(5, 9)
	f.gap = &apply.GapError{Wanted: 1, Next: 5}
	c, _ := serve(t, whole(f))
	started := time.Now()
	for _, test := range []struct {
		from   uint64
		follow bool
		most   int
		want   string
	}{
		{1, false, 0, "gap to 5 5 6 7 8 9"},
		{7, false, 0, "7 8 9"},
		{9, false, 0, "9"},
		{10, false, 0, ""},
		{11, false, 0, ""},
		{0, false, 0, ""},
		{8, true, 2, "8 9"},
	} {
		if got := collect(t, c, test.from, test.follow, test.most); got != test.want {
			t.Errorf("from %d: %s, want %s", test.from, got, test.want)
		}
	}
	f.past = nil
	if got := collect(t, c, 1, false, 0); got != "" {
		t.Errorf("none: %s", got)
	}
	// The stream before has perhaps not noticed yet that nobody reads it, and takes one: there is one for each.
	var telling sync.WaitGroup
	told := make(chan struct{})
	telling.Go(func() {
		for {
			select {
			case f.events <- eventsOf(10, 10)[0]:
			case <-told:
				return
			}
		}
	})
	got := collect(t, c, 0, true, 1)
	close(told)
	telling.Wait()
	if got != "10" {
		t.Errorf("from now on: %s", got)
	}
	if time.Since(started) > soon {
		t.Error("a stream did not end by itself")
	}
}

// A client that has lost its connection goes on behind the last event that it had.
func TestEventsGoOn(t *testing.T) {
	f := newFake(t)
	f.past = eventsOf(1, 3)
	c, _ := serve(t, whole(f))
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	var all []uint64
	for e, err := range c.Events(ctx, 1, true) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Sequence)
		if e.Sequence == 3 {
			f.past = eventsOf(1, 5)
			close(f.events) // the stream ends
		}
		if e.Sequence == 5 {
			break
		}
	}
	if fmt.Sprint(all) != "[1 2 3 4 5]" {
		t.Error(all)
	}
}

// raw opens a stream of events.
func raw(t *testing.T, path, query string, header string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	fmt.Fprintf(c, "GET /v1/events%s HTTP/1.1\r\nHost: x\r\n%s\r\n", query, header)
	in := bufio.NewReader(c)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(answer.Body), answer
}

// The form of a stream, signs of life in it, and Last-Event-ID.
func TestStream(t *testing.T) {
	f := newFake(t)
	f.past = eventsOf(3, 5)
	config := whole(f)
	config.times = usual()
	config.times.beat = time.Millisecond
	_, path := serve(t, config)
	_, in, answer := raw(t, path, "?from=3", "Last-Event-ID: 4\r\n")
	if answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v", answer.Header)
	}
	const want = ": events\n\nid: 5\ndata: {\"sequence\":5,\"generation\":0,\"time\":\"0001-01-01T00:00:00Z\",\"type\":\"applied\",\"message\":\"the\\n5\"}\n\n"
	got := ""
	for beats := 0; beats < 3; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == ":\n" {
			beats++
			_, _ = in.ReadString('\n')
			continue
		}
		got += line
	}
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for query, header := range map[string]string{"?from=x": "", "?from=-1": "", "?follow=perhaps": "", "?form=1": "", "": "Last-Event-ID: x\r\n"} {
		if _, _, answer := raw(t, path, query, header); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s %s: %s", query, header, answer.Status)
		}
	}
}

// There are so many listeners, and no more; when one has left, there is room.
func TestListenersAreBounded(t *testing.T) {
	f := newFake(t)
	_, path := serve(t, whole(f))
	var first net.Conn
	for range maxListeners {
		c, in, answer := raw(t, path, "", "")
		if _, err := in.ReadString('\n'); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s, %v", answer.Status, err)
		}
		first = c
	}
	if _, in, answer := raw(t, path, "", ""); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s", answer.Status)
	} else if text, _ := in.ReadString(0); !strings.Contains(text, "16 listeners are there already") {
		t.Error(text)
	}
	_ = first.Close()
	for end := time.Now().Add(soon); ; {
		_, _, answer := raw(t, path, "", "")
		if answer.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the place of one who has left is not free")
		}
		time.Sleep(time.Millisecond)
	}
}

// Streams end when the server closes, and do not make it wait for them.
func TestCloseEndsStreams(t *testing.T) {
	f := newFake(t)
	path := t.TempDir() + "/s"
	socket, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(socket, whole(f))
	_, in, _ := raw(t, path, "", "")
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(in); err != nil {
		t.Errorf("the stream does not end as it should: %v", err)
	}
}

// A listener's signs of life come at their time, while nothing happens.
func TestBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := &counting{header: http.Header{}}
		l := &listener{w: w, c: http.NewResponseController(w), times: usual()}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.follow(ctx, func(ctx context.Context) iter.Seq2[apply.Event, error] {
				return func(func(apply.Event, error) bool) { <-ctx.Done() }
			}, ^uint64(0))
		}()
		time.Sleep(time.Minute + time.Second)
		cancel()
		<-ended
		if w.writes != 4 {
			t.Errorf("%d signs of life in a minute", w.writes)
		}
	})
}

// counting counts what is written.
type counting struct {
	header http.Header
	writes int
}

func (c *counting) Header() http.Header { return c.header }
func (c *counting) WriteHeader(int)     {}
func (c *counting) Flush()              {}
func (c *counting) Write(b []byte) (int, error) {
	c.writes++
	return len(b), nil
}
