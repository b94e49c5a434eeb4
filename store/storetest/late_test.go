package storetest_test

import (
	"testing"

	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
)

func TestComparing(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		m, err := memory.Open(memory.Config{Size: 4 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Subject{Store: storetest.NewComparing(m)}
	})
}

func TestLate(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		m, err := memory.Open(memory.Config{Size: 4 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Subject{Store: storetest.NewLate(m)}
	})
}
