package kind

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	content "github.com/lunette-io/lunette/store/image"
)

// A volume is what the file system of a disc says of itself.
type volume struct {
	path string
	content.Found
	size int64 // of the file
}

// lookAt looks into the image at a path. The error is why it is no plain image of a disc; whatever else is wrong with it, who opens it says.
func lookAt(path string) (volume, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() && info.Mode().Type() != os.ModeDevice { // to open anything else may have effects, or wait
		return volume{path: path}, nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return volume{path: path}, nil
	}
	defer f.Close()
	v := volume{path: path}
	if v.size, err = f.Seek(0, io.SeekEnd); err != nil {
		return v, nil
	}
	v.Found = content.Look(f, v.size, path)
	if err := v.OnDrive(path); err != nil || !v.Disc || v.size%unitOfStores == 0 {
		return v, err
	}
	if why := v.Short(v.size); why != "" {
		return v, fmt.Errorf("%s: %s: get it again", path, why)
	}
	return v, fmt.Errorf("%s: its %d bytes are no multiple of %d: make it longer (truncate -s %d)", path, v.size, unitOfStores, (v.size/unitOfStores+1)*unitOfStores)
}

// unitOfStores is what the sizes of stores are multiples of.
const unitOfStores = 512

// lookIn looks into an open store called label. What it is in the document it stays: nothing is refused.
func lookIn(ctx context.Context, s store.Store, label string, arena *buffer.Arena) volume {
	v := volume{path: label, size: s.Info().Size}
	v.Found = content.Look(reader{ctx, s, arena}, v.size, label)
	return v
}

// A reader reads a store piecewise.
type reader struct {
	ctx   context.Context
	store store.Store
	arena *buffer.Arena
}

// ReadAt is io.ReaderAt: it reads whole units, as stores want it.
func (r reader) ReadAt(b []byte, off int64) (int, error) {
	first, end := off&^(unitOfStores-1), (off+int64(len(b))+unitOfStores-1)&^(unitOfStores-1)
	if end > r.store.Info().Size {
		return 0, io.ErrUnexpectedEOF
	}
	l, err := r.arena.Get(end - first)
	if err != nil {
		return 0, err
	}
	defer l.Release()
	if err := r.store.ReadAt(r.ctx, l, first); err != nil {
		return 0, err
	}
	return l.Read(off-first, b), nil
}

// warning is what people are told of it; empty: nothing. A disc that can be written may well be empty.
func (v volume) warning(writable bool) string {
	switch {
	case v.size == 0:
		return ""
	case v.OnDrive("") != nil:
		return fmt.Sprintf("it looks like an image of another format (%s), whose bytes are not those of the disc in it, and is served as it is: %s", v.Format, v.Advice)
	case !v.Disc && !writable:
		return "there is no file system of discs on it (ISO 9660, UDF): most hosts cannot mount it"
	case !writable:
		return v.Short(v.size)
	}
	return ""
}

// volumes is the volume of the disc that was put in last.
type volumes struct{ last atomic.Pointer[volume] }

// of is the volume of the disc called label; the zero one if nothing is known of it.
func (v *volumes) of(label string) volume {
	if l := v.last.Load(); l != nil && label != "" && l.path == label {
		return *l
	}
	return volume{}
}
