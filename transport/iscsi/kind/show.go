package kind

import (
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/transport/iscsi"
)

// users are the names that the target takes.
func users(t model.Target) []string {
	var all []string
	for _, u := range t.Values.Group("auth").Groups("users") {
		all = append(all, u.String("user"))
	}
	return all
}

// written is an initiator as --initiator takes it.
func written(i iscsi.Initiator) string {
	if i.User == "" {
		return i.Name
	}
	return i.Name + userMark + i.User
}

// show says who may log in to a target.
func show(s plugin.Showing) plugin.Shown {
	names := []string{}
	for _, i := range listed(s.Target.Values) {
		names = append(names, written(i))
	}
	who := "every initiator"
	if n := len(names); n == 1 {
		who = "the initiator " + names[0]
	} else if n > 1 {
		who = "the initiators " + strings.Join(names, ", ")
	}
	auth := "none"
	known := users(s.Target)
	mutual := s.Target.Values.Group("auth").Group("mutual").String("user")
	switch {
	case len(known) == 0:
		who += ", without authentication"
	case mutual != "":
		auth = "mutual chap"
		who += fmt.Sprintf(" that authenticates by CHAP as %s; it proves itself as %s", strings.Join(known, " or "), mutual)
	default:
		auth = "chap"
		who += " that authenticates by CHAP as " + strings.Join(known, " or ")
	}
	column := "any"
	if len(names) > 0 {
		column = strings.Join(names, " ")
	}
	shown := plugin.Shown{
		Facts: api.Facts{
			{Name: "auth", Value: auth, Column: "AUTH", Text: auth},
			{Name: "initiators", Value: names, Column: "INITIATORS", Text: column},
		},
		Lines: []string{"    for " + who},
	}
	if len(known) == 0 && len(names) == 0 {
		shown.Open = "--chap USER:FILE"
	}
	return shown
}
