package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
)

// Bounds of following.
const (
	maxEvent   = 1 << 20                // of one event, in bytes
	reconnects = 5                      // that may fail one after another
	pauseFirst = 200 * time.Millisecond // before the first of them; twice as long before each of the others
)

// errCut says that a stream has ended for which there is more.
var errCut = errors.New("the stream of events has ended")

// Events are the events from the one of a sequence number on, from 1 for all that are kept. 0 with follow is from now
// on. Without follow it ends behind the last that has happened. With follow it waits for those to come until ctx is
// done, asks again when the connection breaks, and goes on behind the last that it had.
//
// An [*apply.GapError] stands where some are not kept any more: others follow. Any other error is the last that comes.
func (c *Client) Events(ctx context.Context, from uint64, follow bool) iter.Seq2[apply.Event, error] {
	return func(yield func(apply.Event, error) bool) {
		failed := 0
		for {
			more, err := c.events(ctx, from, follow, func(e apply.Event, gap error) bool {
				if failed = 0; gap == nil {
					from = e.Sequence + 1
				}
				return yield(e, gap)
			})
			if !more || ctx.Err() != nil {
				return
			}
			var refused *Error
			if failed++; errors.As(err, &refused) || failed > reconnects || !follow {
				yield(apply.Event{}, err)
				return
			}
			if !c.pause(ctx, pauseFirst<<(failed-1)) {
				return
			}
		}
	}
}

// events yields the events of one connection. It returns false when nobody wants more, and otherwise why it has ended.
func (c *Client) events(ctx context.Context, from uint64, follow bool, yield func(apply.Event, error) bool) (more bool, err error) {
	q := url.Values{"from": {strconv.FormatUint(from, 10)}}
	if !follow {
		q.Set("follow", "false")
	}
	answer, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/events", query: q})
	if err != nil {
		return true, err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxEvent)
	var name string
	var data []byte
	for lines.Scan() {
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case string(field) == "event":
			name = string(value)
		case string(field) == "data":
			data = append(append(data, value...), '\n')
		case len(lines.Bytes()) == 0 && len(data) > 0:
			e, gap, err := event(name, data)
			if err != nil {
				return true, fmt.Errorf("the daemon at %s gave an event that cannot be read: %w", c.path, err)
			}
			if name, data = "", data[:0]; !yield(e, gap) {
				return false, nil
			}
		}
	}
	switch err := lines.Err(); {
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return true, fmt.Errorf("the daemon at %s: %w", c.path, err)
	case err == nil && !follow:
		return false, nil
	}
	return true, fmt.Errorf("the daemon at %s: %w", c.path, errCut)
}

// event decodes an event, or what stands for those that are not kept any more.
func event(name string, data []byte) (e apply.Event, gap, err error) {
	if name == api.GapEvent {
		g := new(apply.GapError)
		err = json.Unmarshal(data, g)
		return e, g, err
	}
	err = json.Unmarshal(data, &e)
	return e, nil, err
}

// waits returns when d is over, with true, or when ctx is done.
func waits(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
