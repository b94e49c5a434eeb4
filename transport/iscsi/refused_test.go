package iscsi_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/transport/iscsi"
)

// Who is refused again and again does not fill the log, and the end of the node is no refusal.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		n, err := iscsi.NewNode(iscsi.Config{Log: slog.New(slog.NewTextHandler(&b, nil)), Arena: buffer.NewArena(1 << 20)})
		if err != nil {
			t.Fatal(err)
		}
		for range ratelog.PerSecond + 7 {
			n.Refused("10.0.0.1:1", errors.New("full"))
		}
		n.Refused("10.0.0.1:1", iscsi.ErrClosed)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if got := strings.Count(b.String(), "connection refused"); got != ratelog.PerSecond || !strings.Contains(b.String(), "count=7") {
			t.Errorf("%s", b.String())
		}
		if err := n.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
