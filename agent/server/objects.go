package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
)

// objects are the routes about the objects of the document, the same for each kind.
func (s *service) objects() {
	for _, c := range api.Collections() {
		s.collection(c)
		s.object(c)
	}
}

// Inputs: what is said of every change, and the name or the body of an object.
type (
	objectShown struct {
		Named
		Shown
	}
	objectCreated struct {
		Name string `query:"name" required:"true" minLength:"1" doc:"Of the object."`
		Wanted
		Sent
	}
	objectPut struct {
		Named
		Wanted
		Sent
		NoneMatch string `header:"If-None-Match" doc:"* if it must not be there."`
	}
	objectPatched struct {
		Named
		Wanted
		Sent
	}
	objectDeleted struct {
		Named
		Wanted
	}
)

// collection are the routes about all objects of a kind.
func (s *service) collection(c api.Collection) {
	path := "/v1/config/" + c.Path
	register(s, route{
		method: http.MethodGet, path: path, id: "list-config-" + c.Path, summary: "All " + c.Path + ", in the order of the document", tag: tagDocument, need: anAgent,
	}, func(context.Context, *none) (*answer[[]api.Object], error) {
		doc := s.Agent.Current().Document
		all := []api.Object{}
		for _, k := range doc.Keys(c.Kind) {
			text, ok := doc.Object(k, model.JSON)
			tag, there := doc.ETag(k)
			if ok && there {
				all = append(all, api.Object{Name: k.Name, ETag: quoted(tag), Object: text})
			}
		}
		return &answer[[]api.Object]{all}, nil
	})
	create := s.changes(http.MethodPost, path, "create-config-"+string(c.Kind), "Add "+c.Word)
	create.answers["201"] = success[apply.Result](s, "It is there.")
	create.fails = append(create.fails, http.StatusNotFound)
	register(s, create, func(ctx context.Context, in *objectCreated) (*changed, error) {
		k := model.Key{Kind: c.Kind, Name: in.Name}
		return s.edit(ctx, &in.Wanted, model.Edit{Op: model.CreateObject, Key: k, Body: in.own()}, s.place(k))
	})
	s.takesJSON(path, http.MethodPost, "What stands in the document for "+c.Word+".")
}

// object are the routes about one object of a kind.
func (s *service) object(c api.Collection) {
	path := "/v1/config/" + c.Path + "/{name}"
	key := func(name string) model.Key { return model.Key{Kind: c.Kind, Name: name} }

	get := s.shows(path, "get-config-"+string(c.Kind), "Show "+c.Word+" as it stands in the document")
	get.rest, get.fails = true, []int{http.StatusNotFound}
	register(s, get, func(_ context.Context, in *objectShown) (*text, error) {
		doc, k := s.Agent.Current().Document, key(in.Name)
		body, ok := doc.Object(k, in.format())
		tag, there := doc.ETag(k)
		if !ok || !there {
			return nil, &apply.NotFoundError{Key: k}
		}
		return in.answer(body, tag)
	})

	put := s.changes(http.MethodPut, path, "put-config-"+string(c.Kind), "Put "+c.Word+" in the place of the one that is there, or add it")
	put.rest = true
	put.answers["201"] = success[apply.Result](s, "It was not there, and is.")
	put.fails = append(put.fails, http.StatusNotFound)
	register(s, put, func(ctx context.Context, in *objectPut) (*changed, error) {
		e := model.Edit{Op: model.PutObject, Key: key(in.Name), Body: in.own()}
		switch _, there := s.Agent.Current().Document.ETag(e.Key); {
		case in.NoneMatch == "*":
			e.Op = model.CreateObject
			c, err := s.edit(ctx, &in.Wanted, e, s.place(e.Key))
			var exists *model.ObjectThereError
			if errors.As(err, &exists) {
				return nil, fail(http.StatusPreconditionFailed, "%v", exists)
			}
			return c, err
		case in.NoneMatch != "":
			return nil, fail(http.StatusBadRequest, "If-None-Match: %s: only * is taken here", in.NoneMatch)
		case there:
			return s.edit(ctx, &in.Wanted, e, nil)
		default:
			return s.edit(ctx, &in.Wanted, e, s.place(e.Key))
		}
	})
	s.takesJSON(path, http.MethodPut, "What stands in the document for "+c.Word+".")

	patch := s.changes(http.MethodPatch, path, "patch-config-"+string(c.Kind), "Change some keys of "+c.Word)
	patch.rest, patch.fails = true, append(patch.fails, http.StatusNotFound)
	register(s, patch, func(ctx context.Context, in *objectPatched) (*changed, error) {
		return s.edit(ctx, &in.Wanted, model.Edit{Op: model.MergeObject, Key: key(in.Name), Body: in.own()}, nil)
	})
	s.takesJSON(path, http.MethodPatch, "A JSON merge patch (RFC 7396), in JSON or in YAML.")
	content := s.api.OpenAPI().Paths[path].Patch.RequestBody.Content
	content["application/merge-patch+json"] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeObject}}

	remove := s.changes(http.MethodDelete, path, "delete-config-"+string(c.Kind), "Remove "+c.Word)
	remove.rest, remove.fails = true, append(remove.fails, http.StatusNotFound)
	register(s, remove, func(ctx context.Context, in *objectDeleted) (*changed, error) {
		return s.edit(ctx, &in.Wanted, model.Edit{Op: model.DeleteObject, Key: key(in.Name)}, nil)
	})
}

// edit makes one edit in the way that is wanted. If-Match is of its object.
func (s *service) edit(ctx context.Context, q *Wanted, e model.Edit, created func(*apply.Result) string) (*changed, error) {
	r, err := q.request(ctx)
	if err != nil {
		return nil, err
	}
	r.Edits, r.MatchKey = []model.Edit{e}, e.Key
	return s.change(ctx, q, r, created)
}

// place says where an object is that was created.
func (s *service) place(k model.Key) func(*apply.Result) string {
	return func(r *apply.Result) string {
		c, ok := api.CollectionOf(k.Kind)
		if !ok || !r.Changed {
			return ""
		}
		return "/v1/config/" + c.Path + "/" + url.PathEscape(k.Name)
	}
}
