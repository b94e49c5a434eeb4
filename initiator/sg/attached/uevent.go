package attached

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"
)

// maxEvent is more than the kernel sends of one event: 2048 bytes of variables behind a path.
const maxEvent = 8192

// receive reads events from socket until ctx ends; then it closes it, and the channel. The channel has room for one event: those that nobody has
// looked at are one.
func receive(ctx context.Context, socket *os.File) <-chan struct{} {
	events := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { socket.SetReadDeadline(time.Unix(1, 0)) })
	go func() {
		defer close(events)
		defer socket.Close()
		defer stop()
		b := make([]byte, maxEvent)
		for {
			n, err := socket.Read(b)
			switch {
			case errors.Is(err, syscall.ENOBUFS): // there were more than the socket has room for: any device may have come or gone
			case err != nil:
				return
			case !concerns(b[:n]):
				continue
			}
			select {
			case events <- struct{}{}:
			default:
			}
		}
	}()
	return events
}

// concerns reports that an event is about a SCSI device that came or went, or got another driver or node.
//
// An event is "ACTION@PATH" and then variables, each NAME=VALUE, all ended by NUL (Linux's lib/kobject_uevent.c).
func concerns(event []byte) bool {
	head, rest, ok := bytes.Cut(event, []byte{0})
	action, path, at := strings.Cut(string(head), "@")
	if !ok || !at || !strings.HasPrefix(path, "/") {
		return false // udev's own messages are not for us
	}
	switch action {
	case "add", "remove", "change", "bind", "unbind", "move", "online", "offline":
	default:
		return false
	}
	for len(rest) > 0 {
		var v []byte
		v, rest, _ = bytes.Cut(rest, []byte{0})
		if subsystem, ok := bytes.CutPrefix(v, []byte("SUBSYSTEM=")); ok {
			switch string(subsystem) {
			case "scsi", "scsi_device", "bsg", "scsi_generic", "scsi_tape", "scsi_changer":
				return true
			}
			return false
		}
	}
	return false
}
