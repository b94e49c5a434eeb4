package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
)

// kindOf is the kind of objects that the command above the one that was given is about: "unit" of "unit set".
func kindOf(k *kong.Context) model.ObjectKind {
	return model.ObjectKind(k.Selected().Parent.Name)
}

// listObjects lists the objects of a kind as they stand in the document.
type listObjects struct {
	form
	at
}

// Run lists them.
func (c *listObjects) Run(e *env, k *kong.Context) error { return c.list(e, c.Socket, kindOf(k)) }

// showObject shows one object as it stands in the document.
type showObject struct {
	Name string `arg:"" complete:"sibling" help:"Which one."`
	form
	at
}

// Run shows it.
func (c *showObject) Run(e *env, k *kong.Context) error {
	return c.one(e, c.Socket, model.Key{Kind: kindOf(k), Name: c.Name})
}

// setObject changes values of an object.
type setObject struct {
	Name   string   `arg:"" complete:"sibling" help:"Which one."`
	Values []string `arg:"" name:"key=value" sep:"none" help:"What is to be: KEY=VALUE; with dots where one key is in another, as store.size=20G; a number for the place in a list, as filters.0.kind=stats or filters[0].kind=stats. KEY= takes a value away."`
	changing
}

// Run changes it.
func (c *setObject) Run(e *env, k *kong.Context) error {
	all, err := assignments(c.Values)
	if err != nil {
		return usageError{err}
	}
	return c.set(e, model.Key{Kind: kindOf(k), Name: c.Name}, all)
}

// deleteObject removes an object.
type deleteObject struct {
	Name string `arg:"" complete:"sibling" help:"Which one."`
	changing
}

// Run removes it.
func (c *deleteObject) Run(e *env, k *kong.Context) error {
	return c.remove(e, model.Key{Kind: kindOf(k), Name: c.Name}, c.options())
}

// set changes values of an object.
func (c *changing) set(e *env, k model.Key, all []assignment) error {
	s, err := e.shape(c.Socket, k)
	if err != nil {
		return err
	}
	return c.patch(e, k, func(object fields) (fields, error) { return assigned(s, object, all) })
}

// shape asks for the shape of objects of a kind. Of a daemon that has no schema nothing is known.
func (e *env) shape(socket string, k model.Key) (shape, error) {
	schema, err := e.daemon(socket).Schema(e.ctx)
	if errors.As(err, new(*client.Error)) || errors.As(err, new(*client.NotFoundError)) {
		return shape{}, nil
	}
	if err != nil {
		return shape{}, err
	}
	s, err := shapeOf(schema, k)
	if err != nil {
		return shape{}, unread(err)
	}
	return s, nil
}

// patch changes an object by a merge patch that is made of what it is. If it changes while that is done, the
// patch is made anew, once.
func (c *changing) patch(e *env, k model.Key, patch func(object fields) (fields, error)) error {
	for again := false; ; again = true {
		object, etag, err := c.object(e, k)
		if err != nil {
			return err
		}
		changes, err := patch(object)
		if err != nil {
			return usageError{err}
		}
		body, err := json.Marshal(changes)
		if err != nil {
			return err
		}
		o := c.options()
		o.Match = etag
		err = c.do(e, o, func(ctx context.Context, o client.Options) (*apply.Result, error) {
			if etag == "" {
				return e.daemon(c.Socket).PutObject(ctx, k, body, o)
			}
			return e.daemon(c.Socket).PatchObject(ctx, k, body, o)
		})
		if again || !errors.As(err, new(*client.ConflictError)) {
			return inDocument(objectName(k), err)
		}
	}
}

// object is an object that is to be changed, with its ETag. A section that is not there is one with nothing
// in it, and has no ETag.
func (c *changing) object(e *env, k model.Key) (fields, string, error) {
	text, etag, err := e.daemon(c.Socket).Object(e.ctx, k, model.JSON)
	if k.Kind == model.SectionObject && errors.As(err, new(*client.NotFoundError)) {
		return fields{}, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	tree, err := readTree(text)
	if err != nil {
		return nil, "", unread(err)
	}
	if address, ok := tree.(string); ok { // a portal
		return fields{{"address", address}}, etag, nil
	}
	object, _ := tree.(fields)
	return object, etag, nil
}

// create adds an object. One that is there and is the same is as good.
func (c *changing) create(e *env, k model.Key, object fields) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	d := e.daemon(c.Socket)
	err = c.do(e, c.options(), func(ctx context.Context, o client.Options) (*apply.Result, error) {
		return d.CreateObject(ctx, k, body, o)
	})
	if !errors.As(err, new(*client.ExistsError)) {
		return inDocument(objectName(k), err)
	}
	same, err := d.PutObject(e.ctx, k, body, client.Options{DryRun: true})
	switch {
	case err == nil && same.Plan.Empty():
		return c.idle(e, same, "The "+objectName(k)+" is there already, and is the same: nothing changes.")
	case err == nil, errors.As(err, new(*client.NeedsConfirmError)):
		return &otherError{fmt.Sprintf("there is another %s already: \"lunette %s set %s\" changes it, and \"lunette %s show %s\" shows it", objectName(k), k.Kind, k.Name, k.Kind, k.Name)}
	}
	return inDocument(objectName(k), err)
}

// remove takes an object away. One that is not there is as good as removed.
func (c *changing) remove(e *env, k model.Key, o client.Options) error {
	d := e.daemon(c.Socket)
	err := c.do(e, o, func(ctx context.Context, o client.Options) (*apply.Result, error) { return d.DeleteObject(ctx, k, o) })
	if !errors.As(err, new(*client.NotFoundError)) {
		return err
	}
	return c.idle(e, &apply.Result{Plan: listed(nil)}, "There is no "+objectName(k)+": nothing changes.")
}

// idle says that nothing was to be done.
func (c *changing) idle(e *env, r *apply.Result, why string) error {
	if shown, err := c.show(e, r); shown || err != nil {
		return err
	}
	_, err := fmt.Fprintln(e.stdout, printable(why))
	return err
}
