// Package client asks a daemon through its API.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	path string
	http http.Client
}

// New returns a client of the daemon with the socket at path. Nothing is connected yet.
func New(path string) *Client {
	c := &Client{path: path}
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
	body, err := c.open(ctx, "/v1/profile/"+url.PathEscape(kind)+"?time="+url.QueryEscape(d.String()))
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("the profile of the daemon at %s: %w", c.path, err)
	}
	return nil
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	err := c.get(ctx, path, &v)
	return v, err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := c.open(ctx, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("the daemon at %s gave an answer that cannot be read: %w", c.path, err)
	}
	return nil
}

// open asks, and returns the body of a good answer. The caller closes it.
func (c *Client) open(ctx context.Context, path string) (io.ReadCloser, error) {
	if c.path == "" {
		return nil, errors.New("no daemon of this user runs: start one with \"lunette serve\", or name the socket of another with --socket")
	}
	if err := c.trusted(); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://lunette"+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("permission denied: the socket %s is for the user of the daemon alone, and for a group that \"lunette serve --socket-group\" names", c.path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no daemon answers at %s: start one with \"lunette serve\", or name its socket with --socket", c.path)
	case err != nil:
		return nil, fmt.Errorf("the daemon at %s: %w", c.path, err)
	case answer.StatusCode == http.StatusOK:
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var e api.Error
	if json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&e) != nil || e.Error == "" {
		e.Error = answer.Status
	}
	return nil, fmt.Errorf("the daemon at %s says: %s", c.path, e.Error)
}

// trusted refuses the socket of a stranger: in a directory where others than its owner may write anybody may
// have made it. One of root, of this user, or of whoever the directory belongs to is none.
func (c *Client) trusted() error {
	info, err := os.Stat(c.path)
	if err != nil {
		return nil //nolint:nilerr // connecting says it better
	}
	uid := os.Getuid()
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || uid == 0 || int(owner.Uid) == uid || owner.Uid == 0 {
		return nil
	}
	dir, err := os.Stat(filepath.Dir(c.path))
	if err != nil {
		return fmt.Errorf("the socket %s: %w", c.path, err)
	}
	if above, ok := dir.Sys().(*syscall.Stat_t); ok && dir.Mode().Perm()&0o022 == 0 && (above.Uid == owner.Uid || above.Uid == 0) {
		return nil
	}
	return fmt.Errorf("the socket %s belongs to another user (%d), and others may write to its directory: anybody may have made it", c.path, owner.Uid)
}
