package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
)

// daemon answers with what h does, on a socket.
func daemon(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	c := New(path)
	c.pause = func(ctx context.Context, _ time.Duration) bool { return ctx.Err() == nil }
	return c
}

// What is no answer of a daemon is an error, and no success.
func TestStrangeAnswers(t *testing.T) {
	var status int
	var body string
	c := daemon(t, func(w http.ResponseWriter, _ *http.Request) {
		if status/100 == 3 {
			w.Header().Set("Location", "http://elsewhere/")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
	for _, test := range []struct {
		status     int
		body, want string
	}{
		{200, "<html>", "gave an answer that cannot be read"},
		{200, "", "gave an answer that cannot be read"},
		{500, "<html>", "says: 500 Internal Server Error"},
		{301, "", "says: 301 Moved Permanently"},
		{409, `{"error": "so it is"}`, "says: so it is"},
		{428, `{"error": "without a plan"}`, "says: without a plan"},
		{422, `{"error": "wrong"}`, "wrong"},
		{422, `{"error": "two", "problems": [{"message": "one"}, {"line": 2, "column": 3, "path": "a.b", "message": "two"}]}`, "2 problems:\none\n2:3: a.b: two"},
	} {
		status, body = test.status, test.body
		if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%d %s: %v, want %s", status, body, err, test.want)
		}
	}
}

// A client that follows events tries again, but not for ever, and not when it is refused.
func TestEventsGiveUp(t *testing.T) {
	asked, refuse := 0, false
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		if asked == 2 {
			_, _ = w.Write([]byte(": x\r\n\nevent: gap\ndata: {\"wanted\":1,\"next\":5}\n\nid: 5\ndata: {\"sequence\":\ndata: 5}\n\ndata: {\"seq"))
		}
	})
	var got []string
	for e, err := range c.Events(t.Context(), 1, true) {
		switch {
		case err != nil:
			got = append(got, err.Error())
		case e.Sequence == 5:
			got = append(got, "5")
		}
	}
	if len(got) != 3 || !strings.HasPrefix(got[0], "events from 1 are not there") || got[1] != "5" || !strings.Contains(got[2], "the stream of events has ended") || asked != 2+reconnects {
		t.Errorf("%q after %d attempts", got, asked)
	}
	asked, refuse = 0, true
	n := 0
	for _, err := range c.Events(t.Context(), 1, true) {
		var e *Error
		if n++; !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable {
			t.Error(err)
		}
	}
	if asked != 1 || n != 1 {
		t.Errorf("%d attempts, %d errors", asked, n)
	}
}

// An event that is longer than any ends the stream, and so does what is no event.
func TestEventsThatAreNone(t *testing.T) {
	body := ""
	c := daemon(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
	for _, body = range []string{"data: " + strings.Repeat("x", 2*maxEvent) + "\n\n", "data: [1]\n\n", "event: gap\ndata: 7\n\n"} {
		n := 0
		for e, err := range c.Events(t.Context(), 1, false) {
			if n++; err == nil || errors.As(err, new(*apply.GapError)) {
				t.Errorf("%.30q: %+v, %v", body, e, err)
			}
		}
		if n != 1 {
			t.Errorf("%.30q: %d values", body, n)
		}
	}
}

// Names have one place in a path, whatever they are made of.
func TestEscape(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "box/a": "box%2Fa", "..": "%2E%2E", ".": "%2E", "a.b": "a.b", "x+y://[::]:3260": "x+y:%2F%2F%5B::%5D:3260", "ä b?#%": "%C3%A4%20b%3F%23%25",
	} {
		if got := escape(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if _, err := objectPath(model.Key{Kind: "disk", Name: "a"}); err == nil {
		t.Error("a kind that there is not")
	}
	for _, c := range api.Collections() {
		if got, err := objectPath(model.Key{Kind: c.Kind, Name: "a"}); err != nil || got != "/v1/config/"+c.Path+"/a" {
			t.Errorf("%s, %v", got, err)
		}
	}
}

// A socket in a directory where others can make files is a stranger's, unless it is root's or this user's.
func TestTrust(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	c := daemon(t, nil)
	dir := filepath.Dir(c.path)
	for _, test := range []struct {
		socket, dir int // who owns it
		mode        os.FileMode
		uid         int // who asks
		want        bool
	}{
		{0, 0, 0o777, 4321, true},
		{4321, 0, 0o777, 4321, true},
		{4321, 0, 0o777, 0, true},
		{4321, 0, 0o777, 1234, false},
		{4321, 0, 0o770, 1234, false},
		{4321, 0, 0o755, 1234, true},
		{4321, 4321, 0o755, 1234, true},
		{4321, 1111, 0o755, 1234, false},
	} {
		if err := errors.Join(os.Chown(c.path, test.socket, -1), os.Chown(dir, test.dir, -1), os.Chmod(dir, test.mode)); err != nil {
			t.Fatal(err)
		}
		if err := trusted(c.path, test.uid); (err == nil) != test.want {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// FuzzEvent: what a daemon sends as an event never ends a client.
func FuzzEvent(f *testing.F) {
	f.Add("", []byte(`{"sequence": 1, "time": "2026-01-01T00:00:00Z"}`))
	f.Add("gap", []byte(`{"wanted": 1, "next": 2}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if e, gap, err := event(name, data); err == nil && gap != nil && e.Sequence != 0 {
			t.Errorf("both an event and a gap: %+v, %v", e, gap)
		}
	})
}
