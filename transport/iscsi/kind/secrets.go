package kind

import (
	"fmt"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// An owner is what has an [authOption]: a target or discovery, with the secrets that were read for it.
type owner struct {
	name   string // "target NAME", or "discovery"
	target string // its name; empty: discovery
	chap   *auth.CHAP
	// users are who may log in there, mutual who we prove to be there, nil: nobody.
	users      []named
	mutual     *named
	algorithms []string
}

// A named secret says for errors what it is: they never show it.
type named struct {
	what   string // "the user NAME of target NAME"
	file   string
	secret auth.Secret
}

// discoveryOwner and targetOwner are the names of owners.
const discoveryOwner = "discovery"

func targetOwner(name string) string { return "target " + name }

// load reads the secrets of an [authOption] of the owner with a name.
func load(name string, v model.Values) (owner, error) {
	o := owner{name: name, algorithms: v.Strings("algorithms")}
	if len(v.Groups("users")) == 0 {
		return o, nil
	}
	account := func(v model.Values) (auth.Account, named, error) {
		user, file := v.String("user"), v.String("secret-file")
		secret, err := auth.LoadSecret(file)
		return auth.Account{User: user, Secret: secret}, named{fmt.Sprintf("the user %q of %s", user, name), file, secret}, err
	}
	var cfg auth.Config
	for _, u := range v.Groups("users") {
		x, s, err := account(u)
		if err != nil {
			return o, err
		}
		cfg.Accounts = append(cfg.Accounts, x)
		o.users = append(o.users, s)
	}
	if v.Has("mutual") {
		x, s, err := account(v.Group("mutual"))
		if err != nil {
			return o, err
		}
		cfg.Target = &x
		s.what = name + ", which proves itself as " + fmt.Sprintf("%q", x.User)
		o.mutual = &s
	}
	for _, a := range auth.All() {
		if slices.Contains(o.algorithms, a.Name()) {
			cfg.Algorithms = append(cfg.Algorithms, a)
		}
	}
	var err error
	o.chap, err = auth.NewCHAP(cfg)
	return o, err
}

// authenticator makes one run of the authentication that o asks for; nil if it asks for none.
func (o owner) authenticator() func() login.Authenticator {
	if o.chap == nil {
		return nil
	}
	return func() login.Authenticator { return o.chap.Begin() }
}

// asks reports that o asks for the same proof as other.
func (o owner) asks(other owner) bool {
	same := func(a, b named) bool { return a.what == b.what && a.secret.Equal(b.secret) }
	return slices.EqualFunc(o.users, other.users, same) && slices.Equal(o.algorithms, other.algorithms) &&
		(o.mutual == nil) == (other.mutual == nil) && (o.mutual == nil || same(*o.mutual, *other.mutual))
}

// secrets are those of a whole node. What one target proves itself with must not be what anybody
// proves themselves with to another, or to discovery: who is let in to the one would have it compute
// the answer to the challenge of the other (RFC 7143 9.2.1).
type secrets struct {
	mu  sync.Mutex
	all map[string]owner // by name
	// checked are those of the change that is being prepared, and staying the targets that there will
	// be after it; nil: all that there are.
	checked map[string]owner
	staying map[string]bool
	// mutual has all that prove themselves, or have done so once, by name: few have to be compared with others.
	mutual map[string]owner
	// guests are all who have a secret of a target; nil: no target asks for one. They are made when they are
	// asked for, after a change: gathered is false then.
	guests   *auth.Guests
	gathered bool
}

// begin begins a change, after which there are targets of these names alone; nil: it is not known.
func (s *secrets) begin(targets []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked, s.staying = make(map[string]owner), nil
	if targets == nil {
		return
	}
	s.staying = map[string]bool{discoveryOwner: true}
	for _, name := range targets {
		s.staying[targetOwner(name)] = true
	}
}

// check reports an error if o has a secret that another has for the other direction, as the others are
// after the change, as far as that is known.
func (s *secrets) check(o owner) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checked == nil {
		s.checked = make(map[string]owner)
	}
	s.checked[o.name] = o
	s.noteMutual(o)
	for _, all := range s.others(o) {
		for name := range all {
			other, ok := s.checked[name]
			if !ok {
				other, ok = s.all[name]
			}
			if !ok || name == o.name || s.staying != nil && !s.staying[name] {
				continue
			}
			if err := apart(o.mutual, other.users); err != nil {
				return err
			}
			if err := apart(other.mutual, o.users); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteMutual notes that o proves itself, if it does. s.mu is held.
func (s *secrets) noteMutual(o owner) {
	if o.mutual == nil {
		return
	}
	if s.mutual == nil {
		s.mutual = make(map[string]owner)
	}
	s.mutual[o.name] = o
}

// others are the owners that may have a secret of the other direction than one of o. s.mu is held.
func (s *secrets) others(o owner) []map[string]owner {
	if o.mutual == nil {
		return []map[string]owner{s.mutual}
	}
	return []map[string]owner{s.all, s.checked}
}

// like returns o with the CHAP of the owner that is there under its name, if that asks for the same proof:
// what was proved to it is as good then.
func (s *secrets) like(o owner) owner {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, ok := s.all[o.name]; ok && o.asks(now) {
		o.chap = now.chap
	}
	return o
}

// set takes the secrets of an owner, in the place of those that it had.
func (s *secrets) set(o owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[string]owner)
	}
	s.all[o.name] = o
	s.noteMutual(o)
	delete(s.checked, o.name)
	s.gathered = false
}

// drop forgets the secrets of an owner.
func (s *secrets) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, name)
	delete(s.checked, name)
	delete(s.mutual, name)
	s.gathered = false
}

// apart refuses users that have the secret with which we prove ourselves.
func apart(mutual *named, users []named) error {
	if mutual == nil {
		return nil
	}
	for _, u := range users {
		if mutual.secret.Equal(u.secret) {
			return fmt.Errorf("%s (%s) and %s (%s) have the same secret: who is let in by the one could pass for the other (RFC 7143 9.2.1). Give them two",
				mutual.what, mutual.file, u.what, u.file)
		}
	}
	return nil
}
