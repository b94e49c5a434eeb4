package auth

import (
	"strconv"
	"testing"

	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// TestGuests: who is a user of one of several CHAPs is let in, and opens those alone that would let it
// in: by its secret, and by the algorithm.
func TestGuests(t *testing.T) {
	chap := func(target string, algorithms []Algorithm, users ...string) *CHAP {
		t.Helper()
		cfg := Config{Algorithms: algorithms}
		for i := 0; i < len(users); i += 2 {
			s, err := NewSecret([]byte(users[i+1]))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Accounts = append(cfg.Accounts, Account{User: users[i], Secret: s})
		}
		if target != "" {
			s, err := NewSecret([]byte(target))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Target = &Account{User: "us", Secret: s}
		}
		c, err := NewCHAP(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const alice, bob, other = "alices-secret-01", "bobs-secret-0001", "another-secret-1"
	g := NewGuests(map[string]*CHAP{
		"a": chap("", nil, "alice", alice),
		"b": chap("the-targets-one-1", []Algorithm{SHA256}, "alice", alice, "bob", bob),
		"c": chap("", []Algorithm{MD5}, "alice", other),
	})
	for name, x := range map[string]struct {
		user, secret string
		algorithm    Algorithm
		mutual       bool
		opens        string
		fails        bool
	}{
		"alice":                   {user: "alice", secret: alice, algorithm: SHA256, opens: "ab"},
		"alice by MD5":            {user: "alice", secret: alice, algorithm: MD5, opens: "a"},
		"another alice":           {user: "alice", secret: other, algorithm: MD5, opens: "c"},
		"another alice, SHA-256":  {user: "alice", secret: other, algorithm: SHA256, fails: true},
		"bob":                     {user: "bob", secret: bob, algorithm: SHA256, opens: "b"},
		"bob with alice's secret": {user: "bob", secret: alice, algorithm: SHA256, fails: true},
		"nobody":                  {user: "eve", secret: alice, algorithm: SHA256, fails: true},
		"mutual":                  {user: "alice", secret: alice, algorithm: SHA256, mutual: true, opens: "ab"},
		"mutual, not there":       {user: "alice", secret: alice, algorithm: MD5, mutual: true, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.Begin()
			out, done, err := r.Next([]login.Pair{{Key: "CHAP_A", Value: strconv.Itoa(int(x.algorithm))}})
			if err != nil || done || r.Opens("a") {
				t.Fatal(out, done, err)
			}
			secret, err := NewSecret([]byte(x.secret))
			if err != nil {
				t.Fatal(err)
			}
			answer := []login.Pair{
				{Key: "CHAP_N", Value: x.user},
				{Key: "CHAP_R", Value: login.FormatBinary(x.algorithm.Response(r.id, secret, r.challenge))},
			}
			if x.mutual {
				answer = append(answer, login.Pair{Key: "CHAP_I", Value: "1"}, login.Pair{Key: "CHAP_C", Value: "0x00112233445566778899aabbccddeeff"})
			}
			out, done, err = r.Next(answer)
			if (err != nil) != x.fails || done == x.fails || (len(out) == 2) != (x.mutual && !x.fails) {
				t.Fatal(out, done, err)
			}
			opens := ""
			for _, n := range []string{"a", "b", "c", "d"} {
				if r.Opens(n) {
					opens += n
				}
			}
			if opens != x.opens {
				t.Errorf("it opens %q, not %q", opens, x.opens)
			}
		})
	}
}
