package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// ask asks as root.
func ask(t *testing.T, h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(asRoot(t.Context()))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Each error of the agent has its status, and its own type in the client.
func TestStatusesOfErrors(t *testing.T) {
	f := newFake(t)
	c, _ := serve(t, whole(f))
	p := &plan.Plan{From: 7, Digest: "d", Steps: []plan.Step{{Op: plan.Remove, Key: model.Key{Kind: model.TargetObject, Name: "t"}, Effect: plan.EndsSessions, Confirm: plan.ConfirmEndSessions}}}
	k := model.Key{Kind: model.UnitObject, Name: "a"}
	for _, test := range []struct {
		err    error
		status int
		want   error // of the client, with the text of err if there is none
	}{
		{model.Problems{
			{At: model.Position{Line: 3, Column: 9}, Path: "units[0].name", Err: errors.New("it is wrong")},
			{Path: "targets", Err: errors.New("so is this")},
		}, 422, &client.ProblemsError{Problems: []api.Problem{
			{Line: 3, Column: 9, Path: "units[0].name", Message: "it is wrong"}, {Path: "targets", Message: "so is this"},
		}}},
		{fmt.Errorf("around: %w", &model.Problem{Path: "x", Err: errors.New("wrong")}), 422, &client.ProblemsError{Problems: []api.Problem{{Path: "x", Message: "wrong"}}}},
		{&model.NoObjectError{Key: k}, 404, &client.NotFoundError{}},
		{&apply.NotFoundError{Key: k}, 404, &client.NotFoundError{}},
		{&model.ObjectThereError{Key: k}, 409, &client.ExistsError{}},
		{&apply.ConflictError{Generation: 7, Message: "it has changed"}, 412, &client.ConflictError{Generation: 7}},
		{&apply.ConflictError{Generation: 7, Try: true, Message: "a change is tried"}, 409, &client.Error{Status: 409, Reason: api.ReasonTry}},
		{&apply.NeedsConfirmError{Plan: p}, 428, &client.NeedsConfirmError{Plan: p}},
		{&apply.RequestError{Message: "neither this nor that"}, 400, &client.Error{Status: 400}},
		{errors.New("the disk is full"), 409, &client.Error{Status: 409, Reason: api.ReasonFailed}},
		{context.Canceled, 503, &client.Error{Status: 503, Message: "it was canceled, and nothing has changed"}},
	} {
		f.fails(test.err)
		w := ask(t, Handler(whole(f)), "PUT", "/v1/config", document)
		var e api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != test.status || e.Error == "" {
			t.Errorf("%v: %d %s, want %d", test.err, w.Code, w.Body, test.status)
		}
		_, err := c.Apply(t.Context(), client.ApplyRequest{Text: []byte(document)})
		got := reflect.New(reflect.TypeOf(test.want))
		if !errors.As(err, got.Interface()) {
			t.Errorf("%v: the client has %T %v", test.err, err, err)
			continue
		}
		if m := reflect.ValueOf(test.want).Elem().FieldByName("Message"); m.String() == "" {
			m.SetString(test.err.Error())
		}
		if !reflect.DeepEqual(got.Elem().Interface(), test.want) {
			t.Errorf("%v: the client has %+v, want %+v", test.err, got.Elem().Interface(), test.want)
		}
	}
}

// What a request says arrives at the agent, and what is not right does not.
func TestRequests(t *testing.T) {
	f := newFake(t)
	h := Handler(whole(f))
	unit := model.Key{Kind: model.UnitObject, Name: "box/a b"}
	const at = "/v1/config/units/box/a%20b"
	author := "root (uid 0)"
	for _, test := range []struct {
		method, path, body string
		headers            []string
		want               apply.Request
	}{
		{"PUT", "/v1/config", document, nil, apply.Request{Text: []byte(document)}},
		{"PUT", "/v1/config?dry-run=true&try=60s&digest=d&comment=why&confirm=replace&confirm=restart&delete=a&delete=b", "x", []string{"If-Match", `"tag"`}, apply.Request{
			Text: []byte("x"), DryRun: true, Try: time.Minute, Digest: "d", Comment: "why", Match: "tag",
			Confirm: []plan.Confirm{plan.ConfirmReplace, plan.ConfirmRestart}, Delete: []string{"a", "b"},
		}},
		{"PUT", "/v1/config", "{}", []string{"If-Match", "*", "Content-Type", "application/json"}, apply.Request{Text: []byte("{}"), Match: "*"}},
		{"PUT", at, "name: a", []string{"If-Match", `"x"`}, apply.Request{Match: "x", MatchKey: unit, Edits: []model.Edit{{Op: model.PutObject, Key: unit, Body: []byte("name: a")}}}},
		{"PUT", "/v1/config/units/box%2Fa%20b", "name: a", []string{"If-None-Match", "*"}, apply.Request{MatchKey: unit, Edits: []model.Edit{{Op: model.CreateObject, Key: unit, Body: []byte("name: a")}}}},
		{"POST", "/v1/config/units?name=box/a%20b", "name: a", nil, apply.Request{MatchKey: unit, Edits: []model.Edit{{Op: model.CreateObject, Key: unit, Body: []byte("name: a")}}}},
		{"PATCH", at, `{"a": null}`, []string{"Content-Type", "application/merge-patch+json"}, apply.Request{MatchKey: unit, Edits: []model.Edit{{Op: model.MergeObject, Key: unit, Body: []byte(`{"a": null}`)}}}},
		{"DELETE", at + "?confirm=delete-data", "", nil, apply.Request{Confirm: []plan.Confirm{plan.ConfirmDeleteData}, MatchKey: unit, Edits: []model.Edit{{Op: model.DeleteObject, Key: unit}}}},
		{"DELETE", "/v1/config/access/iqn.2020-01.a:b/c", "", nil, apply.Request{
			MatchKey: model.Key{Kind: model.AccessObject, Name: "iqn.2020-01.a:b/c"},
			Edits:    []model.Edit{{Op: model.DeleteObject, Key: model.Key{Kind: model.AccessObject, Name: "iqn.2020-01.a:b/c"}}},
		}},
		{"DELETE", "/v1/config/portals/x+y:%2F%2F[::]:3260", "", nil, apply.Request{
			MatchKey: model.Key{Kind: model.PortalObject, Name: "x+y://[::]:3260"},
			Edits:    []model.Edit{{Op: model.DeleteObject, Key: model.Key{Kind: model.PortalObject, Name: "x+y://[::]:3260"}}},
		}},
		{"POST", "/v1/config/edits", `[{"op": "put", "key": {"kind": "unit", "name": "a"}, "object": {"name": "a"}}, {"op": "create", "key": {"kind": "user", "name": "u"}, "text": "name: u # me"},
			{"op": "delete", "key": {"kind": "target", "name": "t"}}]`, []string{"If-Match", `"w"`}, apply.Request{Match: "w", Edits: []model.Edit{
			{Op: model.PutObject, Key: model.Key{Kind: model.UnitObject, Name: "a"}, Body: []byte(`{"name": "a"}`)},
			{Op: model.CreateObject, Key: model.Key{Kind: model.UserObject, Name: "u"}, Body: []byte("name: u # me")},
			{Op: model.DeleteObject, Key: model.Key{Kind: model.TargetObject, Name: "t"}},
		}}},
		{"POST", "/v1/reload", "", nil, apply.Request{Reload: true}},
		{"POST", "/v1/rollback/6?comment=x", "", nil, apply.Request{Rollback: 6, Comment: "x"}},
	} {
		w := ask(t, h, test.method, test.path, test.body, test.headers...)
		test.want.Author = author
		if got := f.last(); w.Code >= 300 || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s %s: %d %s\n%+v, want\n%+v", test.method, test.path, w.Code, w.Body, got, test.want)
		}
	}
	n := len(f.requests)
	for _, test := range []struct {
		method, path, body string
		status             int
		text               string
		headers            []string
	}{
		{"PUT", "/v1/config", "", 400, "request body is required", nil},
		{"PUT", "/v1/config?dryrun=true", "x", 400, "query.dryrun: unknown query parameter", nil},
		{"PUT", "/v1/config?dry-run=perhaps", "x", 400, "query.dry-run", nil},
		{"PUT", "/v1/config?confirm=all", "x", 400, "query.confirm", nil},
		{"PUT", "/v1/config?try=10", "x", 400, "a time from 1s up to 24h", nil},
		{"PUT", "/v1/config?try=25h", "x", 400, "a time from 1s up to 24h", nil},
		{"PUT", "/v1/config", "x", 400, "not one tag in quotes", []string{"If-Match", "tag"}},
		{"PUT", "/v1/config", "x", 400, "not one tag in quotes", []string{"If-Match", `"a", "b"`}},
		{"PUT", "/v1/config", "x", 400, "not one tag in quotes", []string{"If-Match", `"`}},
		{"PUT", "/v1/config", "x", 412, "weak tag", []string{"If-Match", `W/"a"`}},
		{"PUT", "/v1/config", "x", 415, "application/yaml or application/json", []string{"Content-Type", "image/png"}},
		{"PUT", at, "x", 400, "only * is taken", []string{"If-None-Match", `"a"`}},
		{"POST", "/v1/config/units", "x", 400, "query.name", nil},
		{"POST", "/v1/config/edits", "[", 400, "body", nil},
		{"POST", "/v1/config/edits", "[]", 400, "body", nil},
		{"POST", "/v1/config/edits", "null", 400, "body", nil},
		{"POST", "/v1/config/edits", `[{"op": "eat", "key": {"kind": "unit", "name": "a"}}]`, 400, "body[0].op", nil},
		{"POST", "/v1/config/edits", `[{"op": "put", "key": {"kind": "unit", "name": "a"}}]`, 400, "unit/a: put wants an object or a text", nil},
		{"POST", "/v1/config/edits", `[{"op": "put", "key": {"kind": "unit", "name": "a"}, "text": "x", "object": {}}]`, 400, "and not both", nil},
		{"POST", "/v1/config/edits", `[{"op": "delete", "key": {"kind": "unit", "name": "a"}, "text": "x"}]`, 400, "takes no object", nil},
		{"POST", "/v1/config/edits", "- op: put", 415, "", []string{"Content-Type", "application/yaml"}},
		{"POST", "/v1/rollback/5", "", 404, "there is no generation 5", nil},
		{"POST", "/v1/rollback/0", "", 400, "path.generation", nil},
		{"POST", "/v1/rollback/x", "", 400, "path.generation", nil},
		{"GET", "/v1/history/5", "", 404, "there is no generation 5", nil},
		{"GET", "/v1/operations/5", "", 404, "there is no operation", nil},
		{"DELETE", "/v1/operations/2", "", 409, "cannot be taken back any more", nil},
		{"GET", "/v1/config/units/none", "", 404, "there is no unit", nil},
		{"GET", "/v1/config/disks", "", 404, "there is no GET /v1/config/disks", nil},
		{"PATCH", "/v1/config", "x", 405, "there is no PATCH /v1/config", nil},
		{"DELETE", "/v1/sessions/iscsi/b", "", 404, "there is no session", nil},
		{"GET", "/v1/units/c/reservations", "", 404, "there is no unit", nil},
	} {
		w := ask(t, h, test.method, test.path, test.body, test.headers...)
		var e api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != test.status || !strings.Contains(e.Error, test.text) {
			t.Errorf("%s %s %s: %d %s, want %d %s", test.method, test.path, test.body, w.Code, w.Body, test.status, test.text)
		}
		if w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: an error as %s", test.method, test.path, w.Header().Get("Content-Type"))
		}
	}
	if w := ask(t, h, "PATCH", "/v1/config", "x"); w.Header().Get("Allow") != "GET, HEAD, PUT" {
		t.Errorf("Allow: %s", w.Header().Get("Allow"))
	}
	if len(f.requests) != n {
		t.Errorf("%d requests were made", len(f.requests)-n)
	}
}

