//go:build vm

package vm

import (
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// A qmp is a connection with QEMU's machine protocol. It is for one goroutine.
type qmp struct {
	conn net.Conn
	in   *json.Decoder
}

// qmpPatience is how long QEMU may take to answer.
const qmpPatience = 2 * time.Minute

// dialQMP waits for QEMU to be there, until stop is closed.
func dialQMP(path string, stop <-chan struct{}) (*qmp, error) {
	conn, err := dialSoon(path, stop)
	if err != nil {
		return nil, err
	}
	q := &qmp{conn, json.NewDecoder(conn)}
	if err := q.do("qmp_capabilities", nil); err != nil {
		conn.Close()
		return nil, err
	}
	return q, nil
}

// dialSoon connects to a socket as soon as there is one, until stop is closed.
func dialSoon(path string, stop <-chan struct{}) (net.Conn, error) {
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			return conn, nil
		}
		select {
		case <-stop:
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// do has a command done. What QEMU says of events meanwhile is passed over, and so is its greeting.
func (q *qmp) do(command string, arguments map[string]any) error {
	_ = q.conn.SetDeadline(time.Now().Add(qmpPatience))
	asked := map[string]any{"execute": command}
	if arguments != nil {
		asked["arguments"] = arguments
	}
	if err := json.NewEncoder(q.conn).Encode(asked); err != nil {
		return err
	}
	for {
		var said struct {
			Return json.RawMessage
			Error  *struct{ Class, Desc string }
		}
		if err := q.in.Decode(&said); err != nil {
			return fmt.Errorf("QEMU, asked to %s: %w", command, err)
		}
		switch {
		case said.Error != nil:
			return fmt.Errorf("QEMU does not %s: %s", command, said.Error.Desc)
		case said.Return != nil:
			return nil
		}
	}
}

func (q *qmp) close() { q.conn.Close() }
