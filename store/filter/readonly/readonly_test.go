package readonly

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
)

func TestSuite(t *testing.T) {
	suite(t, func(m *memory.Store) store.Store { return m })
}

func TestSubmitSuite(t *testing.T) {
	suite(t, func(m *memory.Store) store.Store { return storetest.NewLate(m) })
}

func TestComparingSuite(t *testing.T) {
	suite(t, func(m *memory.Store) store.Store { return storetest.NewComparing(m) })
}

func suite(t *testing.T, beneath func(*memory.Store) store.Store) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		m, err := memory.Open(memory.Config{Size: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		content := bytes.Repeat([]byte("content."), 1<<17)
		if err := m.WriteAt(t.Context(), buffer.Of(bytes.Clone(content)), 0, 0); err != nil {
			t.Fatal(err)
		}
		return storetest.Subject{Store: New(beneath(m)), Content: content}
	})
}

func TestCapabilities(t *testing.T) {
	m, err := memory.Open(memory.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := New(m)
	defer s.Close()
	if !s.Info().ReadOnly || m.Info().ReadOnly {
		t.Error("ReadOnly is not what the filter adds")
	}
	l, ok := store.As[store.Lender](s)
	if !ok {
		t.Fatal("no Lender")
	}
	if lease, err := l.Lend(0, 512, store.ForRead); err != nil {
		t.Error(err)
	} else {
		lease.Release()
	}
	if _, err := l.Lend(0, 512, store.ForWrite); !errors.Is(err, store.ErrReadOnly) {
		t.Error(err)
	}
	if _, ok := store.As[store.CompareWriter](s); ok {
		t.Error("invents a CompareWriter")
	}
	if _, ok := store.As[store.Submitter](s); ok {
		t.Error("invents a Submitter")
	}
}
