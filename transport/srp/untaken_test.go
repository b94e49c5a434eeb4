package srp_test

import (
	"testing"

	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// An initiator that sends more and more, and takes no answers, is ended: what waits to be sent to it is a
// few hundred requests, of commands and of task management functions.
func TestAnswersNobodyTakes(t *testing.T) {
	const limit = 16
	for name, send := range map[string]func(s *sender){
		"commands": func(s *sender) { s.send(iu.Command{}) },
		"functions": func(s *sender) {
			s.tag++
			s.c.h.Received(message(iu.TaskManagement{Tag: s.tag, Function: iu.AbortTaskSet}.Append(nil)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, g := newFake(t, srp.Config{Credits: limit}), newFake(t, srp.Config{Credits: limit})
			defer f.close()
			defer g.close()
			s := &sender{c: f.dial(0, iu.Single)}
			for range 100 * limit {
				if s.c.isOver() {
					break
				}
				send(s)
			}
			if !s.c.isOver() || s.tag > 520 {
				t.Errorf("ended %v after %d requests", s.c.isOver(), s.tag)
			}
			polite := &sender{c: g.dial(0, iu.Single)}
			for range 100 * limit {
				send(polite)
				for polite.c.complete(nil) {
				}
			}
			if polite.c.isOver() {
				t.Error("one that takes its answers is ended")
			}
		})
	}
}
