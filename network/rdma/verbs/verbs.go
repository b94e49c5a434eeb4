// Package verbs is a provider of RDMA by adapters: of hardware, or the kernel's siw and rxe. It uses libibverbs and librdmacm, which only a
// program that was built with the tag "verbs" does, and which are opened when the first device is made.
//
// Everything but the libraries themselves is behind small interfaces (driver.go). A [Device] has a card for each adapter that it has met; a
// card has pollers, which hand over what has come; a connection belongs to one poller, and is called by it alone.
package verbs

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// Config says how a device works.
type Config struct {
	// Memory is the list of regions that adapters register when they are first used; works whose data lies there are done in place. nil: all
	// data is copied.
	Memory *buffer.Regions
	// Adapter is the name of the only adapter that is used, as the kernel has it; empty: any that has the address.
	Adapter string
	// Depth is how many works of a connection an adapter has at a time; others wait. 0: 128.
	Depth int
	// Shared says whether connections share one queue of receive buffers for all messages of a length.
	Shared Sharing
	// Copies is how much memory there may be for what has to be copied, in bytes; 0: 64 MiB.
	Copies int64
	// Log is told of memory that cannot be registered, and of adapters that fail; nil: nobody is.
	Log *slog.Logger
}

// Sharing says whether connections share buffers.
type Sharing uint8

// Ways to share.
const (
	// SharedAuto is SharedYes but with iWARP, where a message for which there is no buffer ends its connection: there the peer of one
	// connection could end others by sending too many.
	SharedAuto Sharing = iota
	SharedYes
	SharedNo
)

// Limits of a configuration.
const (
	defaultDepth  = 128
	minDepth      = 16
	maxDepth      = 4096
	defaultCopies = 64 << 20
)

// New makes a device. Without verbs in this program, or without the libraries, the error says what to do.
func New(c Config) (*Device, error) {
	if c.Depth != 0 && (c.Depth < minDepth || c.Depth > maxDepth) {
		return nil, fmt.Errorf("verbs: a depth of %d: it can be %d to %d", c.Depth, minDepth, maxDepth)
	}
	l, err := open()
	if err != nil {
		return nil, err
	}
	return start(c, l)
}

// checkOptions finds what cannot be agreed on.
func checkOptions(o *rdma.Options) error {
	switch {
	case len(o.Private) > rdma.MaxPrivate:
		return fmt.Errorf("verbs: %d bytes of private data: it can be %d", len(o.Private), rdma.MaxPrivate)
	case o.Reads < 0 || o.Serves < 0 || o.MaxMessage < 0 || o.Messages < 0:
		return errors.New("verbs: options below 0")
	case o.MaxMessage > buffer.MaxBlock:
		return fmt.Errorf("verbs: messages of %d bytes: they can have %d", o.MaxMessage, buffer.MaxBlock)
	}
	return nil
}
