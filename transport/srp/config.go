package srp

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// Config says how a node behaves. The zero value of a field means its default.
type Config struct {
	Log   *slog.Logger
	Arena *buffer.Arena

	// Credits is how many requests a channel may have outstanding (its request limit). Default 128.
	Credits int
	// MaxIU is the longest information unit that a channel takes, in bytes: what is not needed for
	// descriptors is room for immediate data. Default 8276.
	MaxIU int
	// MaxDescriptors is how many memory descriptors a data buffer may have. Default 2048.
	MaxDescriptors int
	// MaxTransfer is how long a data buffer may be, in bytes. Default 64 MiB.
	MaxTransfer int64
	// Solicited bounds the data-out, in bytes, that the tasks of one channel fetch at a time; more
	// tasks wait for their turn. Default 16 MiB.
	Solicited int64
	// Reads is how many RDMA Reads a channel wants to have outstanding. Default 16.
	Reads int

	MaxChannels      int // of all nexuses, those with tasks that have not ended included; default 10000
	MaxNexusChannels int // of one; default 64
	MaxLogins        int // that are under way; default 100

	LoginTimeout time.Duration // for the end of the connections that a login terminates; default 15 s
	StallTimeout time.Duration // without progress of RDMA Reads or of sending; default 60 s
}

func (c *Config) defaults() {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Arena == nil {
		c.Arena = buffer.NewArena(1 << 30)
	}
	c.Credits = cmp.Or(c.Credits, 128)
	c.MaxIU = cmp.Or(c.MaxIU, 8276)
	c.MaxDescriptors = cmp.Or(c.MaxDescriptors, 2048)
	c.MaxTransfer = cmp.Or(c.MaxTransfer, 64<<20)
	c.Solicited = cmp.Or(c.Solicited, 16<<20)
	c.Reads = cmp.Or(c.Reads, 16)
	c.MaxChannels = cmp.Or(c.MaxChannels, 10000)
	c.MaxNexusChannels = cmp.Or(c.MaxNexusChannels, 64)
	c.MaxLogins = cmp.Or(c.MaxLogins, 100)
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 15*time.Second)
	c.StallTimeout = cmp.Or(c.StallTimeout, time.Minute)
}

// check refuses what no channel could work with. An initiator keeps one credit for task management.
func (c *Config) check() error {
	switch {
	case c.Credits < 2 || c.Credits > 1<<15:
		return fmt.Errorf("srp: Credits=%d is not from 2 to %d", c.Credits, 1<<15)
	case c.MaxIU < iu.LoginRequestLen || c.MaxIU > 1<<20:
		return fmt.Errorf("srp: MaxIU=%d is not from %d to %d", c.MaxIU, iu.LoginRequestLen, 1<<20)
	case c.MaxDescriptors < 1 || c.MaxDescriptors > buffer.MaxBlock/iu.DescriptorLen:
		return fmt.Errorf("srp: MaxDescriptors=%d is not from 1 to %d", c.MaxDescriptors, buffer.MaxBlock/iu.DescriptorLen)
	case c.Reads < 1:
		return fmt.Errorf("srp: Reads=%d is below 1", c.Reads)
	}
	return nil
}
