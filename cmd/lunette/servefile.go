package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/image"
)

// units are those that a command line makes.
type units struct {
	schema model.Schema
	stores []plugin.Store
	d      *model.Document

	disks, files int // disks, and those of them that are on files or block devices
	drives       int // optical drives
	notes        []noteAt
}

// A noteAt is something that is to be known of a part of the document.
type noteAt struct {
	at  string
	err error
}

// Device types of files.
const (
	diskDevice    = "disk"
	opticalDevice = "optical"
)

// unit makes the unit of one argument.
func (c *serveCmd) unit(all *units, a unitArg) (model.Unit, error) {
	d, at := all.d, fmt.Sprintf("units[%d]", len(all.d.Units))
	switch a.flag {
	case "passthrough":
		d.Label(at, "--passthrough "+a.value)
		u := model.Unit{Name: d.UniqueUnitName(nameOfDevice(a.value))}
		u.Device.Kind = "passthrough"
		u.Device = u.Device.With("id", a.value)
		return u, nil
	case "file":
		d.Label(at, a.value)
		u := model.Unit{Name: d.UniqueUnitName(model.PlainName(a.value))}
		kind, err := c.holder(all, a.value)
		if err != nil {
			return u, err
		}
		device, note := c.deviceOf(all, a.value)
		if note != nil {
			all.notes = append(all.notes, noteAt{at, note})
		}
		if device == opticalDevice {
			disc, err := filepath.Abs(a.value) // a name would be one in the library of the drive
			if err != nil {
				return u, err
			}
			u.Device.Kind = opticalDevice
			u.Device = u.Device.With("disc", disc)
			c.flagged(all, at, &u, "serial", "settings")
			all.drives++
			return u, nil
		}
		d.Label(at+".store.size", "--size")
		all.files++
		if err := c.place(&u.Store, kind, a.value); err != nil {
			return u, err
		}
		c.disk(all, at, &u)
		return u, nil
	}
	d.Label(at, "--"+a.flag)
	u := model.Unit{Name: d.UniqueUnitName(a.flag), Store: model.Plugin{Kind: a.flag}.With("size", a.value)}
	c.disk(all, at, &u)
	return u, nil
}

// disk lets a unit be a disk as the flags say.
func (c *serveCmd) disk(all *units, at string, u *model.Unit) {
	all.disks++
	if c.ReadOnly {
		u.Device = u.Device.With("read-only", "true")
	}
	c.flagged(all, at, u, "serial", "settings", "block-size")
}

// flagged gives a unit the options of its device that are flags.
func (c *serveCmd) flagged(all *units, at string, u *model.Unit, options ...string) {
	for _, o := range options {
		value := map[string]string{"serial": c.Serial, "settings": c.Settings, "block-size": c.BlockSize}[o]
		if value != "" {
			u.Device = u.Device.With(o, value)
			all.d.Label(at+".device."+o, "--"+o)
		}
	}
}

// unused finds flags that are about nothing of what is served.
func (c *serveCmd) unused(all *units, n int) error {
	switch {
	case c.Size != "" && len(c.File) == 0:
		return errors.New("--size is the size of files, and there is none: --memory and --null have their own, such as --memory 1G")
	case c.Direct && len(c.File) == 0:
		return errors.New("--direct is about files, and there is none")
	case c.Format == "raw" && len(c.File) == 0:
		return errors.New("--format is about files, and there is none")
	case c.Device != model.Auto && c.Device != "" && len(c.File) == 0:
		return errors.New("--device is about files, and there is none")
	case c.Serial != "" && n > 1:
		return fmt.Errorf("--serial is that of one disk, and there are %d: write a document, with a serial for each", n)
	}
	for _, f := range []struct {
		name  string
		given bool
		about int
	}{
		{"--size", c.Size != "", all.files}, {"--direct", c.Direct, all.files}, {"--format", c.Format == "raw", all.files},
		{"--serial", c.Serial != "", all.disks + all.drives}, {"--settings", c.Settings != "", all.disks + all.drives}, {"--block-size", c.BlockSize != "", all.disks},
		{"--read-only", c.ReadOnly, all.disks + all.drives},
	} {
		if f.given && f.about == 0 {
			return fmt.Errorf("%s is about disks, and there is none: leave it out, or insist with --device disk that a file is one", f.name)
		}
	}
	return nil
}