// Statuses and headers of what goes well.
func TestAnswers(t *testing.T) {
	f := newFake(t)
	h := Handler(whole(f))
	for _, test := range []struct {
		method, path string
		status       int
		header, want string
		body         string
		headers      []string
	}{
		{"GET", "/v1/config", 200, "Etag", `"now"`, document, nil},
		{"GET", "/v1/config", 200, "Content-Type", "application/yaml", document, nil},
		{"HEAD", "/v1/config", 200, "Etag", `"now"`, "", nil},
		{"GET", "/v1/config", 304, "Etag", `"now"`, "", []string{"If-None-Match", `"now"`}},
		{"PUT", "/v1/config", 200, "Etag", `"after"`, `"generation": 8`, nil},
		{"PUT", "/v1/config", 200, "", "", `"etag": "\"after\""`, nil},
		{"PUT", "/v1/config", 202, "Location", "/v1/operations/1", `"phase": "waiting"`, []string{"Prefer", "respond-async"}},
		{"PUT", "/v1/config", 202, "Preference-Applied", "respond-async", `"id": "1"`, []string{"Prefer", "wait=5, Respond-Async"}},
		{"PUT", "/v1/config?dry-run=1", 200, "Location", "", `"changed": false`, []string{"Prefer", "respond-async"}},
		{"PUT", "/v1/config", 200, "Location", "", "", []string{"Prefer", "wait=5"}},
		{"POST", "/v1/reload", 202, "Location", "/v1/operations/1", "", []string{"Prefer", "respond-async"}},
		{"POST", "/v1/config/units?name=x/y", 201, "Location", "/v1/config/units/x%2Fy", "", nil},
		{"POST", "/v1/config/units?name=x&dry-run=true", 200, "Location", "", "", nil},
		{"PUT", "/v1/config/units/x", 201, "Location", "/v1/config/units/x", "", nil},
		{"DELETE", "/v1/config/units/x", 200, "Etag", "", "", nil},
		{"POST", "/v1/confirm", 200, "", "", `"generation": 9`, nil},
		{"POST", "/v1/revert", 200, "", "", `"generation": 9`, nil},
		{"GET", "/v1/status", 200, "", "", `"conditions": []`, nil},
		{"GET", "/v1/history", 200, "", "", `"author": "root (uid 0)"`, nil},
		{"GET", "/v1/history/7", 200, "", "", `"text": "# mine\nversion`, nil},
		{"GET", "/v1/operations", 200, "", "", `"id": "2"`, nil},
		{"DELETE", "/v1/operations/1", 202, "", "", `"id": "1"`, nil},
		{"GET", "/v1/schema", 200, "Content-Type", "application/schema+json", `{"type"`, nil},
		{"GET", "/v1/units/box%2Fa/reservations", 200, "", "", `"unit": "box/a"`, nil},
		{"GET", "/v1/units/box/a/reservations", 200, "", "", `"unit": "box/a"`, nil},
		{"DELETE", "/v1/units/box/a/reservations", 204, "", "", "", nil},
		{"DELETE", "/v1/sessions/iscsi/a%2Fb", 204, "", "", "", nil},
	} {
		body := ""
		if test.method != "GET" && test.method != "HEAD" {
			body = document
		}
		w := ask(t, h, test.method, test.path, body, test.headers...)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) || (test.header != "" && w.Header().Get(test.header) != test.want) {
			t.Errorf("%s %s: %d %v %s, want %d with %s: %s and %s", test.method, test.path, w.Code, w.Header(), w.Body, test.status, test.header, test.want, test.body)
		}
	}
	if fmt.Sprint(f.authors) != "[root (uid 0) root (uid 0)]" {
		t.Error(f.authors)
	}
}

// PUT with If-None-Match of an object that is there is 412, POST of it is 409.
func TestObjectsThatAreThere(t *testing.T) {
	f := newFake(t)
	f.fails(&model.ObjectThereError{Key: model.Key{Kind: model.UnitObject, Name: "a"}})
	h := Handler(whole(f))
	if w := ask(t, h, "PUT", "/v1/config/units/a", "name: a", "If-None-Match", "*"); w.Code != http.StatusPreconditionFailed {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(t, h, "POST", "/v1/config/units?name=a", "name: a"); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), `"reason": "exists"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What is kept of a body is the agent's own: the next request does not change it.
func TestBodiesAreOwn(t *testing.T) {
	f := newFake(t)
	h := Handler(whole(f))
	for i := range 8 {
		ask(t, h, "PUT", "/v1/config", strings.Repeat(fmt.Sprint(i), 100))
	}
	for i, r := range f.requests {
		if want := strings.Repeat(fmt.Sprint(i), 100); string(r.Text) != want {
			t.Errorf("%d: %s", i, r.Text)
		}
	}
}
