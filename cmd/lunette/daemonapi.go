package main

import (
	"context"
	"iter"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/state"
)

// A daemonAPI is what commands ask of a daemon; [client.Client] is one.
type daemonAPI interface {
	documents
	objects
	runs
	shower
	actor
}

// documents are what commands ask about the whole document.
type documents interface {
	Config(ctx context.Context, f model.Format) (text []byte, etag string, err error)
	Schema(ctx context.Context) ([]byte, error)
	Apply(ctx context.Context, r client.ApplyRequest) (*apply.Result, error)
	Rollback(ctx context.Context, generation uint64, o client.Options) (*apply.Result, error)
	Reload(ctx context.Context, o client.Options) (*apply.Result, error)
	History(ctx context.Context) ([]state.Meta, error)
	Generation(ctx context.Context, n uint64) (*api.Generation, error)
}

// objects are what commands ask about objects of it.
type objects interface {
	Objects(ctx context.Context, kind model.ObjectKind) ([]api.Object, error)
	Object(ctx context.Context, k model.Key, f model.Format) (text []byte, etag string, err error)
	CreateObject(ctx context.Context, k model.Key, body []byte, o client.Options) (*apply.Result, error)
	PutObject(ctx context.Context, k model.Key, body []byte, o client.Options) (*apply.Result, error)
	PatchObject(ctx context.Context, k model.Key, patch []byte, o client.Options) (*apply.Result, error)
	DeleteObject(ctx context.Context, k model.Key, o client.Options) (*apply.Result, error)
}

// runs are what commands ask about what it does.
type runs interface {
	Status(ctx context.Context) (*apply.Status, error)
	Confirm(ctx context.Context) (*apply.Result, error)
	Revert(ctx context.Context) (*apply.Result, error)
	Events(ctx context.Context, from uint64, follow bool) iter.Seq2[apply.Event, error]
	Operations(ctx context.Context) ([]apply.Operation, error)
	CancelOperation(ctx context.Context, id string) error
}

// A shower is what commands ask about what it serves.
type shower interface {
	Targets(ctx context.Context) ([]api.Target, error)
	Units(ctx context.Context) ([]api.Unit, error)
	Sessions(ctx context.Context) ([]api.Session, error)
	DropSession(ctx context.Context, transport, id string) error
	Reservations(ctx context.Context, unit string) (*api.Reservations, error)
	ClearReservations(ctx context.Context, unit string) error
}
