package apply_test

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/agent/apply"
)

// TestNoLostUpdate: many who count up what they see, and look again when somebody was faster, count all of it;
// who reads meanwhile sees whole documents, and never an older one.
func TestNoLostUpdate(t *testing.T) {
	const writers, readers, each = 20, 20, 10
	b := start(t, &disk{}, base("0"))
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	for range readers {
		reading.Go(func() {
			last := uint64(0)
			for {
				s := b.Current()
				if s.Generation < last || s.Document.Targets[0].Alias != strconv.FormatUint(s.Generation-1, 10) {
					t.Errorf("%q of generation %d is seen after %d", s.Document.Targets[0].Alias, s.Generation, last)
				}
				last = s.Generation
				_ = b.Status()
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	for range writers {
		writing.Go(func() {
			for n := 0; n < each; {
				s := b.Current()
				now, err := strconv.Atoi(s.Document.Targets[0].Alias)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = b.Apply(t.Context(), apply.Request{Text: base(strconv.Itoa(now + 1)), Match: s.ETag})
				switch conflict := (*apply.ConflictError)(nil); {
				case err == nil:
					n++
				case !errors.As(err, &conflict):
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	b.Close()
	b.check(t)
	if got, want := b.alias(), strconv.Itoa(writers*each); got != want {
		t.Errorf("%s is counted, not %s", got, want)
	}
}
