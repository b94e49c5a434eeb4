package kind

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// maxCHAPName is the longest CHAP_N in bytes (RFC 7143 12.1.3: a text value).
const maxCHAPName = 255

// checkAuth looks at the options of [authOption] at path.
func checkAuth(c *model.Check, path string, v model.Values) {
	users := v.Groups("users")
	seen := make(map[string]bool)
	for i, u := range users {
		at := fmt.Sprintf("%s.users[%d]", path, i)
		checkUser(c, at, u)
		if seen[u.String("user")] {
			c.Fail(at+".user", "the user %q is here twice", u.String("user"))
		}
		seen[u.String("user")] = true
	}
	if !v.Has("mutual") {
		return
	}
	mutual := v.Group("mutual")
	checkUser(c, path+".mutual", mutual)
	if len(users) == 0 {
		c.Fail(path+".mutual", "we prove who we are only to initiators that do so first: add \"users\"")
	}
	for _, u := range users {
		if file := mutual.String("secret-file"); file != "" && u.String("secret-file") == file {
			c.Fail(path+".mutual.secret-file", "the secrets of the two directions must differ (RFC 7143 9.2.1): give them two files")
		}
	}
}

func checkUser(c *model.Check, path string, v model.Values) {
	var err error
	switch name := v.String("user"); {
	case name == "":
		err = errors.New("there is no user: write the name that the initiator gives as CHAP_N")
	case len(name) > maxCHAPName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		err = fmt.Errorf("a CHAP name has up to %d bytes and no control characters", maxCHAPName)
	case v.String("secret-file") == "":
		err = fmt.Errorf("the user %q has no secret-file: name the file that has the secret", name)
	default:
		return
	}
	c.Fail(path, "%w", err)
}

// authenticator loads the secrets of an [authOption]; nil if it asks for none.
func authenticator(v model.Values) (func() login.Authenticator, error) {
	if len(v.Groups("users")) == 0 {
		return nil, nil
	}
	account := func(v model.Values) (auth.Account, error) {
		secret, err := auth.LoadSecret(v.String("secret-file"))
		return auth.Account{User: v.String("user"), Secret: secret}, err
	}
	var cfg auth.Config
	for _, u := range v.Groups("users") {
		x, err := account(u)
		if err != nil {
			return nil, err
		}
		cfg.Accounts = append(cfg.Accounts, x)
	}
	if v.Has("mutual") {
		x, err := account(v.Group("mutual"))
		if err != nil {
			return nil, err
		}
		cfg.Target = &x
	}
	chap, err := auth.NewCHAP(cfg)
	if err != nil {
		return nil, err
	}
	return func() login.Authenticator { return chap.Begin() }, nil
}
