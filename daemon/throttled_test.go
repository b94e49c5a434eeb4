package daemon

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
)

// Each initiator that gets no memory is told of, and not for each command.
func TestThrottledIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := newThrottled(slog.New(slog.NewTextHandler(&out, nil)))
		for range 100 {
			h.tell(buffer.Refusal{Initiator: "evil", Unit: "d", Used: 5, Limit: 10})
			h.tell(buffer.Refusal{Initiator: "other", Used: 5, Limit: 10})
		}
		if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), "initiator=evil unit=d has=5") {
			t.Errorf("%d lines: %s", n, out.String())
		}
		time.Sleep(throttledEvery)
		h.tell(buffer.Refusal{Initiator: "evil"})
		if !strings.Contains(out.String(), "commands=100") {
			t.Errorf("it does not tell how many there were: %s", out.String())
		}
		for i := range 10 * throttledMost {
			h.tell(buffer.Refusal{Initiator: fmt.Sprint(i)})
		}
		if len(h.told) > throttledMost {
			t.Errorf("%d initiators are remembered", len(h.told))
		}
	})
}
