package login

import (
	"slices"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// maxSteps bounds the requests of one login, so that an initiator cannot keep it going for ever. It is
// enough for 64 KiB of text in pieces of 512 bytes, in both directions.
const maxSteps = 300

// A Response is a Login Response to send. Its header is complete but for the
// numbers: the caller stamps StatSN, ExpCmdSN and MaxCmdSN with SetNumbers.
// StatSN starts where the caller likes and goes up by one per response; the
// login consumes no CmdSN, so ExpCmdSN stays Result.CmdSN.
type Response struct {
	Header pdu.BHS
	Text   []byte // the data segment without padding; valid until the next Step
}

// A Negotiator is the target's side of the login of one connection (RFC 7143 section 6.3; drawn in
// docs/design/login.md). It does no I/O and knows no time: the caller limits how long it waits for
// Step to end the login. It has no lock: one goroutine at a time may use it.
type Negotiator struct {
	cfg *Config
	env Environment

	steps   int
	ended   bool
	started bool
	first   pdu.LoginRequest
	stage   pdu.Stage // in which the initiator is

	in    Collector
	out   []byte // what remains of an answer that takes several responses
	ready bool   // this side has nothing more to negotiate in the stage

	identified bool
	target     Target
	method     string // chosen AuthMethod; "" before
	seen       map[string]struct{}
	oper       negotiation
	result     Result
}

// New starts the login of one connection. The Negotiator reads cfg, which must have passed Check, and
// never writes it, so that all connections can have the same.
func New(cfg *Config, env Environment) *Negotiator {
	n := &Negotiator{cfg: cfg, env: env, seen: make(map[string]struct{})}
	n.result.Params = DefaultParams()
	n.oper = negotiation{cfg: cfg, params: &n.result.Params}
	return n
}

// Result is what the login has settled. It is complete once Step has returned done; during the login,
// and after it has failed, it has what is known so far, for logs. It belongs to the Negotiator until then.
func (n *Negotiator) Result() *Result { return &n.result }

// Stage is the stage the initiator is in.
func (n *Negotiator) Stage() pdu.Stage { return n.stage }

// Step takes one PDU of the login phase: its header and its data segment without padding, both
// borrowed until Step returns. It returns the response to send. If done is true, the connection is in
// full feature phase behind this response, and Result is complete. An error of type *Failure means
// that the response tells the initiator of the failure, and that the caller closes the connection
// behind it. Once the login has ended in either way, Step returns ErrEnded and nothing to send.
func (n *Negotiator) Step(h *pdu.BHS, data []byte) (resp Response, done bool, err error) {
	if n.ended {
		return Response{}, false, ErrEnded
	}
	req, perr := pdu.ParseLoginRequest(h)
	r, done, f := n.step(h, req, perr, data)
	if f != nil {
		n.ended = true
		return n.refuse(req, f), false, f
	}
	n.ended = done
	return r, done, nil
}

func (n *Negotiator) step(h *pdu.BHS, req pdu.LoginRequest, perr error, data []byte) (Response, bool, *Failure) {
	if f := n.admissible(h, req, perr, data); f != nil {
		return Response{}, false, f
	}
	if len(n.out) > 0 {
		if len(data) > 0 || req.Continue {
			return Response{}, false, fail(pdu.LoginInitiatorError, "new text before the answer is complete")
		}
		return n.respond(req)
	}
	text, complete, err := n.in.Add(data, req.Continue)
	if err != nil {
		return Response{}, false, fail(pdu.LoginInitiatorError, "%v", err)
	}
	if !complete {
		return n.response(req, false, false, 0, nil), false, nil
	}
	pairs, err := ParseText(text)
	if err != nil {
		return Response{}, false, fail(pdu.LoginInitiatorError, "%v", err)
	}
	answers, f := n.answer(pairs, req)
	if f != nil {
		return Response{}, false, f
	}
	n.out = AppendPairs(nil, answers)
	return n.respond(req)
}

// admissible checks what holds for every PDU of a login (RFC 7143 sections 6.3
// and 11.12).
func (n *Negotiator) admissible(h *pdu.BHS, req pdu.LoginRequest, perr error, data []byte) *Failure {
	n.steps++
	switch {
	case h.Opcode() != pdu.OpLoginRequest:
		return fail(pdu.LoginInvalidDuringLogin, "%v in the login phase", h.Opcode())
	case !n.started && req.VersionMin > pdu.Version:
		return fail(pdu.LoginUnsupportedVersion, "the initiator supports versions %d to %d", req.VersionMin, req.VersionMax)
	case perr != nil:
		return fail(pdu.LoginInitiatorError, "%v", perr)
	case n.steps > maxSteps:
		return fail(pdu.LoginInitiatorError, "more than %d login requests", maxSteps)
	case len(data) != h.DataSegmentLength():
		return fail(pdu.LoginInitiatorError, "%d bytes of data where the header says %d", len(data), h.DataSegmentLength())
	case len(data) > MaxLoginData:
		return fail(pdu.LoginInitiatorError, "%d bytes of data; at most %d are allowed in login", len(data), MaxLoginData)
	}
	if !n.started {
		n.started = true
		n.first = req
		n.stage = req.CSG
		n.result.ISID, n.result.TSIH, n.result.CID = req.ISID, req.TSIH, req.CID
		n.result.CmdSN, n.result.ExpStatSN = h.CmdSN(), h.ExpStatSN()
		n.oper.leading = req.TSIH == 0
		return nil
	}
	switch {
	case req.ISID != n.first.ISID || req.TSIH != n.first.TSIH || req.CID != n.first.CID:
		// The tag may be another than that of the first request (docs/design/generosity.md).
		return fail(pdu.LoginInitiatorError, "ISID, TSIH or CID differs from the first request")
	case req.CSG != n.stage:
		return fail(pdu.LoginInitiatorError, "request of the stage %v during %v", req.CSG, n.stage)
	}
	return nil
}

// answer takes the pairs of a complete text and returns the answers to them. It says in ready whether
// this side has more to negotiate in the stage. No operational key is answered before the initiator
// has proved all that it must.
func (n *Negotiator) answer(pairs []Pair, req pdu.LoginRequest) ([]Pair, *Failure) {
	if n.identified {
		pairs = slices.DeleteFunc(pairs, n.repeats)
	}
	for _, p := range pairs {
		if _, twice := n.seen[p.Key]; twice {
			return nil, fail(pdu.LoginInitiatorError, "key %s comes twice", p.Key)
		}
		if len(n.seen) == MaxKeys {
			return nil, fail(pdu.LoginInitiatorError, "more than %d keys in one login", MaxKeys)
		}
		n.seen[p.Key] = struct{}{}
	}
	var out []Pair
	if !n.identified {
		rest, f := n.identify(pairs)
		if f != nil {
			return nil, f
		}
		pairs = rest
		if !n.result.Discovery {
			out = append(out, n.portalGroup())
		}
	}
	if n.stage == pdu.StageSecurity {
		more, f := n.security(pairs, req)
		return append(out, more...), f
	}
	if !n.authenticated() {
		return nil, fail(pdu.LoginAuthenticationFail, "the initiator skips the authentication it needs")
	}
	more, f := n.oper.answer(pairs)
	if f != nil {
		return nil, f
	}
	out = append(out, more...)
	out = append(out, n.oper.declarations(n.target.Alias)...)
	n.ready = true
	return out, nil
}

// respond makes the response with what is left of the answer, or with the next piece of it, and moves
// to the next stage if both sides are ready.
func (n *Negotiator) respond(req pdu.LoginRequest) (Response, bool, *Failure) {
	limit := min(MaxLoginData, int(n.result.Params.MaxSendDataSegmentLength))
	if len(n.out) > limit {
		piece := n.out[:limit:limit]
		n.out = n.out[limit:]
		return n.response(req, false, true, 0, piece), false, nil
	}
	text := n.out
	n.out = nil
	if !req.Transit || !n.ready {
		return n.response(req, false, false, 0, text), false, nil
	}
	n.stage = req.NSG
	n.ready = false
	if req.NSG != pdu.StageFullFeature {
		return n.response(req, true, false, req.NSG, text), false, nil
	}
	if f := n.admit(); f != nil {
		return Response{}, false, f
	}
	return n.response(req, true, false, req.NSG, text), true, nil
}

// admit asks the environment for the session.
func (n *Negotiator) admit() *Failure {
	n.result.Params.settle()
	if n.method == "" {
		n.method = None
	}
	n.result.AuthMethod = n.method
	tsih, status, why := n.env.Admit(&n.result)
	switch {
	case status != pdu.LoginSuccess:
		return fail(status, "the session is refused: %s", why)
	case tsih == 0:
		return fail(pdu.LoginTargetError, "the session got no TSIH")
	}
	n.result.TSIH = tsih
	return nil
}

// response makes a response that reports no failure. Only the last one of a
// login carries a TSIH that the initiator did not have before.
func (n *Negotiator) response(req pdu.LoginRequest, transit, cont bool, nsg pdu.Stage, text []byte) Response {
	var r Response
	pdu.LoginResponse{
		Transit: transit, Continue: cont, CSG: req.CSG, NSG: nsg,
		VersionMax: pdu.Version, VersionActive: pdu.Version,
		ISID: req.ISID, TSIH: n.result.TSIH, ITT: req.ITT,
	}.Put(&r.Header)
	r.Header.SetDataSegmentLength(len(text))
	r.Text = text
	return r
}

// refuse makes the response that reports a failure. A redirection carries the
// address.
func (n *Negotiator) refuse(req pdu.LoginRequest, f *Failure) Response {
	var r Response
	pdu.LoginResponse{
		CSG: req.CSG, VersionMax: pdu.Version, VersionActive: pdu.Version,
		ISID: req.ISID, TSIH: req.TSIH, ITT: req.ITT, Status: f.Status,
	}.Put(&r.Header)
	if f.Status.Redirects() {
		r.Text = AppendPair(nil, "TargetAddress", n.target.Redirect)
		r.Header.SetDataSegmentLength(len(r.Text))
	}
	return r
}
