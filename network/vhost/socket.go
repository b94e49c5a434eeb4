package vhost

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/internal/ratelog"
)

// A Socket is where one front-end at a time attaches: a second one is closed at once, and told in the log.
type Socket struct {
	host     *Host
	backend  Backend
	path     string
	log      *slog.Logger
	listener *net.UnixListener
	file     fs.FileInfo // that listen has made
	closing  chan struct{}
	once     sync.Once // for closing
	running  sync.WaitGroup
	// What is told again and again of front-ends that come and go, or of what they ask for, does not fill the log.
	refused, attached, agreed, denied, gone ratelog.Paced

	mu      sync.Mutex // guards what follows
	o       Options
	current *connection
	// ended is closed when the connection has ended that had a driver last; nil: none had. A driver of another one lives after that.
	ended <-chan struct{}
}

var errReplace = errors.New("vhost: the front-end has gone, and another one is there")

// acceptPause is how long nothing is accepted after that has failed, as it does when a process has too many open files.
const acceptPause = 100 * time.Millisecond

// Start begins to accept. It is called once.
func (s *Socket) Start() { s.running.Go(s.accept) }

// Path is that of the socket's file.
func (s *Socket) Path() string { return s.path }

// Set has the options of o count from now on: the file's mode and owner at once, the rest for who attaches next. The path stays what it is. After an error what could be changed is.
func (s *Socket) Set(o Options) error {
	o.defaults()
	o.Path = s.path
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o = o
	if err := o.own(); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// Connection describes the front-end that is attached now; false: there is none.
func (s *Socket) Connection() (Connection, bool) {
	s.mu.Lock()
	c := s.current
	s.mu.Unlock()
	if c == nil {
		return Connection{}, false
	}
	return c.describe(), true
}

// Drop ends the connection that is there, as after a fault of its peer; the socket goes on to accept.
func (s *Socket) Drop(why error) {
	s.mu.Lock()
	c := s.current
	s.mu.Unlock()
	if c != nil {
		c.drop(why)
	}
}

// Close stops accepting, removes the socket's file, ends the connection, and returns when its driver has ended (Handler.Ended).
func (s *Socket) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		// Another program may have made a file of the same name since.
		if now, e := os.Lstat(s.path); e == nil && os.SameFile(now, s.file) {
			err = os.Remove(s.path)
		}
		err = errors.Join(err, s.listener.Close())
		s.Drop(ErrClosed)
	})
	s.running.Wait()
	s.host.forget(s)
	return err
}

// accept takes front-ends until the socket is closed.
func (s *Socket) accept() {
	for {
		c, err := s.listener.AcceptUnix()
		select {
		case <-s.closing:
			if err == nil {
				c.Close()
			}
			return
		default:
		}
		if err != nil {
			s.refused.Warn(s.log, "no front-end can attach", "error", err)
			select {
			case <-s.closing:
			case <-time.After(acceptPause):
			}
			continue
		}
		if err := s.attach(c); err != nil {
			c.Close()
			s.refused.Warn(s.log, "a front-end is not let in", "error", err)
		}
	}
}

// attach lets a front-end in, or says why not: then the caller closes its socket.
func (s *Socket) attach(conn *net.UnixConn) error {
	who, err := peer(conn)
	if err != nil {
		return err
	}
	who.Since = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.o.Peers) > 0 && !slices.Contains(s.o.Peers, uint32(who.UID)) {
		return fmt.Errorf("process %d of user %d, which may not connect", who.PID, who.UID)
	}
	if old := s.current; old != nil {
		if !hungUp(old.conn) {
			return fmt.Errorf("process %d of user %d, while process %d is attached", who.PID, who.UID, old.peer.PID)
		}
		// What it is busy with may take as long as its commands: the new one is not made to wait for that.
		old.drop(errReplace)
	}
	c := newConnection(s, conn, who, s.ended)
	select {
	case <-s.closing:
		c.drop(ErrClosed) // Close has looked for a connection already, and has found none
	default:
	}
	s.current = c
	s.running.Go(func() { c.serve() })
	return nil
}

// begin is told that a driver's life begins in c; it reports whether c is still the connection that is attached.
func (s *Socket) begin(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != c {
		return false
	}
	s.ended = c.ended
	return true
}

// left is told that nobody is attached by c any more.
func (s *Socket) left(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == c {
		s.current = nil
	}
}
