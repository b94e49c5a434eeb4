package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// portalCmd is what can be done to portals.
type portalCmd struct {
	Create portalCreateCmd `cmd:"" help:"Listen at an address."`
	Set    setObject       `cmd:"" help:"Change values of a portal."`
	Delete deleteObject    `cmd:"" help:"Listen no more; sessions stay, but for those by FCP and virtio."`
	List   listObjects     `cmd:"" help:"List the portals of the document."`
	Show   showObject      `cmd:"" help:"Show a portal as it stands in the document."`
}

// portalCreateCmd adds a portal.
type portalCreateCmd struct {
	Args   []string `arg:"" name:"address" sep:"none" help:"A name, if it is to have one; where to listen, as [TRANSPORT+PROVIDER://]ADDRESS[:PORT]; and values as \"lunette portal set\" has them."`
	Target []string `sep:"none" placeholder:"IQN" complete:"target" help:"Show this target, and no others. Repeatable."`
	Tag    uint16   `placeholder:"N" help:"Number of the group of portals: a session has connections by portals of one group."`
	changing
}

// Run adds it.
func (c *portalCreateCmd) Run(e *env) error {
	var words, values []string
	for _, a := range c.Args {
		if strings.Contains(a, "=") {
			values = append(values, a)
			continue
		}
		words = append(words, a)
	}
	if len(words) == 0 || len(words) > 2 {
		return usageError{errors.New("name an address, or a name and an address, such as \"front 192.0.2.10:3260\"")}
	}
	address := words[len(words)-1]
	p, err := e.registry.Schema().ParsePortal(address)
	if err != nil {
		return usageError{err}
	}
	k := model.Key{Kind: model.PortalObject, Name: p.String()}
	object := fields{}
	if len(words) == 2 {
		k.Name = words[0]
		object = object.with("name", k.Name)
	}
	if kind, rest, ok := strings.Cut(address, "://"); ok {
		object, address = object.with("kind", kind), rest
	}
	object = object.with("address", address)
	if len(c.Target) > 0 {
		object = object.with("targets", c.Target)
	}
	if c.Tag > 0 {
		object = object.with("tag", c.Tag)
	}
	return c.creates(e, k, object, values)
}

// accessCmd is what can be done to what some initiators see of a target.
type accessCmd struct {
	Create accessCreateCmd `cmd:"" help:"Say what some initiators see of a target."`
	Set    setObject       `cmd:"" help:"Change values of an entry."`
	Delete deleteObject    `cmd:"" help:"Remove an entry: its initiators see what all see."`
	List   listObjects     `cmd:"" help:"List the entries of all targets."`
	Show   showObject      `cmd:"" help:"Show an entry as it stands in the document."`
}

// accessCreateCmd adds an entry.
type accessCreateCmd struct {
	Name   string   `arg:"" help:"TARGET/NAME: the target, and how the entry is called."`
	Values []string `arg:"" optional:"" name:"key=value" sep:"none" help:"Values as \"lunette access set\" has them."`

	Initiator []string `sep:"none" placeholder:"PATTERN" help:"It is about initiators of this name, which may have * and ?. Repeatable."`
	Address   []string `sep:"none" placeholder:"NET" help:"It is about initiators at this address, or in this network, as 192.0.2.0/24. Repeatable."`
	User      []string `sep:"none" placeholder:"USER" complete:"user" help:"It is about who has proved to be USER. Repeatable."`
	LUN       []string `name:"lun" sep:"none" placeholder:"N=UNIT[,ro]" help:"What they see; without any they see nothing. Repeatable."`
	changing
}

// Run adds it.
func (c *accessCreateCmd) Run(e *env) error {
	i := strings.LastIndexByte(c.Name, '/')
	if i <= 0 || i == len(c.Name)-1 {
		return usageError{fmt.Errorf("%q is not TARGET/NAME", c.Name)}
	}
	object := fields{{"name", c.Name[i+1:]}}
	for _, l := range []struct {
		key string
		all []string
	}{{"initiators", c.Initiator}, {"addresses", c.Address}, {"users", c.User}} {
		if len(l.all) > 0 {
			object = object.with(l.key, l.all)
		}
	}
	luns, err := mapping(c.LUN)
	if err != nil {
		return usageError{fmt.Errorf("--lun: %w", err)}
	}
	if len(luns) > 0 {
		object = object.with("luns", luns)
	}
	return c.creates(e, model.Key{Kind: model.AccessObject, Name: c.Name}, object, c.Values)
}

// userCmd is what can be done to users.
type userCmd struct {
	Create userCreateCmd `cmd:"" help:"Add a user, whose secret is in a file."`
	Set    setObject     `cmd:"" help:"Change values of a user."`
	Delete deleteObject  `cmd:"" help:"Remove a user."`
	List   listObjects   `cmd:"" help:"List the users of the document."`
	Show   showObject    `cmd:"" help:"Show a user as it stands in the document."`
}

// userCreateCmd adds a user.
type userCreateCmd struct {
	Name       string `arg:"" help:"The name that the initiator gives."`
	SecretFile string `required:"" placeholder:"FILE" complete:"file" help:"File with the secret, which the daemon reads: nobody but its user may."`
	changing
}

// Run adds it.
func (c *userCreateCmd) Run(e *env) error {
	path, err := filepath.Abs(c.SecretFile)
	if err != nil {
		return err
	}
	return c.create(e, model.Key{Kind: model.UserObject, Name: c.Name}, fields{{"name", c.Name}, {"secret-file", path}})
}

// sectionCmd is what can be done to the sections of the document.
type sectionCmd struct {
	Set    setObject    `cmd:"" help:"Change values of a section."`
	Delete deleteObject `cmd:"" help:"Remove a section: its values are the defaults."`
	List   listObjects  `cmd:"" help:"List the sections of the document, such as limits."`
	Show   showObject   `cmd:"" help:"Show a section as it stands in the document."`
}

// sessionCmd is what can be done to sessions.
type sessionCmd struct {
	List       sessionsCmd          `cmd:"" help:"List the initiators that are logged in, as \"lunette sessions\" does."`
	Disconnect sessionDisconnectCmd `cmd:"" help:"End sessions; initiators that want to may come again."`
}

// sessionDisconnectCmd ends sessions.
type sessionDisconnectCmd struct {
	Transport string   `arg:"" complete:"session" help:"The transport, as \"lunette sessions -o wide\" has it."`
	IDs       []string `arg:"" name:"id" sep:"none" complete:"session" help:"The session, as its transport names it: id in \"lunette sessions -o json\"."`
	at
}

// Run ends them, one after the other.
func (c *sessionDisconnectCmd) Run(e *env) error {
	for _, id := range c.IDs {
		if err := e.daemon(c.Socket).DropSession(e.ctx, c.Transport, id); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "The %s session %s has ended.\n", printable(c.Transport), printable(id))
	}
	return nil
}
