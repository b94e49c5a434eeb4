package tcp_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// A connection that is reset has no orderly end for its peer, whatever was queued, and its owner
// ends too.
func TestReset(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		// full: the socket takes no more, and much is queued in it.
		for _, full := range []bool{false, true} {
			o, peer := attached(t, e, tcp.Options{SendBuffer: 4 << 10})
			o.sock.Start(o)
			wrote := make(chan error, 1)
			if full {
				go func() {
					_, err := peer.Write(make([]byte, 16<<20)) // until it is reset
					wrote <- err
				}()
				for awaits := false; !awaits; time.Sleep(time.Millisecond) {
					o.mu.Lock()
					awaits = o.awaited > 0
					o.mu.Unlock()
				}
			}
			if err := o.sock.Try(tcp.Reset); err != nil {
				t.Fatal(err)
			}
			_ = o.sock.Close() // it may have ended already
			_ = o.over()       // with the reset, or the end of the socket
			var err error
			for err == nil { // what was received before
				_, err = peer.Read(make([]byte, 1<<20))
			}
			if full { // one of the peer's two directions is told
				err = errors.Join(err, <-wrote)
			}
			if !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the peer finds %v", err)
			}
		}
	})
}
