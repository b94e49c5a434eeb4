package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
)

// stream is the route of events.
func (s *service) stream() {
	s.raw(route{
		method: http.MethodGet, path: "/v1/events", id: "watch-events", summary: "Events, as they happen (server-sent events)",
		doc: "The id of each is its sequence number, the name message, and the data an Event. Where some are not kept any more stands one with the name gap. " +
			"Who comes back says in Last-Event-ID which it had last. One who does not read is dropped.",
		tag: "events", need: anAgent, slow: true,
		answers: map[string]*huma.Response{"200": {Description: "The stream.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: schemaOf[apply.Event](s)}}}},
	}, []*huma.Param{
		{Name: "from", In: "query", Description: "The sequence number of the first, from 1 for all that are kept; 0, or nothing: those that come from now on.", Schema: &huma.Schema{Type: huma.TypeInteger}},
		{Name: "follow", In: "query", Description: "false: it ends behind the last that has happened.", Schema: &huma.Schema{Type: huma.TypeBoolean}},
		{Name: "Last-Event-ID", In: "header", Description: "The sequence number of the last that the client had. It counts before from.", Schema: &huma.Schema{Type: huma.TypeInteger}},
	}, s.events)
}

// events answers with a stream of events.
func (s *service) events(w http.ResponseWriter, r *http.Request) {
	from, last, err := s.span(r)
	if err != nil {
		send(w, http.StatusBadRequest, api.Error{Error: err.Error()})
		return
	}
	select {
	case s.listeners <- struct{}{}:
		defer func() { <-s.listeners }()
	default:
		send(w, http.StatusServiceUnavailable, api.Error{Error: fmt.Sprintf("%d listeners are there already", maxListeners)})
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	l := &listener{w: w, c: http.NewResponseController(w), times: s.times}
	if l.write(": events\n\n") != nil || last == 0 || last < from && from != 0 {
		return
	}
	l.follow(ctx, func(ctx context.Context) iter.Seq2[apply.Event, error] { return s.Agent.Watch(ctx, from) }, last)
}

// span is which events are wanted: the first, and the last.
func (s *service) span(r *http.Request) (from, last uint64, err error) {
	last = ^uint64(0)
	q := r.URL.Query()
	for name := range q {
		if name != "from" && name != "follow" {
			return 0, 0, fmt.Errorf("there is no %q here: there is from and follow", name)
		}
	}
	if text := q.Get("from"); text != "" {
		if from, err = strconv.ParseUint(text, 10, 63); err != nil {
			return 0, 0, fmt.Errorf("from=%q: the sequence number of an event is wanted", text)
		}
	}
	if text := r.Header.Get("Last-Event-ID"); text != "" {
		if from, err = strconv.ParseUint(text, 10, 63); err != nil {
			return 0, 0, fmt.Errorf("Last-Event-ID: %q: the sequence number of an event is wanted", text)
		}
		from++
	}
	switch text := q.Get("follow"); text {
	case "", "true":
	case "false":
		last = s.Agent.Status().Sequence
		if from == 0 {
			last = 0 // nothing comes from now on that has happened
		}
	default:
		return 0, 0, fmt.Errorf("follow=%q: true or false is wanted", text)
	}
	return from, last, nil
}

// A listener is one who reads a stream of events.
type listener struct {
	w     http.ResponseWriter
	c     *http.ResponseController
	times times
}

// An item is one value of a stream.
type item struct {
	event apply.Event
	gap   *apply.GapError
}

// follow writes what comes, and signs of life, until there is no more, up to the event with the number last. A write that
// takes too long ends it: the agent does not wait for who does not read.
func (l *listener) follow(ctx context.Context, watch func(context.Context) iter.Seq2[apply.Event, error], last uint64) {
	ctx, cancel := context.WithCancel(ctx)
	items := make(chan item)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(items)
		for e, err := range watch(ctx) {
			next := item{event: e}
			if err != nil && !errors.As(err, &next.gap) {
				return
			}
			select {
			case items <- next:
			case <-ctx.Done():
				return
			}
		}
	})
	defer reading.Wait()
	defer cancel()
	beat := time.NewTicker(l.times.beat)
	defer beat.Stop()
	for {
		select {
		case i, ok := <-items:
			if !ok || l.item(i) != nil || i.gap == nil && i.event.Sequence >= last {
				return
			}
			if i.gap != nil && i.gap.Next > last {
				return
			}
		case <-beat.C:
			if l.write(":\n\n") != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// item writes one value (HTML, 9.2.5 Parsing an event stream).
func (l *listener) item(i item) error {
	if i.gap != nil {
		data, err := json.Marshal(i.gap)
		if err != nil {
			return err
		}
		return l.write(fmt.Sprintf("event: %s\ndata: %s\n\n", api.GapEvent, data))
	}
	data, err := json.Marshal(i.event)
	if err != nil {
		return err
	}
	return l.write(fmt.Sprintf("id: %d\ndata: %s\n\n", i.event.Sequence, data))
}

// write writes, at once, and not for longer than an answer may take.
func (l *listener) write(text string) error {
	_ = l.c.SetWriteDeadline(time.Now().Add(l.times.write)) // what cannot do it is no connection
	if _, err := l.w.Write([]byte(text)); err != nil {
		return err
	}
	return l.c.Flush()
}
