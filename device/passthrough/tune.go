package passthrough

import (
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/scsi"
)

// Tune lets what is in a, and nothing else, pass beyond what always does, and time-outs be these, from the next command on.
func (u *Unit) Tune(a Allowed, timeouts map[scsi.Opcode]time.Duration) {
	u.policy.tuned.allow.Store(&a)
	u.path.tuned.timeouts.Store(&timeouts)
}

// A tuning is what was changed of a [Config] since; its zero value is nothing.
type tuning struct {
	allow    atomic.Pointer[Allowed]
	timeouts atomic.Pointer[map[scsi.Opcode]time.Duration]
}

// allowed are the commands that pass beyond those that always do.
func (t *tuning) allowed(cfg *Config) *Allowed {
	if a := t.allow.Load(); a != nil {
		return a
	}
	return &cfg.Allow
}

// timeout is that of the configuration for op; 0: it says nothing.
func (t *tuning) timeout(cfg *Config, op scsi.Opcode) time.Duration {
	if m := t.timeouts.Load(); m != nil {
		return (*m)[op]
	}
	return cfg.Timeouts[op]
}
