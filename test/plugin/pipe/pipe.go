// Package pipe is a transport for tests, with a provider of its own: initiators of the same process
// come by names that look like paths. It is what a new transport looks like: this folder and a line in
// the daemon's list are all of it.
package pipe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// A Process is the network: the portals of this process by their addresses.
type Process struct {
	mu      sync.Mutex
	portals map[string]*portal // by address
	opened  int                // networks
}

// New makes a process without portals.
func New() *Process { return &Process{portals: make(map[string]*portal)} }

// Kind is the transport "pipe" and the provider "process".
func (p *Process) Kind() plugin.Plugin {
	return plugin.Several{
		plugin.Transport{
			About: plugin.About{Name: "pipe", Help: "Pipes, for tests."},
			Target: []model.Option{{Name: "pipe", Type: model.Group, Options: []model.Option{
				{Name: "guests", Type: model.Group, List: true, Help: "Who may log in.", Options: []model.Option{
					{Name: "name", Required: true, Check: checkGuest, Help: "guest: and a name"},
					{Name: "since", Type: model.Int, Default: "1", Help: "The year."},
				}},
			}}},
			Document: []model.Option{{Name: "pipe", Type: model.Group, Change: model.Live, Options: []model.Option{
				{Name: "greeting", Default: "hello", Help: "What sessions are called."},
			}}},
			Check: check, New: newNode, Show: show,
			Portals: []plugin.PortalKind{plugin.Over(plugin.PortalKind{
				About: plugin.About{Name: "pipe", Help: "A pipe.", Options: []model.Option{
					{Name: "slots", Type: model.Int, Change: model.Live, Default: "8", Min: 1, Help: "How many sessions may come by the portal."},
				}},
				Attach: func(a plugin.Attaching) []string { return []string{"  a guest   " + a.At + " " + a.Target.Name} },
			}, listen)},
		},
		plugin.Opens(plugin.Provider{
			About: plugin.About{Name: "process", Help: "Inside the process."},
			Listen: func(uint16) model.Listen {
				return model.Listen{Parse: parse, Space: "path", Default: "/default", Open: "/open"}
			},
			Explain: func(f plugin.Failed) string {
				return fmt.Sprintf("%v (beside %d others)", f.Err, len(f.Beside))
			},
		}, p.open),
	}
}

// parse reads an address: /, and what is no space.
func parse(_, text, written string) (model.Address, error) {
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(text, " ") {
		return model.Address{}, model.NotAPortal(written, "its address does not begin with a slash", "/NAME, such as /lab/a")
	}
	return model.Address{Text: text, Takes: text, Next: text + "2", Local: true}, nil
}

func checkGuest(name string) error {
	if !strings.HasPrefix(name, "guest:") {
		return fmt.Errorf("%q is not a guest: it begins with guest:", name)
	}
	return nil
}

// check: a target that others may not have is not shown to all by a pipe.
func check(c *model.Check) {
	for i, t := range c.Document.Targets {
		why := c.Restrictions(t)
		if len(why) > 0 && len(c.Portals("pipe", t.Name)) > 0 && len(t.Values.Group("pipe").Groups("guests")) == 0 {
			c.Fail(fmt.Sprintf("targets[%d]", i), "the target %s, which pipes do not: name the guests", why[0])
		}
	}
}

// show says who may log in.
func show(s plugin.Showing) plugin.Shown {
	var names []string
	for _, g := range s.Target.Values.Group("pipe").Groups("guests") {
		names = append(names, g.String("name"))
	}
	who := strings.Join(names, " ")
	if who == "" {
		who = "all"
	}
	return plugin.Shown{
		Facts: api.Facts{{Name: "guests", Value: append([]string{}, names...), Column: "GUESTS", Text: who}},
		Lines: []string{"   pipe " + who},
		Notes: []api.Note{{Title: "by pipe", Lines: s.At}},
	}
}

// open makes the network, which is this process.
func (p *Process) open(model.Values) (*network, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened++
	return &network{p}, nil
}

// Occupy takes the address of a portal, as another program does.
func (p *Process) Occupy(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.portals[addr] = &portal{process: p, addr: addr}
}

// Opened is how many networks are open.
func (p *Process) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

type network struct{ *Process }

// Close implements [plugin.Network].
func (n *network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened--
	return nil
}

// A portal is an address of a process where a node takes sessions.
type portal struct {
	process *Process
	node    *node
	addr    string
	slots   int64

	mu      sync.Mutex // before node.mu
	only    map[string]bool
	started bool
	used    int64
}

func listen(_ context.Context, n *node, net *network, b plugin.Binding) (plugin.Portal, error) {
	p := &portal{process: net.Process, node: n, addr: b.Address}
	p.Set(b)
	net.mu.Lock()
	defer net.mu.Unlock()
	if net.portals[p.addr] != nil {
		return nil, fmt.Errorf("%s is there already", p.addr)
	}
	net.portals[p.addr] = p
	return p, nil
}

// Addr implements [plugin.Portal].
func (p *portal) Addr() string { return p.addr }

// Set implements [plugin.Portal].
func (p *portal) Set(b plugin.Binding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.only, p.slots = nil, b.Values.Int("slots")
	for _, name := range b.Targets {
		if p.only == nil {
			p.only = make(map[string]bool)
		}
		p.only[name] = true
	}
}

// Start implements [plugin.Portal].
func (p *portal) Start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = true
}

// Close implements [plugin.Portal].
func (p *portal) Close() error {
	p.process.mu.Lock()
	defer p.process.mu.Unlock()
	if p.process.portals[p.addr] == p {
		delete(p.process.portals, p.addr)
	}
	return nil
}

// Login logs a guest in to a target by the portal at addr.
func (p *Process) Login(addr, target, guest string) (*Session, error) {
	p.mu.Lock()
	x := p.portals[addr]
	p.mu.Unlock()
	if x == nil {
		return nil, fmt.Errorf("pipe: there is no portal %s", addr)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !x.started:
		return nil, fmt.Errorf("pipe: the portal %s is not started", addr)
	case x.only != nil && !x.only[target]:
		return nil, fmt.Errorf("pipe: the portal %s does not show %s", addr, target)
	case x.used == x.slots:
		return nil, fmt.Errorf("pipe: the portal %s has no room", addr)
	}
	s, err := x.node.login(target, guest, addr, time.Now())
	if err == nil {
		x.used++
	}
	return s, err
}