// holder is the kind of store that a file of the command line is; one that is not there is made.
func (c *serveCmd) holder(all *units, path string) (model.Kind, error) {
	found, err := plugin.Holder(all.stores, path)
	name := found.Name
	if errors.Is(err, fs.ErrNotExist) {
		_, dangling := os.Readlink(path)
		switch {
		case dangling == nil:
			return model.Kind{}, err
		case c.Size == "":
			return model.Kind{}, fmt.Errorf("%s: there is no such file: add --size 10G to make it, sparse, with that size", path)
		case c.ReadOnly:
			return model.Kind{}, fmt.Errorf("%s: there is no such file, and --read-only makes none", path)
		}
		name, err = all.schema.Default("store"), nil
	}
	if err != nil {
		if info, stat := os.Stat(path); stat == nil && info.Mode()&fs.ModeCharDevice != 0 {
			return model.Kind{}, fmt.Errorf("%s: it is a character device: if it is a SCSI device, such as a tape drive, serve it with --passthrough %s", path, path)
		}
		return model.Kind{}, err
	}
	return all.schema.Find("store", name)
}

// place makes the store of a file or block device that is a disk.
func (c *serveCmd) place(p *model.Plugin, kind model.Kind, path string) error {
	has := func(option string) bool {
		return slices.ContainsFunc(kind.Options, func(o model.Option) bool { return o.Name == option })
	}
	p.Kind = kind.Name
	*p = p.With("path", c.lasting(path))
	if c.ReadOnly {
		*p = p.With("read-only", "true")
	}
	info, err := os.Stat(path)
	switch {
	case c.Size != "" && !has("size"):
		return fmt.Errorf("--size: %s is a %s device, which has its own size", path, kind.Name)
	case c.Size != "":
		*p = p.With("size", c.Size)
	case err == nil && info.Mode().IsRegular() && info.Size() == 0:
		return fmt.Errorf("%s: the file is empty: add --size 10G to give it a size", path)
	}
	if c.Format == "raw" && has("format") {
		*p = p.With("format", "raw")
	}
	if c.Direct && has("direct") {
		*p = p.With("direct", "true")
	}
	return nil
}

// deviceOf says what device a file is, and what is to be known of that. Initiators can write the file system of a disc to their disk:
// what was a disk before stays one, and a disk of this machine is none either.
func (c *serveCmd) deviceOf(all *units, path string) (device string, note error) {
	if c.Device != model.Auto && c.Device != "" {
		return c.Device, nil
	}
	f, named := look(path), calledDisc(path)
	switch {
	case f.Disc && f.Hybrid && !named:
		return diskDevice, errors.New("it is the image of a disc, which boots as a disk as well: it is served as a disk; --device optical makes a disc of it")
	case f.Disc && !named && wasDisk(all.stores, path):
		return diskDevice, errors.New("it has a file system of discs, and is or was a disk: it is served as a disk; --device optical makes a disc of it")
	case f.Disc:
		return opticalDevice, nil
	case named && f.Format == "" && exists(path):
		return diskDevice, errors.New("it is called as a disc is, and has no file system of discs: it is served as a disk; --device optical makes a disc of it")
	}
	return diskDevice, nil
}

// discBlock is the length of the blocks of discs.
const discBlock = 2048

// wasDisk reports that a file was served as a disk before, or that a block device is a disk, and no drive for discs.
func wasDisk(stores []plugin.Store, path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		defer f.Close()
		n, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
		return err == nil && n != discBlock
	}
	kind, err := plugin.Holder(stores, path)
	if err != nil || kind.Look == nil {
		return false
	}
	found, err := kind.Look(kind.At(path, true))
	return err == nil && found.Seed != "" // who opens a file for writing gives it a name that stays with it: for a disk, and seldom for a disc
}

// look looks into a file; what cannot be read has nothing in it: whoever serves it says why.
func look(path string) image.Found {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a drive without a medium is opened as well
	if err != nil {
		return image.Found{}
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	if err != nil {
		return image.Found{}
	}
	return image.Look(f, size, path)
}

// calledDisc reports that a file is called as discs are.
func calledDisc(path string) bool {
	return slices.Contains([]string{".iso", ".udf"}, strings.ToLower(filepath.Ext(path)))
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && (info.Size() > 0 || !info.Mode().IsRegular())
}

// nameOfDevice makes the name of a unit of that of a device.
func nameOfDevice(id string) string {
	return model.PlainName(strings.ReplaceAll(filepath.Base(id), ".", "-"))
}
