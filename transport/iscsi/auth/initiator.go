package auth

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// Initiator is the initiator's side of one CHAP run; it is a login.Prover.
type Initiator struct {
	own        Account
	target     *Account
	algorithms []Algorithm
	random     func([]byte) byte

	step      int
	algorithm Algorithm
	id        byte
	challenge []byte
}

// NewInitiator makes the initiator's side of one run. own is what it proves;
// target, if not nil, is what the target must prove in return. algorithms is
// the CHAP_A list in the order of preference; none: all.
func NewInitiator(own Account, target *Account, algorithms ...Algorithm) *Initiator {
	if len(algorithms) == 0 {
		algorithms = All()
	}
	return &Initiator{own: own, target: target, algorithms: slices.Clone(algorithms), random: random}
}

// Method is "CHAP".
func (i *Initiator) Method() string { return "CHAP" }

// Next takes the target's keys, of which it looks at CHAP's, and returns what
// to send. It is called three times: for CHAP_A, for the proof, and to check
// the target's.
func (i *Initiator) Next(in []login.Pair) (out []login.Pair, done bool, err error) {
	var k keys
	if err := k.read(slices.DeleteFunc(slices.Clone(in), func(p login.Pair) bool { return !owns(p.Key) })); err != nil {
		return nil, false, err
	}
	i.step++
	switch i.step {
	case 1:
		return []login.Pair{{Key: "CHAP_A", Value: formatList(i.algorithms)}}, false, nil
	case 2:
		out, err = i.prove(k)
		return out, err == nil, err
	case 3:
		return nil, true, i.check(k)
	}
	return nil, false, errors.New("CHAP: keys after the end")
}

func (i *Initiator) prove(k keys) ([]login.Pair, error) {
	if k.a == nil || k.i == nil || k.c == nil {
		return nil, errors.New("CHAP: the target's challenge is incomplete")
	}
	var err error
	if i.algorithm, err = choose(*k.a, i.algorithms); err != nil {
		return nil, errors.New("CHAP: the target chose an algorithm that was not offered")
	}
	id, err := parseID(*k.i)
	if err != nil {
		return nil, err
	}
	challenge, err := login.ParseBinary(*k.c, login.MaxBinaryLen)
	if err != nil {
		return nil, fmt.Errorf("CHAP_C: %w", err)
	}
	out := []login.Pair{
		{Key: "CHAP_N", Value: i.own.User},
		{Key: "CHAP_R", Value: login.FormatBinary(i.algorithm.Response(id, i.own.Secret, challenge))},
	}
	if i.target != nil {
		i.challenge = make([]byte, max(16, i.algorithm.Size()))
		i.id = i.random(i.challenge)
		out = append(out,
			login.Pair{Key: "CHAP_I", Value: strconv.Itoa(int(i.id))},
			login.Pair{Key: "CHAP_C", Value: login.FormatBinary(i.challenge)})
	}
	return out, nil
}

func (i *Initiator) check(k keys) error {
	if i.target == nil {
		return nil
	}
	if k.n == nil || k.r == nil {
		return errors.New("CHAP: the target does not prove itself")
	}
	got, err := login.ParseBinary(*k.r, login.MaxBinaryLen)
	if err != nil {
		return fmt.Errorf("CHAP_R: %w", err)
	}
	want := i.algorithm.Response(i.id, i.target.Secret, i.challenge)
	if subtle.ConstantTimeCompare(got, want) != 1 || *k.n != i.target.User {
		return errors.New("CHAP: the target's proof is wrong")
	}
	return nil
}
