package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// Config is who may authenticate, and how.
type Config struct {
	// Accounts are the initiators': any of them will do.
	Accounts []Account

	// Target is what the target proves itself with to an initiator that asks
	// for it; nil: mutual authentication is refused.
	Target *Account

	// Algorithms are the allowed ones; empty: all. Their order does not matter: that of the
	// initiator decides.
	Algorithms []Algorithm
}

// CHAP authenticates initiators. It is shared by all connections.
type CHAP struct {
	accounts   []Account
	target     *Account
	algorithms []Algorithm
	decoy      Secret            // for users that do not exist
	random     func([]byte) byte // fills the challenge, returns the identifier
	guests     []guest           // of [Guests]: then there are no accounts
}

// NewCHAP checks a configuration. The secrets of the two directions must differ
// (RFC 7143 section 9.2.1).
func NewCHAP(cfg Config) (*CHAP, error) {
	c := &CHAP{accounts: slices.Clone(cfg.Accounts), algorithms: slices.Clone(cfg.Algorithms), random: random}
	if len(c.accounts) == 0 {
		return nil, errors.New("CHAP without a user that may log in")
	}
	for i, a := range c.accounts {
		if err := a.check(); err != nil {
			return nil, err
		}
		for _, b := range c.accounts[:i] {
			if a.User == b.User {
				return nil, fmt.Errorf("CHAP user %q is there twice", a.User)
			}
			if a.Secret.Equal(b.Secret) {
				return nil, fmt.Errorf("the CHAP users %q and %q have the same secret: each could log in as the other", b.User, a.User)
			}
		}
	}
	if cfg.Target != nil {
		t := *cfg.Target
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("mutual CHAP: %w", err)
		}
		for _, a := range c.accounts {
			if a.Secret.Equal(t.Secret) {
				return nil, fmt.Errorf("mutual CHAP: user %q and the target have the same secret; they must differ", a.User)
			}
		}
		c.target = &t
	}
	if len(c.algorithms) == 0 {
		c.algorithms = All()
	}
	for _, a := range c.algorithms {
		if a < MD5 || a > SHA3_256 {
			return nil, fmt.Errorf("unknown CHAP %v", a)
		}
	}
	decoy := make([]byte, 16)
	_, _ = rand.Read(decoy) // never fails
	c.decoy = conceal(decoy)
	return c, nil
}

func random(challenge []byte) byte {
	var id [1]byte
	_, _ = rand.Read(id[:]) // never fails
	_, _ = rand.Read(challenge)
	return id[0]
}

// Begin starts the authentication of one connection.
func (c *CHAP) Begin() *Run { return &Run{chap: c} }

// A Run is one authentication; it is a login.Authenticator and for one
// goroutine.
type Run struct {
	chap      *CHAP
	state     state
	algorithm Algorithm
	id        byte
	challenge []byte
	user      string   // that the initiator says it is
	by        *CHAP    // that has let it in
	opens     []string // the names of all of [Guests] that have
}

type state uint8

const (
	wantAlgorithm state = iota
	wantResponse
	proved
	failed
)

// Method is "CHAP".
func (r *Run) Method() string { return "CHAP" }

// User is the name that was proved, "" before.
func (r *Run) User() string {
	if r.state != proved {
		return ""
	}
	return r.user
}

// Claims is the name that the initiator has tried to prove, "" before.
func (r *Run) Claims() string { return r.user }

// Owns reports whether key is one of CHAP's.
func (r *Run) Owns(key string) bool { return owns(key) }

func owns(key string) bool {
	switch key {
	case "CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R":
		return true
	}
	return false
}

// Next takes the initiator's keys: CHAP_A first, then CHAP_N and CHAP_R, with
// CHAP_I and CHAP_C if the target shall prove itself too. After an error
// nothing succeeds any more.
func (r *Run) Next(in []login.Pair) (out []login.Pair, done bool, err error) {
	var k keys
	if err = k.read(in); err == nil {
		switch r.state {
		case wantAlgorithm:
			out, err = r.choose(k)
		case wantResponse:
			out, err = r.verify(k)
		default:
			err = errors.New("CHAP: keys after the end")
		}
	}
	if err != nil {
		r.state = failed
		return nil, false, err
	}
	return out, r.state == proved, nil
}

