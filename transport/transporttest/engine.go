package transporttest

import (
	"os"
	"testing"

	"github.com/lunette-io/lunette/network/tcp"
)

// EngineEnv names the variable of the environment that says over which engine the tests of
// whole targets run: all of them pass over each. `lunette serve` knows it too.
const EngineEnv = "LUNETTE_ENGINE"

// Engines are the names of all engines.
func Engines() []string { return []string{"goroutines", "reactors"} }

// NewEngine makes the engine that EngineEnv names, goroutines if it names none. Whoever
// makes it closes it.
func NewEngine(tb testing.TB) tcp.Engine {
	tb.Helper()
	name := os.Getenv(EngineEnv)
	if name == "" {
		name = "goroutines"
	}
	return NamedEngine(tb, name)
}

// NamedEngine makes an engine.
func NamedEngine(tb testing.TB, name string) tcp.Engine {
	tb.Helper()
	switch name {
	case "goroutines":
		return tcp.NewGoroutines(tcp.AutoSpin())
	case "reactors":
		e, err := tcp.NewReactors(tcp.ReactorOptions{Count: 1, Spin: tcp.AutoSpin()})
		if err != nil {
			tb.Fatal(err)
		}
		return e
	}
	tb.Fatalf("there is no engine %q", name)
	return nil
}
