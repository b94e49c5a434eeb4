package library

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/device/changer"
)

// A Library is the elements of a library, open. It implements [changer.Inventory].
type Library struct{}

// Open opens a library, and loads into drives what its state has in them.
func Open(ctx context.Context, cfg Config) (*Library, error) { return nil, errors.ErrUnsupported }

// Close gives the cartridges in drives back. In the state they stay there.
func (l *Library) Close() error { return errors.ErrUnsupported }

// Problems are what was found wrong when the library was opened, or scanned, in sentences.
func (l *Library) Problems() []string { return nil }

// OnMove lets f be called after each move, by the goroutine that has made it. It is called before anything moves.
func (l *Library) OnMove(f func(Move)) {}

// Tell lets changed be called when operators have changed the inventory: see [changer.Changer.Changed].
func (l *Library) Tell(changed func(imported bool)) {}

var _ changer.Inventory = (*Library)(nil)

// Elements implements [changer.Inventory].
func (l *Library) Elements() []changer.Element { return nil }

// Move implements [changer.Inventory].
func (l *Library) Move(ctx context.Context, source, destination uint16) error {
	return errors.ErrUnsupported
}

// Exchange implements [changer.Inventory].
func (l *Library) Exchange(ctx context.Context, source, first, second uint16) error {
	return errors.ErrUnsupported
}

// Rescan implements [changer.Inventory].
func (l *Library) Rescan(ctx context.Context) error { return errors.ErrUnsupported }

// Prevent implements [changer.Inventory].
func (l *Library) Prevent(on bool) {}

// Door implements [changer.Inventory].
func (l *Library) Door(ctx context.Context, mail uint16, open bool) error {
	return errors.ErrUnsupported
}
