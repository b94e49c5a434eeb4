package fcp

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

	// MaxNexuses is how many initiators may be logged in at all targets together, those whose
	// tasks have not ended included. Default 1024.
	MaxNexuses int
	// Solicited bounds the data-out, in bytes, that the tasks of one nexus ask for at a time; more
	// tasks wait for their turn. Default 16 MiB.
	Solicited int64
}

func (c *Config) defaults() {
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Arena == nil {
		c.Arena = buffer.NewArena(1 << 30)
	}
	c.MaxNexuses = cmp.Or(c.MaxNexuses, 1024)
	c.Solicited = cmp.Or(c.Solicited, 16<<20)
}

// check refuses what no node could work with.
func (c *Config) check() error {
	switch {
	case c.MaxNexuses < 1:
		return fmt.Errorf("fcp: MaxNexuses=%d is below 1", c.MaxNexuses)
	case c.Solicited < 1:
		return fmt.Errorf("fcp: Solicited=%d is below 1", c.Solicited)
	}
	return nil
}