func (r *Run) choose(k keys) ([]login.Pair, error) {
	if k.a == nil || k.i != nil || k.c != nil || k.n != nil || k.r != nil {
		return nil, errors.New("CHAP: the first step is CHAP_A alone")
	}
	a, err := choose(*k.a, r.chap.algorithms)
	if err != nil {
		return nil, fmt.Errorf("CHAP: %w", err)
	}
	r.algorithm = a
	r.challenge = make([]byte, max(16, a.Size()))
	r.id = r.chap.random(r.challenge)
	r.state = wantResponse
	return []login.Pair{
		{Key: "CHAP_A", Value: strconv.Itoa(int(a))},
		{Key: "CHAP_I", Value: strconv.Itoa(int(r.id))},
		{Key: "CHAP_C", Value: login.FormatBinary(r.challenge)},
	}, nil
}

func (r *Run) verify(k keys) ([]login.Pair, error) {
	if k.a != nil || k.n == nil || k.r == nil || (k.i == nil) != (k.c == nil) {
		return nil, errors.New("CHAP: the second step is CHAP_N and CHAP_R, with CHAP_I and CHAP_C or without")
	}
	r.user = *k.n
	got, err := login.ParseBinary(*k.r, login.MaxBinaryLen)
	if err != nil {
		return nil, fmt.Errorf("CHAP_R: %w", err)
	}
	if known, right := r.matches(*k.n, got); !right {
		// Both take the same time and have the same status: only the log learns which it is.
		if !known {
			return nil, errors.New("CHAP: there is no such user")
		}
		return nil, errors.New("CHAP: the response is wrong: the initiator has another secret")
	}
	var out []login.Pair
	if k.c != nil {
		if out, err = r.prove(*k.i, *k.c); err != nil {
			return nil, err
		}
	}
	r.state = proved
	return out, nil
}

// prove answers the initiator's challenge. An initiator that sends the target's own challenge back
// wants the target to compute the response that it could not (RFC 7143 section 9.2.1).
func (r *Run) prove(id, challenge string) ([]login.Pair, error) {
	if r.by.target == nil {
		return nil, errors.New("CHAP: the initiator wants the target to prove itself, for which no secret is configured")
	}
	n, err := parseID(id)
	if err != nil {
		return nil, err
	}
	c, err := login.ParseBinary(challenge, login.MaxBinaryLen)
	if err != nil {
		return nil, fmt.Errorf("CHAP_C: %w", err)
	}
	if subtle.ConstantTimeCompare(c, r.challenge) == 1 {
		return nil, errors.New("CHAP: the initiator reflects the target's challenge")
	}
	return []login.Pair{
		{Key: "CHAP_N", Value: r.by.target.User},
		{Key: "CHAP_R", Value: login.FormatBinary(r.algorithm.Response(n, r.by.target.Secret, c))},
	}, nil
}

// secret is the secret of a user and 1, or a decoy and 0. It looks at all accounts either way, so that
// the time it takes does not tell whether the user exists.
func (c *CHAP) secret(user string) (Secret, int) {
	s, known := c.decoy, 0
	for _, a := range c.accounts {
		if subtle.ConstantTimeCompare([]byte(a.User), []byte(user)) == 1 {
			s, known = a.Secret, 1
		}
	}
	return s, known
}

// keys are the keys of one step; nil: absent.
type keys struct{ a, i, c, n, r *string }

func (k *keys) read(in []login.Pair) error {
	for j := range in {
		var at **string
		switch in[j].Key {
		case "CHAP_A":
			at = &k.a
		case "CHAP_I":
			at = &k.i
		case "CHAP_C":
			at = &k.c
		case "CHAP_N":
			at = &k.n
		case "CHAP_R":
			at = &k.r
		default:
			return fmt.Errorf("CHAP: %s is not one of its keys", in[j].Key)
		}
		if *at != nil {
			return fmt.Errorf("CHAP: %s comes twice", in[j].Key)
		}
		*at = &in[j].Value
	}
	return nil
}

// parseID reads a CHAP_I.
func parseID(s string) (byte, error) {
	n, err := login.ParseNumber(s)
	if err != nil || n > 255 {
		return 0, errors.New("CHAP_I is not a number from 0 to 255")
	}
	return byte(n), nil
}
