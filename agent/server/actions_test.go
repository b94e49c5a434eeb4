package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/client"
)

// What can be done with a unit is told, and done with what it is told; everything else has its status and a sentence.
func TestActions(t *testing.T) {
	c, _ := serve(t, whole(newFake(t)))
	all, err := c.Actions(t.Context(), "box")
	if err != nil || len(all) != 2 || all[1].Name != "turn" || !all[1].Changes || all[1].Arguments[0].Name != "times" {
		t.Fatalf("%+v, %v", all, err)
	}
	var turned struct {
		Turned int
		By     string
	}
	if err := c.Act(t.Context(), "box", "turn", map[string]any{"times": 3}, &turned); err != nil || turned.Turned != 3 || turned.By == "" {
		t.Errorf("%+v, %v", turned, err)
	}
	if err := c.Act(t.Context(), "box", "look", nil, &turned); err != nil || turned.Turned != 3 {
		t.Errorf("%+v, %v", turned, err)
	}
	for _, x := range []struct {
		unit, action string
		args         any
		status       int
		want         string
	}{
		{"bux", "turn", nil, http.StatusNotFound, `there is no unit "bux"`},
		{"box", "tern", nil, http.StatusNotFound, `there is no action "tern" of the unit box: there are look, turn`},
		{"box", "turn", nil, http.StatusUnprocessableEntity, "it needs times: how often"},
		{"box", "turn", map[string]any{"times": "x"}, http.StatusUnprocessableEntity, "not a whole number"},
		{"box", "turn", map[string]any{"times": 10}, http.StatusConflict, "it is stuck: oil it"},
	} {
		err := c.Act(t.Context(), x.unit, x.action, x.args, nil)
		var other *client.Error
		right := map[int]bool{
			http.StatusNotFound:            errors.As(err, new(*client.NotFoundError)),
			http.StatusUnprocessableEntity: errors.As(err, new(*client.ProblemsError)),
			http.StatusConflict:            errors.As(err, &other) && other.Status == http.StatusConflict,
		}
		if !right[x.status] || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s %s %v: %v", x.unit, x.action, x.args, err)
		}
	}
	if _, err := c.Actions(t.Context(), "bux"); err == nil {
		t.Error("actions of a unit that is not there")
	}
}

// Who may only look may do what changes nothing.
func TestStrangersDoWhatOnlyLooks(t *testing.T) {
	s := newService(t.Context(), withTimes(whole(newFake(t))))
	for action, want := range map[string]int{"look": http.StatusOK, "turn": http.StatusForbidden} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/units/box/actions/"+action, strings.NewReader("times: 2\n")))
		if w.Code != want || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", action, w.Code, w.Body)
		}
	}
}
