// Package client asks a daemon through its API.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lunette-io/lunette/agent/api"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

// patience is how long an answer may take.
const patience = 10 * time.Second

// A Client asks one daemon.
type Client struct {
	path  string
	http  http.Client
	pause func(context.Context, time.Duration) bool // between attempts; false: ctx is done
}

// New returns a client of the daemon with the socket at path. Nothing is connected yet.
func New(path string) *Client {
	c := &Client{path: path, pause: waits}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a daemon has none
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}
	return c
}

// Version asks what runs.
func (c *Client) Version(ctx context.Context) (api.Version, error) {
	return get[api.Version](ctx, c, "/v1/version")
}

// Targets asks for the targets.
func (c *Client) Targets(ctx context.Context) ([]api.Target, error) {
	return get[[]api.Target](ctx, c, "/v1/targets")
}

// Units asks for the logical units.
func (c *Client) Units(ctx context.Context) ([]api.Unit, error) {
	return get[[]api.Unit](ctx, c, "/v1/units")
}

// Sessions asks who is logged in.
func (c *Client) Sessions(ctx context.Context) ([]api.Session, error) {
	return get[[]api.Session](ctx, c, "/v1/sessions")
}

// Profile takes a profile of one of [api.ProfileKinds], which watches for d, and writes it to w.
func (c *Client) Profile(ctx context.Context, kind string, d time.Duration, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, d+patience)
	defer cancel()
	answer, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/profile/" + escape(kind), query: url.Values{"time": {d.String()}}})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(w, answer.Body); err != nil {
		return fmt.Errorf("the profile of the daemon at %s: %w", c.path, err)
	}
	return nil
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := c.ask(ctx, request{method: http.MethodGet, path: path}, &v)
	return v, err
}

// A request is what is asked.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte
}

// ask asks, and decodes the JSON of the answer; into may be nil.
func (c *Client) ask(ctx context.Context, r request, into any) error {
	answer, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("the daemon at %s gave an answer that cannot be read: %w", c.path, err)
	}
	return nil
}

// text asks for something that is not JSON, or is shown as it is, and returns its ETag too.
func (c *Client) text(ctx context.Context, path string, query url.Values) (body []byte, etag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, "", fmt.Errorf("the daemon at %s: %w", c.path, err)
	}
	return body, answer.Header.Get("ETag"), nil
}

// do asks, and returns a good answer, whose body the caller closes. Any other is an error.
func (c *Client) do(ctx context.Context, q request) (*http.Response, error) {
	if c.path == "" {
		return nil, errors.New("no daemon of this user runs: start one with \"lunette serve\", or name the socket of another with --socket")
	}
	if err := trusted(c.path, os.Getuid()); err != nil {
		return nil, err
	}
	at := "http://lunette" + q.path
	if len(q.query) > 0 {
		at += "?" + q.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, q.method, at, bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, q.header)
	answer, err := c.http.Do(r)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("permission denied: the socket %s is for the user of the daemon alone, and for a group that \"lunette serve --socket-group\" names", c.path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no daemon answers at %s: start one with \"lunette serve\", or name its socket with --socket", c.path)
	case err != nil:
		return nil, fmt.Errorf("the daemon at %s: %w", c.path, err)
	case answer.StatusCode >= http.StatusOK && answer.StatusCode < http.StatusMultipleChoices:
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, c.refusal(answer)
}

// trusted refuses user uid the socket of a stranger: in a directory where others than its owner may write anybody may
// have made it. One of root, of this user, or of whoever the directory belongs to is none.
func trusted(path string, uid int) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil //nolint:nilerr // connecting says it better
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || uid == 0 || int(owner.Uid) == uid || owner.Uid == 0 {
		return nil
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("the socket %s: %w", path, err)
	}
	if above, ok := dir.Sys().(*syscall.Stat_t); ok && dir.Mode().Perm()&0o022 == 0 && (above.Uid == owner.Uid || above.Uid == 0) {
		return nil
	}
	return fmt.Errorf("the socket %s belongs to another user (%d), and others may write to its directory: anybody may have made it", path, owner.Uid)
}
