package apply_test

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
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

// TestNoLostEdit: the same of one object, by edits; others are edited meanwhile, which is no conflict.
func TestNoLostEdit(t *testing.T) {
	const writers, each = 20, 5
	doc := append(base("0"), "- name: "+iqn+"y\n  luns: {0: a}\n"...)
	b := start(t, &disk{}, doc)
	key := func(name string) model.Key { return model.Key{Kind: model.TargetObject, Name: iqn + name} }
	merge := func(name, alias string) []model.Edit {
		return []model.Edit{{Op: model.MergeObject, Key: key(name), Body: fmt.Appendf(nil, `{"alias": %q}`, alias)}}
	}
	var writing sync.WaitGroup
	for i := range writers {
		name := []string{"x", "y"}[i%2]
		writing.Go(func() {
			for n := 0; n < each; {
				d := b.Current().Document
				tag, _ := d.ETag(key(name))
				now, _ := strconv.Atoi(d.Targets[i%2].Alias)
				_, err := b.Apply(t.Context(), apply.Request{Edits: merge(name, strconv.Itoa(now+1)), Match: tag, MatchKey: key(name)})
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
	b.Close()
	b.check(t)
	for i, x := range b.Current().Document.Targets {
		if got, want := x.Alias, strconv.Itoa(writers/2*each); got != want {
			t.Errorf("%s is counted of target %d, not %s", got, i, want)
		}
	}
}
