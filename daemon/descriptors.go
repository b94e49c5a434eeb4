package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/agent/model"
)

// apart is how many descriptors are kept for what is not an initiator: those who ask the API, reading
// and writing files beside the stores, and what is open for a moment.
const apart = 24

// entering is how many descriptors n logins take: as many connections can be ending to make room, and a quarter
// more for addresses of which none is ending.
func entering(n int) int { return 2*n + n/4 }

// A budget is how many descriptors there are for connections.
type budget struct {
	limit int // RLIMIT_NOFILE, which the runtime has raised as far as it may be
	taken int // open now, and by portals that are still to be bound
	nodes int // transports, each of which has connections
}

// fit lowers limits, which are those of each transport, to what descriptors allow. Beside the
// connections that are logged in and those that are not, as many as may not be logged in can be ending,
// and discovery has some of its own.
func (b budget) fit(asked model.Limits) (model.Limits, error) {
	each := (b.limit - b.taken - apart) / max(b.nodes, 1)
	if each < 8 {
		return asked, fmt.Errorf("there are no descriptors for connections: units and portals take %d of the %d that this process may have: raise the limit, as with ulimit -n 65536 or LimitNOFILE=65536", b.taken, b.limit)
	}
	discovery := min(64, each/8)
	got := asked
	if asked.Connections+entering(asked.Logins)+discovery > each {
		got.Logins = min(asked.Logins, each/8)
		got.Connections = min(asked.Connections, each-entering(got.Logins)-discovery)
	}
	return got, nil
}

// limits are the limits of a document, as far as there are descriptors. It is called first before the
// first transport is made, and the units are open: what they take then, and may take later, is kept for them. Daemon.changing
// is held.
func (c *nodes) limits(doc *model.Document) (model.Limits, error) {
	d := c.d
	first := d.taken == 0
	if first {
		d.taken = openFiles() + int(d.units.later.Load())
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return model.Limits{}, os.NewSyscallError("getrlimit", err)
	}
	const enough = 1 << 30 // more than anybody has, and RLIM_INFINITY too
	b := budget{limit: int(min(limit.Cur, enough)), taken: d.taken + 2*len(doc.Portals)}
	transports := make(map[string]bool)
	for _, p := range doc.Portals {
		if pair, err := d.reg.Pair(p.Kind); err == nil {
			transports[pair.Transport.Name] = true
		}
	}
	b.nodes = len(transports)
	got, err := b.fit(doc.Limits)
	if err != nil {
		return got, err
	}
	if first {
		d.fitting, d.descriptors = got, int(b.limit)
	}
	return got, nil
}

// openFiles is how many descriptors this process has open.
func openFiles() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 64 // there is no /proc: a guess, above what a few units take
	}
	return len(all)
}

// plenty is how many connections are so many that nobody misses more who has not asked for them.
const plenty = 1000

// lowered reports that limits are less than the document says, and whether somebody may miss them: a
// document that has only defaults does not ask for so many.
func (d *Daemon) lowered() (lowered, missed bool) {
	asked, got := d.doc().Limits, d.fitting
	if got.Connections == 0 || got == asked {
		return false, false
	}
	byDefault := asked.Connections == model.DefaultConnections && asked.Logins == model.DefaultLogins
	return true, !byDefault || got.Connections < plenty
}

// announceLimits says that less can come at a time than was asked for.
func (d *Daemon) announceLimits(b *strings.Builder) {
	if _, missed := d.lowered(); missed {
		fmt.Fprintf(b, "\nat most %d connections and %d logins at a time, not %d and %d: this process may have %d descriptors (ulimit -n)\n",
			d.fitting.Connections, d.fitting.Logins, d.doc().Limits.Connections, d.doc().Limits.Logins, d.descriptors)
	}
}

// logLimits writes the same to the log.
func (d *Daemon) logLimits() {
	lowered, missed := d.lowered()
	if !lowered {
		return
	}
	level := slog.LevelInfo
	if missed {
		level = slog.LevelWarn
	}
	d.log.Log(context.Background(), level, "limits are lowered to what descriptors allow (ulimit -n)", "descriptors", d.descriptors,
		"connections", d.fitting.Connections, "logins", d.fitting.Logins,
		"asked-connections", d.doc().Limits.Connections, "asked-logins", d.doc().Limits.Logins)
}
