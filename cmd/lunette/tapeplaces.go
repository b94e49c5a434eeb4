package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/archive/mhvtl"
)

// inStore is where cartridges are looked for by their barcodes.
type inStore struct {
	Store string `placeholder:"DIR" complete:"dir" help:"Cartridges are named by their barcodes, and are in this store."`
}

// path is what is meant by a place: a word that can be a barcode is one of the store, if there is one.
func (c inStore) path(place string) string {
	if c.Store == "" || place == "-" || strings.ContainsRune(place, '/') || hasEnd(place, ".tar") || hasEnd(place, ".tap") {
		return place
	}
	return filepath.Join(c.Store, "cartridges", place)
}

func hasEnd(path, end string) bool { return strings.EqualFold(filepath.Ext(path), end) }

// source opens a tape wherever it is.
func (c inStore) source(e *env, place string) (archive.Source, error) {
	path := c.path(place)
	if path == "-" {
		return archive.ReadTar(e.stdin, nil)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such tape", path)
	case err != nil:
		return nil, err
	case archive.IsDrive(path):
		return archive.OpenDrive(path)
	case !info.IsDir():
		return openFile(path)
	case archive.IsCartridge(path):
		return archive.OpenCartridge(path)
	case archive.IsDirectory(path):
		return archive.OpenDirectory(path)
	case mhvtl.IsCartridge(path):
		return mhvtl.Open(path)
	}
	return nil, fmt.Errorf("%s: there is no tape in this directory", path)
}

// openFile opens a tape in a file.
func openFile(path string) (archive.Source, error) {
	if hasEnd(path, ".tap") {
		return archive.OpenSIMH(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	_, err = tar.NewReader(f).Next()
	if closing := f.Close(); closing != nil {
		return nil, closing
	}
	if err != nil {
		return nil, fmt.Errorf("%s: it is neither a tar file nor, with .tap at its end, one of SIMH", path)
	}
	return archive.OpenTar(path)
}

// making is what a new cartridge is to be.
type making struct {
	Format     string `placeholder:"FORMAT" help:"Of a new cartridge: its media format, such as L8. Default: as the tape says, or its barcode."`
	Size       string `placeholder:"SIZE" help:"Of a new cartridge: its capacity, such as 40M. Default: as the tape says, or its format."`
	DeleteData bool   `help:"What is on the cartridge that is written may go."`
}

// sink opens a place to write a tape there.
func (m making) sink(e *env, c inStore, place string) (archive.Sink, error) {
	path := c.path(place)
	info, err := os.Stat(path)
	there := err == nil
	switch {
	case path == "-":
		return archive.WriteTar(e.stdout), nil
	case archive.IsDrive(path):
		if !m.DeleteData {
			return nil, &unconfirmed{[]string{"--delete-data"}}
		}
		return archive.ToDrive(path)
	case hasEnd(path, ".tar"):
		return archive.CreateTar(path)
	case hasEnd(path, ".tap"):
		return archive.CreateSIMH(path)
	case there && !info.IsDir():
		return nil, fmt.Errorf("%s: it is there already", path)
	case archive.IsCartridge(path):
		s := archive.ToCartridge(path)
		s.Overwrite = m.DeleteData
		return s, nil
	case !there && filepath.Base(filepath.Dir(path)) == "cartridges":
		if path != place && m.Format == "" && !archive.HasFormat(place) {
			return nil, usageError{fmt.Errorf("%s ends with no media format: add one such as --format L8 if it is to be a new cartridge; ./%s is a directory", place, place)}
		}
		return m.cartridge(path)
	}
	return archive.CreateDirectory(path)
}

// cartridge is a new one, named by its barcode.
func (m making) cartridge(path string) (archive.Sink, error) {
	if store := filepath.Dir(filepath.Dir(path)); !isDirectory(filepath.Dir(path)) {
		return nil, fmt.Errorf("%s: there is no store of cartridges here: \"lunette vtl create\" makes one", store)
	}
	w := archive.Wish{Barcode: filepath.Base(path), Format: m.Format}
	if m.Size != "" {
		n, err := sizeFlag("--size", m.Size)
		if err != nil {
			return nil, err
		}
		w.Capacity = n
	}
	s := archive.ToCartridge(path)
	s.Spec = archive.SpecFor(w)
	return s, nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
