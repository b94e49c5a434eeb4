package fcp

import (
	"fmt"

	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// attributes are the task attributes that there are.
var attributes = [8]struct {
	attr  target.Attr
	known bool
}{
	iu.AttrSimple: {target.Simple, true}, iu.AttrHeadOfQueue: {target.HeadOfQueue, true},
	iu.AttrOrdered: {target.Ordered, true}, iu.AttrACA: {target.ACA, true},
}

// describe sets k up for a command. What it returns is what is wrong with that, "" if nothing is.
func (k *task) describe(x *iu.Command) string {
	a := attributes[x.Attr&7]
	switch {
	case !a.known:
		return fmt.Sprintf("task attribute %d", x.Attr)
	case x.Read && x.Write:
		return "a bidirectional command"
	}
	k.set(x, a.attr)
	return ""
}

// refuse answers an FCP_CMND that cannot be performed: the initiator is told that fields of it are invalid.
func (k *task) refuse(why string) {
	k.c.log.Debug("FCP command refused", "why", why)
	k.tell(iu.CodeInvalid)
}

// tell answers with a response code, of a function or of a command that the target never sees.
func (k *task) tell(code iu.Code) {
	x := iu.Response{HasCode: true, Code: code}
	k.mu.Lock()
	answers := k.state == open
	if answers {
		k.rsp.Head = x.Append(k.head[:0])
		k.placed(false)
	}
	k.mu.Unlock()
	if answers {
		k.wire.Finish()
		k.c.flush()
	}
}
