package virtio

import (
	"cmp"
	"fmt"
	"log/slog"

	"github.com/lunette-io/lunette/buffer"
)

// Config is what a node is made of. The zero value of a field means its default.
type Config struct {
	Log   *slog.Logger
	Arena *buffer.Arena
	// MaxNexuses is how many I_T nexuses there may be, one for each target that a guest's driver sees, those whose tasks have not ended included. Default 1024.
	MaxNexuses int
}

func (c *Config) defaults() {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Arena == nil {
		c.Arena = buffer.NewArena(1 << 30)
	}
	c.MaxNexuses = cmp.Or(c.MaxNexuses, 1024)
}

// check refuses what no node could work with.
func (c *Config) check() error {
	if c.MaxNexuses < 1 {
		return fmt.Errorf("virtio: MaxNexuses=%d is below 1", c.MaxNexuses)
	}
	return nil
}
