package attached

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/scsi"
)

const hosts = "/sys/bus/pseudo/drivers/scsi_debug/add_host"

// TestKernel is about this host's own devices, where it has the module scsi_debug (modprobe scsi_debug): in a guest. It finds each by what it is
// called, and detaches those of scsi_debug alone.
func TestKernel(t *testing.T) {
	if _, err := os.Stat(hosts); err != nil {
		t.Skip("this kernel has no scsi_debug")
	}
	h := Host{}
	all, err := h.List()
	if err != nil || len(all) == 0 {
		t.Fatalf("%d devices, %v", len(all), err)
	}
	for _, u := range all {
		users, err := h.Users(u)
		t.Logf("%v; %+v, %d bytes, %d commands; driver %s, users %q, %v", u, u.Nodes, u.MaxTransfer, u.Depth, u.Driver, users, err)
		for _, id := range []string{u.Address, u.Nodes.BSG, u.Nodes.SG, u.Nodes.Upper, u.Name} {
			if id == "" {
				continue
			}
			if got, err := h.Find(id); err != nil || got.Address != u.Address {
				t.Errorf("%s: %v, %v", id, got, err)
			}
		}
		if u.MaxTransfer == 0 || u.Depth == 0 || u.Nodes.BSG == "" && u.Nodes.SG == "" {
			t.Errorf("%+v", u)
		}
		if u.Product == "scsi_debug" && u.Driver != "" && len(users) == 0 {
			detachReal(t, h, u)
		}
	}
}

// detachReal takes u from its driver, and gives it back.
func detachReal(t *testing.T, h Host, u Unit) {
	if u.Nodes.Upper != "" && u.Type == scsi.TypeDisk {
		release, err := h.exclusive(u.Nodes.Upper)
		if err != nil {
			t.Fatal(err)
		}
		if users, err := h.Users(u); err != nil || len(users) != 1 {
			t.Errorf("a disk that somebody has to himself: users %q, %v", users, err)
		}
		if _, err := h.Detach(u); !errors.Is(err, ErrInUse) {
			t.Error(err)
		}
		release()
	}
	attach, err := h.Detach(u)
	if err != nil {
		t.Fatal(err)
	}
	now, err := h.Same(u)
	if err != nil || now.Driver != "" || now.Nodes.Upper != "" || now.Nodes.BSG != u.Nodes.BSG || now.Nodes.SG != u.Nodes.SG {
		t.Errorf("without its driver: %+v, %v", now, err)
	}
	if err := attach(); err != nil {
		t.Fatal(err)
	}
	if now, err = h.Same(u); err != nil || now.Driver != u.Driver {
		t.Errorf("given back: %+v, %v", now, err)
	}
}

// TestKernelTells: devices that come and go are told of by the kernel, in time.
func TestKernelTells(t *testing.T) {
	if unix.Access(hosts, unix.W_OK) != nil {
		t.Skip("this kernel has no scsi_debug")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	h := Host{}
	events, err := h.events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan int, 1)
	count := func() int {
		all, err := h.List()
		if err != nil {
			t.Error(err)
		}
		return len(all)
	}
	before := count()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// The clock never ticks: it is the kernel who tells.
		h.watch(ctx, func() {
			select {
			case <-told:
			default:
			}
			told <- count()
		}, events, make(chan time.Time))
	}()
	for _, c := range []struct {
		add  string
		want func(int) bool
	}{{"1", func(n int) bool { return n > before }}, {"-1", func(n int) bool { return n <= before }}} {
		if err := os.WriteFile(hosts, []byte(c.add), 0); err != nil {
			t.Fatal(err)
		}
		for !c.want(<-told) {
		}
	}
	cancel()
	<-ended
	for range events {
	}
}
