package vhost

import (
	"errors"
	"io"
	"testing"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// TestAttach goes through the life of a guest: firmware, kernel, stop and go on, reset, the end.
func TestAttach(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	m.echoed(2, "hello")
	m.echoed(2, "hello, hello")

	x, ok := b.socket.Connection()
	if !ok || x.Features != usual || x.Memory != guestBytes || x.Regions != 1 || x.PID == 0 || len(x.Queues) != 3 {
		t.Errorf("%+v, %v", x, ok)
	}
	if q := x.Queues[2]; !q.Running || q.Size != 16 || q.Chains != 2 || q.CopiedOut != 17 {
		t.Errorf("%+v", q)
	}

	// The machine stands still for a while.
	m.enable(2, 0)
	if base := m.stop(2); base != 2 {
		t.Errorf("the ring goes on at %d", base)
	}
	if q := b.device.who().Queue(2); q != nil {
		t.Error("a queue that was stopped is there")
	}
	m.start(2, 2)
	m.echoed(2, "again")
	if x, _ := b.socket.Connection(); x.Queues[2].Chains != 3 {
		t.Errorf("%+v", x.Queues[2])
	}
	if lives, _ := b.device.count(); lives != 1 {
		t.Errorf("%d lives", lives)
	}

	// It is reset.
	m.enable(2, 0)
	m.stop(2)
	m.must(message.ResetDevice, nil)
	if err := <-b.device.ended; err != nil {
		t.Errorf("a reset ends a life with %v", err)
	}
	m.must(message.SetFeatures, message.AppendNumber(nil, featureVersion1|message.FeatureProtocol))
	m.must(message.SetFeatures, message.AppendNumber(nil, featureVersion1|message.FeatureProtocol)) // as QEMU 10 does
	m.layout(2, 16, featureVersion1)
	m.start(2, 0)
	m.echoed(2, "firmware")
	if d := b.device.who(); d.Features() != featureVersion1|message.FeatureProtocol || d.Queue(2) == nil || d.Queue(0) != nil || d.Queue(3) != nil || d.Queue(-1) != nil {
		t.Errorf("%+v", d)
	}

	// It goes.
	m.conn.Close()
	if err := <-b.device.ended; !errors.Is(err, io.EOF) {
		t.Errorf("a front-end that has gone ends a life with %v", err)
	}
}
