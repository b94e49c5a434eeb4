package login

import (
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// An Asker answers keys of full feature phase that this package does not: above
// all SendTargets, whose pairs are TargetName and TargetAddress. understood
// false leaves the key to this package.
type Asker func(p Pair) (answers []Pair, understood bool)

// A TextReply is a Text Response to send. Its header is complete but for the
// numbers, which the caller stamps: every Text Response consumes a StatSN.
type TextReply struct {
	Header pdu.BHS
	Text   []byte // the data segment without padding; valid until the next Step
	Done   bool   // the exchange is over
}

// A TextExchange is the target's side of the text negotiation of one connection
// in full feature phase (RFC 7143 section 6.4). One exchange is under way at a
// time; a new Text Request without Target Transfer Tag ends the one before. It
// is for one goroutine.
type TextExchange struct {
	cfg    *Config
	params *Params
	ask    Asker
	ttt    uint32

	active  bool
	itt     uint32
	in      Collector
	out     []byte
	seen    map[string]struct{}
	steps   int
	maxSend uint32 // as declared in this exchange; counts when it ends
}

// NewTextExchange makes the exchange of one connection. ttt is the Target
// Transfer Tag of its responses that are not the last: any value that no R2T of
// the connection has, not pdu.NoTag. When an exchange ends, params gets the new
// MaxSendDataSegmentLength if the initiator declared one.
func NewTextExchange(cfg *Config, params *Params, ttt uint32, ask Asker) *TextExchange {
	return &TextExchange{cfg: cfg, params: params, ttt: ttt, ask: ask}
}

// Held is how many bytes of the exchange are kept for the next Step: text that has come, and what has
// not been fetched of the answer.
func (x *TextExchange) Held() int { return x.in.Held() + len(x.out) }

// maxAnswer is how long a piece of an answer is at the most.
const maxAnswer = 256 << 10

// maxTextSteps bounds the requests of one exchange.
const maxTextSteps = 1024

// Step takes a Text Request and its data segment without padding, which are
// only used during the call. An error is a *pdu.FormatError with the reason of
// the Reject to send; the exchange is then over and nothing it negotiated
// counts.
func (x *TextExchange) Step(h *pdu.BHS, data []byte) (TextReply, error) {
	req, err := pdu.ParseTextRequest(h)
	if err == nil {
		err = x.open(req)
	}
	var r TextReply
	if err == nil {
		r, err = x.step(req, data)
	}
	if err != nil || r.Done {
		x.Reset()
	}
	return r, err
}

// Reset forgets the exchange under way.
func (x *TextExchange) Reset() {
	*x = TextExchange{cfg: x.cfg, params: x.params, ask: x.ask, ttt: x.ttt}
}

// open starts an exchange, or checks that the request belongs to the one under
// way.
func (x *TextExchange) open(req pdu.TextRequest) error {
	if req.TTT == pdu.NoTag {
		x.Reset()
		x.active, x.itt, x.seen = true, req.ITT, make(map[string]struct{})
		return nil
	}
	if !x.active || req.TTT != x.ttt || req.ITT != x.itt {
		return invalidText("a tag of no exchange under way")
	}
	return nil
}

func (x *TextExchange) step(req pdu.TextRequest, data []byte) (TextReply, error) {
	if x.steps++; x.steps > maxTextSteps {
		return TextReply{}, protocolText("the exchange does not end")
	}
	if len(x.out) > 0 {
		if len(data) > 0 || req.Continue {
			return TextReply{}, protocolText("new text before the answer is complete")
		}
		return x.respond(req), nil
	}
	text, complete, err := x.in.Add(data, req.Continue)
	if err != nil {
		return TextReply{}, protocolText(err.Error())
	}
	if !complete {
		return x.reply(req, false, false, nil), nil
	}
	pairs, err := ParseText(text)
	if err != nil {
		return TextReply{}, protocolText(err.Error())
	}
	x.out, err = x.answer(pairs)
	if err != nil {
		return TextReply{}, err
	}
	return x.respond(req), nil
}

// answer is the answer to a complete text.
func (x *TextExchange) answer(pairs []Pair) ([]byte, error) {
	var out []byte
	for _, p := range pairs {
		if _, twice := x.seen[p.Key]; twice || len(x.seen) == MaxKeys {
			return nil, protocolText("a key that comes twice, or too many keys")
		}
		x.seen[p.Key] = struct{}{}
		if x.ask != nil {
			if answers, ok := x.ask(p); ok {
				out = AppendPairs(out, answers)
				continue
			}
		}
		a, err := x.one(p)
		if err != nil {
			return nil, err
		}
		if a != "" {
			out = AppendPair(out, p.Key, a)
		}
	}
	return out, nil
}

// one is the answer to a key that the Asker does not know, "" if it gets none.
func (x *TextExchange) one(p Pair) (string, error) {
	spec := x.cfg.spec(p.Key)
	switch {
	case spec == nil:
		return unknown(p), nil
	case spec.negotiated() || spec.Use == FullFeatureOnly:
		return Rejected, nil // RFC 7143 section 6.2: the value of the login stays
	case spec.Use != AnyTime || spec.Sender&ByInitiator == 0:
		return "", protocolText(p.Key + " in full feature phase")
	case spec.IrrelevantWhen != nil && spec.IrrelevantWhen(x.params):
		return "", nil
	case spec.Max > 0:
		n, err := spec.number(p.Value)
		if err != nil {
			return "", protocolText(err.Error())
		}
		if spec.Name == "MaxRecvDataSegmentLength" {
			x.maxSend = n
		}
	}
	return "", nil
}

// respond sends what is left of the answer, or the next piece of it.
func (x *TextExchange) respond(req pdu.TextRequest) TextReply {
	limit := min(int(x.params.MaxSendDataSegmentLength), maxAnswer)
	if len(x.out) > limit {
		piece := x.out[:limit:limit]
		x.out = x.out[limit:]
		return x.reply(req, false, true, piece)
	}
	text := x.out
	x.out = nil
	if req.Final && x.maxSend > 0 {
		x.params.MaxSendDataSegmentLength = x.maxSend
	}
	return x.reply(req, req.Final, false, text)
}

func (x *TextExchange) reply(req pdu.TextRequest, final, cont bool, text []byte) TextReply {
	r := TextReply{Text: text, Done: final}
	ttt := x.ttt
	if final {
		ttt = pdu.NoTag
	}
	pdu.TextResponse{Final: final, Continue: cont, LUN: req.LUN, ITT: req.ITT, TTT: ttt}.Put(&r.Header)
	r.Header.SetDataSegmentLength(len(text))
	return r
}

func invalidText(detail string) error {
	return &pdu.FormatError{Opcode: pdu.OpTextRequest, Reason: pdu.RejectInvalidField, Detail: detail}
}

func protocolText(detail string) error {
	return &pdu.FormatError{Opcode: pdu.OpTextRequest, Reason: pdu.RejectProtocolError, Detail: detail}
}
