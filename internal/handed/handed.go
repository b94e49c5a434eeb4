// Package handed carries an open socket to the one that will listen on it: through the context of a call
// that goes by interfaces which know nothing of files. So what listens at an address can become another
// without a moment at which nobody does, and connections that wait to be accepted are not lost.
package handed

import (
	"context"
	"os"
)

type key struct{}

// With returns a context with a socket that is bound and listens. The caller closes it when the call has
// returned: who listens on it has it duplicated.
func With(ctx context.Context, socket *os.File) context.Context {
	return context.WithValue(ctx, key{}, socket)
}

// Socket is that of With; nil: there is none, so that one has to be made.
func Socket(ctx context.Context) *os.File {
	f, _ := ctx.Value(key{}).(*os.File)
	return f
}

// A Sharer has a socket that it can hand on, and goes on listening on it until it is closed.
type Sharer interface {
	// Share returns a duplicate of the socket.
	Share() (*os.File, error)
}
