package kind

import (
	"maps"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// discoveryOptions are about who learns which targets there are. Without any of them, discovery is as
// closed as the targets: when one asks for CHAP, who asks for targets proves to be a user of one, and
// learns of those to which that lets them in.
func discoveryOptions() []model.Option {
	return []model.Option{
		authOption("who may ask which targets there are"),
		{Name: "open", Type: model.Bool, Help: "Whether everybody who reaches a portal may ask which targets there are, although targets ask for CHAP. Without it and without `auth`, who asks proves to be a user of a target, and learns of those that this lets them in to; if no target asks for CHAP, discovery does not either."},
		{Name: "sessions", Type: model.Int, Default: "64", Min: 1, Max: 65536, Help: "How many discovery sessions there may be, beside `limits.connections`. When there are too many, the oldest of the address that has most ends."},
		{Name: "lifetime", Type: model.Duration, Default: "1m", Min: int64(time.Second), Max: int64(24 * time.Hour), Help: "How long a discovery session may last, whatever it does."},
	}
}

// checkDiscovery looks at what the options of discovery say together.
func checkDiscovery(c *model.Check) {
	v := c.Document.Values.Group("discovery")
	if v.Bool("open") && len(v.Group("auth").Groups("users")) > 0 {
		c.Fail("discovery.open", "discovery is for everybody, and \"auth\" asks who they are: leave one of the two out")
	}
}

// finder makes the authentication of discovery: users of its own, nothing, or to be a user of a
// target.
func (s *secrets) finder(discovery owner, open bool) func() login.Authenticator {
	switch {
	case discovery.chap != nil:
		return discovery.authenticator()
	case open:
		return nil
	}
	return func() login.Authenticator {
		if g := s.gather(); g != nil {
			return g.Begin()
		}
		return nil
	}
}

// gather returns the guests of all targets; nil: none of them asks for a proof.
func (s *secrets) gather() *auth.Guests {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gathered {
		return s.guests
	}
	all := make(map[string]*auth.CHAP)
	for o := range maps.Values(s.all) {
		if o.chap != nil && o.target != "" {
			all[o.target] = o.chap
		}
	}
	s.guests, s.gathered = nil, true
	if len(all) > 0 {
		s.guests = auth.NewGuests(all)
	}
	return s.guests
}
