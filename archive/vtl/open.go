package vtl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/library/panel"
	"github.com/lunette-io/lunette/device/personality"
)

// Open opens a library of a store with no daemon, as its state says that it is.
func Open(ctx context.Context, store, name string) (*Panel, error) {
	shape, err := library.ShapeOf(store, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent(store, name)
	}
	if err != nil {
		return nil, err
	}
	set, err := set("")
	if err != nil {
		return nil, err
	}
	l, err := open(ctx, store, name, shape, set)
	if err != nil {
		return nil, err
	}
	return &Panel{panel.Panel{Library: l, Name: name, Store: store, Drives: shape.Drives}}, nil
}

// absent is the error of a library that is not there: with those that are.
func absent(store, name string) error {
	names, err := library.Names(store)
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return fmt.Errorf("there is no library in %s: \"lunette vtl create\" makes one", store)
	}
	return fmt.Errorf("there is no library %s in %s: there is %s", name, store, strings.Join(names, ", "))
}

// open opens a library of some shape. Element addresses are nothing that anybody sees here.
func open(ctx context.Context, store, name string, s library.Shape, set personality.Set) (*library.Library, error) {
	l, err := library.Open(ctx, library.Config{
		Store: store, Name: name, Set: set, Drives: holders(s.Drives), DriveNames: names(s.Drives), Slots: s.Slots, Mail: s.Mail,
		Addresses: personality.Addresses{Transport: 0, Drive: 1, Mail: uint16(1 + s.Drives), Storage: uint16(1 + s.Drives + s.Mail)},
	})
	if errors.Is(err, library.ErrInUse) {
		return nil, fmt.Errorf("a daemon serves the library %s, or another command has it: leave --store out to ask the daemon: %w", name, err)
	}
	return l, err
}

// Names are the libraries of a store.
func Names(store string) ([]string, error) { return library.Names(store) }

// Barcodes are the cartridges of a store.
func Barcodes(store string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(store, "cartridges"))
	var all []string
	for _, e := range entries {
		if e.IsDir() && library.CheckBarcode(e.Name()) == nil {
			all = append(all, e.Name())
		}
	}
	return all, err
}
