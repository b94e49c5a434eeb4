package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestRPC(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	done := make(chan []string)
	go func() {
		defer there.Close()
		var methods []string
		in := json.NewDecoder(there)
		for {
			var x struct {
				ID     int
				Method string
				Params map[string]any
			}
			if in.Decode(&x) != nil {
				break
			}
			methods = append(methods, x.Method)
			if x.Params["name"] == "bad" {
				fmt.Fprintf(there, `{"jsonrpc": "2.0", "id": %d, "error": {"code": -32602, "message": "Invalid parameters"}}`, x.ID)
			} else {
				fmt.Fprintf(there, `{"jsonrpc": "2.0", "id": %d, "result": true}`, x.ID)
			}
		}
		done <- methods
	}()
	c := &rpcClient{conn: here, in: json.NewDecoder(here)}
	c.call("a", map[string]any{"name": "good"})
	c.call("b", map[string]any{"name": "good"})
	if c.err != nil {
		t.Error(c.err)
	}
	c.call("c", map[string]any{"name": "bad"})
	c.call("d", map[string]any{"name": "good"}) // is not sent
	if c.err == nil || c.err.Error() != "c: Invalid parameters (-32602)" {
		t.Error(c.err)
	}
	here.Close()
	if methods := strings.Join(<-done, ""); methods != "abc" {
		t.Errorf("called %s", methods)
	}
}
