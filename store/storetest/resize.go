package storetest

import (
	"errors"

	"github.com/lunette-io/lunette/store"
)

// resize: a store grows by zeros and shrinks, keeps what is in both sizes, and ends where it
// ends. A place that has the size it has says so and stays as it is.
func (f *fixture) resize() {
	if f.resizer == nil {
		return
	}
	was := f.model.size()
	w := f.worker(0, was, 6)
	if err := errors.Join(w.write(0, was), f.resizer.Resize(f.Context(), 0), f.resizer.Resize(f.Context(), was)); err != nil {
		f.Fatalf("to the size that it has: %v", err)
	}
	for _, bad := range []int64{-Block, was + 1, was - Block/2} {
		if err := f.resizer.Resize(f.Context(), bad); !errors.Is(err, store.ErrNotSupported) {
			f.Errorf("%d bytes: %v", bad, err)
		}
	}
	for i, size := range []int64{was + 1<<20, was, was / 2 / 4096 * 4096, was/2/4096*4096 + 64<<10, was + 3<<20} {
		before := f.model.size()
		err := f.resizer.Resize(f.Context(), size)
		if i == 0 && errors.Is(err, store.ErrNotSupported) {
			break // a device has the size it has
		} else if err != nil {
			f.Fatalf("from %d to %d bytes: %v", before, size, err)
		}
		f.model.resize(size)
		if got := f.Info().Size; got != size {
			f.Fatalf("Info has %d bytes, not %d", got, size)
		}
		f.verify("after resizing")
		if f.mapper != nil && size > before+64<<10 {
			from := (before + 64<<10) / (64 << 10) * (64 << 10)
			if e, err := f.mapper.Extent(f.Context(), from, size-from); err != nil || e.Off != from {
				f.Errorf("extent of what is new: %+v, %v", e, err)
			}
		}
		if err := f.worker(0, size, uint64(i)).run(40); err != nil {
			f.Fatalf("with %d bytes: %v", size, err)
		}
		if err := errors.Join(w.write(size-Block, Block), w.trim(max(size-8192, 0), 8192), w.write(size-2*Block, 2*Block)); err != nil {
			f.Fatalf("at the end of %d bytes: %v", size, err)
		}
		f.verify("after writing to the end")
	}
	if f.Reopen == nil {
		return
	}
	before := f.Info()
	if err := f.Store.Close(); err != nil {
		f.Fatal(err)
	}
	s, err := f.Reopen()
	if err != nil {
		f.Fatalf("reopen: %v", err)
	}
	f.use(s)
	if after := f.Info(); after != before {
		f.Errorf("Info was %+v, is %+v", before, after)
	}
	f.verify("after reopening")
}

// resizeLive: a store that needs no rest for it grows, and gets its old size back, while what it has
// is read and written.
func (f *fixture) resizeLive() {
	live, ok := store.As[store.LiveResizer](f.Store)
	if !ok {
		return
	}
	was, stop := f.model.size(), make(chan struct{})
	ended := make(chan error, 2)
	for i := range int64(2) {
		w := f.worker(was/2*i/Block*Block, was/2*(i+1)/Block*Block, uint64(20+i))
		go func() {
			for {
				select {
				case <-stop:
					ended <- nil
					return
				default:
					if err := w.run(5); err != nil {
						ended <- err
						return
					}
				}
			}
		}()
	}
	for _, size := range []int64{was + 1<<20, was + 3<<20, was, was + 1<<20, was} {
		err := live.ResizeLive(f.Context(), size)
		if errors.Is(err, store.ErrNotSupported) && size != was {
			break // a device has the size it has
		} else if err != nil {
			f.Errorf("to %d bytes: %v", size, err)
		} else if got := f.Info().Size; got != size {
			f.Errorf("Info has %d bytes, not %d", got, size)
		}
	}
	close(stop)
	for range 2 {
		if err := <-ended; err != nil {
			f.Errorf("while it is resized: %v", err)
		}
	}
	f.verify("after resizing under way")
}
