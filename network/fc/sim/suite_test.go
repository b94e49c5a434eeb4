package sim

import (
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc/fabric"
	"github.com/lunette-io/lunette/network/fc/fctest"
)

// suite runs the suite with faults that nobody may notice.
func suite(t *testing.T, c Config, f Faults) {
	fctest.Test(t, func(t testing.TB) fctest.Bed {
		n := With(c)
		n.Break(f)
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		return fctest.Bed{A: n, B: n, Cut: func() { n.Cut() }, Mend: func() { n.Mend() }}
	})
}

func TestSuite(t *testing.T) { suite(t, Config{}, nil) }

func TestSuiteSmall(t *testing.T) { suite(t, Config{MaxPayload: 1452, Receives: 128 << 10}, nil) }

func TestSuiteLearn(t *testing.T) { suite(t, Config{Learn: 10 * time.Millisecond}, nil) }

// fabricSuite runs the suite with ports inside of a fabric and outside of it.
func fabricSuite(t *testing.T, open func(x *Fabric) fctest.Bed) {
	fctest.Test(t, func(t testing.TB) fctest.Bed {
		x := NewFabric(fabric.Config{}, Config{})
		t.Cleanup(func() {
			for _, err := range []error{x.Outside.Close(), x.Inside.Close()} {
				if err != nil {
					t.Error(err)
				}
			}
		})
		b := open(x)
		b.Fabric = true
		return b
	})
}

func TestSuiteFabric(t *testing.T) {
	fabricSuite(t, func(x *Fabric) fctest.Bed {
		return fctest.Bed{A: x.Inside, B: x.Outside, Cut: func() { x.Outside.Cut() }, Mend: func() { x.Outside.Mend() }, Traits: fctest.Traits{Inside: true}}
	})
}

func TestSuiteInside(t *testing.T) {
	fabricSuite(t, func(x *Fabric) fctest.Bed { return fctest.Bed{A: x.Inside, B: x.Inside} })
}

// With the port that comes and goes inside.
func TestSuiteOutside(t *testing.T) {
	fabricSuite(t, func(x *Fabric) fctest.Bed { return fctest.Bed{A: x.Outside, B: x.Inside} })
}
