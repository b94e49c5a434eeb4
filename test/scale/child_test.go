//go:build scale

package scale

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon"
)

// The test starts itself as the daemon, so that it can be asked what only its own process
// knows; the variable has the path of its socket.
const childEnv = "LUNETTE_SCALE_CHILD"

func TestMain(m *testing.M) {
	if socket := os.Getenv(childEnv); socket != "" {
		if err := serve(socket); err != nil {
			slog.Error("the daemon has failed", "error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A count is what the daemon knows of itself.
type count struct {
	Portal      string
	Goroutines  int
	Heap        int64  // bytes of live objects, and of those that the collector has not seen
	Stacks      int64  // bytes
	Collections uint32 // of garbage
	Mallocs     uint64
}

// serve serves the document that is the first line of standard input. Each line after it is a
// question: "count", or "collect", which gives unused memory back first.
func serve(socket string) error {
	in := bufio.NewScanner(os.Stdin)
	in.Scan()
	doc, err := model.Read("scale", in.Bytes(), daemon.Builtin().Schema())
	if err != nil {
		return err
	}
	d, err := daemon.Start(context.Background(), doc, daemon.Builtin(), daemon.Options{
		Log: slog.New(slog.DiscardHandler), Socket: socket, Version: "scale",
	})
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		if in.Text() == "collect" {
			runtime.GC() // what is in pools goes with the second
			debug.FreeOSMemory()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		err := out.Encode(count{
			Portal: d.Targets()[0].Portals[0], Goroutines: runtime.NumGoroutine(),
			Heap: int64(m.HeapAlloc), Stacks: int64(m.StackInuse), Collections: m.NumGC, Mallocs: m.Mallocs,
		})
		if err != nil {
			return err
		}
	}
	return d.Stop(context.Background()) // the parent wants no more
}
