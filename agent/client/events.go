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

// Events are the events from the one of a sequence number on, which may be 0 for all that are kept. Without follow it
// ends behind the last that has happened. With follow it waits for those to come until ctx is done, asks again when the
// connection breaks, and goes on behind the last that it had. An error is the last that comes.
func (c *Client) Events(ctx context.Context, from uint64, follow bool) iter.Seq2[apply.Event, error] {
	return func(yield func(apply.Event, error) bool) {
		failed := 0
		for {
			more, err := c.events(ctx, from, follow, func(e apply.Event) bool {
				from, failed = e.Sequence+1, 0
				return yield(e, nil)
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
func (c *Client) events(ctx context.Context, from uint64, follow bool, yield func(apply.Event) bool) (more bool, err error) {
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
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case bytes.HasPrefix(line, []byte("data:")):
			data = append(append(data, bytes.TrimPrefix(line[len("data:"):], []byte(" "))...), '\n')
		case len(line) == 0 && len(data) > 0:
			var e apply.Event
			if err := json.Unmarshal(data, &e); err != nil {
				return true, fmt.Errorf("the daemon at %s gave an event that cannot be read: %w", c.path, err)
			}
			data = data[:0]
			if !yield(e) {
				return false, nil
			}
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return true, fmt.Errorf("the daemon at %s: %w", c.path, err)
	}
	if !follow && lines.Err() == nil {
		return false, nil
	}
	return true, fmt.Errorf("the daemon at %s: %w", c.path, errCut)
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
