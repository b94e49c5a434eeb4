package kind

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
)

// maxCHAPName is the longest CHAP_N in bytes (RFC 7143 12.1.3: a text value).
const maxCHAPName = 255

// userMark is between a name and a user where an initiator is written in one piece: no name on a list
// has a comma.
const userMark = ",user="

// algorithmNames are those of all algorithms, the strongest first.
func algorithmNames() []string {
	var all []string
	for _, a := range auth.All() {
		all = append(all, a.Name())
	}
	return all
}

// given finds an option as it is written; the zero value if it is not there.
func given(all model.Settings, name string) model.Given {
	if i := slices.IndexFunc(all, func(g model.Given) bool { return g.Name == name }); i >= 0 {
		return all[i]
	}
	return model.Given{}
}

// checkAuth looks at the options of [authOption] in what is at path. A user without a file is one of the
// users of the document, and gets theirs.
func checkAuth(c *model.Check, path string, v model.Values, written model.Settings) {
	path += ".auth"
	if g := given(written, "auth"); g.Name != "" && given(g.Of, "users").Name == "" && given(g.Of, "mutual").Name == "" {
		c.Fail(path, "there are no users: nobody would have to prove who they are. Add \"users\", or leave \"auth\" out")
	}
	v = v.Group("auth")
	users := v.Groups("users")
	seen := make(map[string]bool)
	for i, u := range users {
		at := fmt.Sprintf("%s.users[%d]", path, i)
		if name := u.String("user"); name != "" && u.String("secret-file") == "" {
			user, err := c.User(name)
			if err != nil {
				c.Fail(at, "the user %q has no secret-file, and %w", name, err)
			}
			if user.SecretFile == "" {
				continue // which is told of the user
			}
			u["secret-file"] = user.SecretFile
		}
		checkUser(c, at, u)
		if seen[u.String("user")] {
			c.Fail(at+".user", "the user %q is here twice", u.String("user"))
		}
		seen[u.String("user")] = true
	}
	if !v.Has("mutual") {
		return
	}
	checkUser(c, path+".mutual", v.Group("mutual"))
	if len(users) == 0 {
		c.Fail(path+".mutual", "we prove who we are only to initiators that do so first: add \"users\"")
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

// checkFiles looks for files that have the secrets of both directions, anywhere in a document:
// [secrets] compares what is in them.
func checkFiles(c *model.Check) {
	type place struct {
		path string
		auth model.Values
	}
	places := []place{{"discovery.auth", c.Document.Values.Group("discovery").Group("auth")}}
	for i, t := range c.Document.Targets {
		places = append(places, place{fmt.Sprintf("targets[%d].auth", i), t.Values.Group("auth")})
	}
	proves := make(map[string]string) // files that users have: where
	for _, p := range places {
		for i, u := range p.auth.Groups("users") {
			if file := u.String("secret-file"); file != "" {
				proves[filepath.Clean(file)] = fmt.Sprintf("%s.users[%d]", p.path, i)
			}
		}
	}
	for _, p := range places {
		file := p.auth.Group("mutual").String("secret-file")
		if who, ok := proves[filepath.Clean(file)]; ok && file != "" {
			c.Fail(p.path+".mutual.secret-file", "the secrets of the two directions must differ (RFC 7143 9.2.1), and %s has the same file: give them two", who)
		}
	}
}

// checkInitiators looks at the option of [initiatorsOption] in a target.
func checkInitiators(c *model.Check, path string, v model.Values) {
	known := make(map[string]bool)
	for _, u := range v.Group("auth").Groups("users") {
		known[u.String("user")] = true
	}
	all := listed(v)
	users := make(map[string]map[string]bool, len(all)) // by names of initiators
	for i, x := range all {
		at := fmt.Sprintf("%s.initiators[%d]", path, i)
		if x.User != "" && !known[x.User] {
			c.Fail(at, "the target has no user %q: name one of its \"auth: users\"", x.User)
		}
		by, ok := users[x.Name]
		switch {
		case !ok:
			users[x.Name] = map[string]bool{}
		case by[x.User]:
			c.Fail(at, "%s is here twice", written(x))
		case x.User == "" || by[""]:
			c.Fail(at, "%s is here with a user and without one, which would let every user in by it: leave one of the two out", x.Name)
		}
		users[x.Name][x.User] = true
	}
}

// listed are the initiators that may log in to a target.
func listed(target model.Values) []iscsi.Initiator {
	var all []iscsi.Initiator
	for _, i := range target.Groups("initiators") {
		all = append(all, iscsi.Initiator{Name: i.String("name"), User: i.String("user")})
	}
	return all
}
