package login

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A Prover is one run of an authentication method on the initiator's side.
type Prover interface {
	// Method is its name in AuthMethod.
	Method() string

	// Next takes the target's keys, none at first, and returns the initiator's.
	// done means that the initiator has said all; it is asked once more with
	// what the target answers, to check the target's own proof.
	Next(in []Pair) (out []Pair, done bool, err error)
}

// ClientConfig is what an initiator brings to a login.
type ClientConfig struct {
	InitiatorName string
	TargetName    string
	Discovery     bool
	ISID          pdu.ISID
	TSIH          uint16
	CID           uint16
	ITT           uint32
	Prove         Prover // nil: no authentication, straight to the operational stage
	Offers        []Pair // the operational keys to send
}

// A Client is the initiator's side of a login, as small as an initiator for
// tests and probes needs it. It does no I/O and is for one goroutine.
type Client struct {
	cfg    ClientConfig
	stage  pdu.Stage
	first  bool
	proved bool // this side has proved who it is
	judged bool // the target's answer to that, and its own proof, have been checked
	in     Collector
	offers map[string]string
	seen   map[string]string
	params Params
	tsih   uint16
}

// NewClient starts a login.
func NewClient(cfg ClientConfig) *Client {
	c := &Client{cfg: cfg, stage: pdu.StageOperational, first: true,
		offers: make(map[string]string), seen: make(map[string]string), params: DefaultParams()}
	if cfg.Prove != nil {
		c.stage = pdu.StageSecurity
	}
	return c
}

// Params is what was settled, seen from the initiator; complete at the end.
func (c *Client) Params() Params { return c.params }

// TSIH is the session's, known at the end.
func (c *Client) TSIH() uint16 { return c.tsih }

// Answers is every key the target sent, with its value.
func (c *Client) Answers() map[string]string { return c.seen }

// Next takes the target's response and its data, nil the first time, and returns
// the next request with its text; done means that the login has succeeded and
// there is nothing more to send. A refusal of the target is a *Failure. The
// caller stamps CmdSN and ExpStatSN.
func (c *Client) Next(h *pdu.BHS, data []byte) (req pdu.BHS, text []byte, done bool, err error) {
	var pairs []Pair
	if h != nil {
		r, err := pdu.ParseLoginResponse(h)
		if err != nil {
			return req, nil, false, err
		}
		if r.Status != pdu.LoginSuccess {
			f := fail(r.Status, "by the target")
			if pairs, err := ParseAnswer(data); err == nil && r.Status.Redirects() {
				for _, p := range pairs {
					if p.Key == "TargetAddress" {
						f.Redirect = p.Value
					}
				}
			}
			return req, nil, false, f
		}
		whole, complete, err := c.in.Add(data, r.Continue)
		if err != nil {
			return req, nil, false, err
		}
		if !complete {
			req, text = c.request(false, nil)
			return req, text, false, nil
		}
		if pairs, err = ParseAnswer(whole); err != nil {
			return req, nil, false, err
		}
		if err := c.take(pairs); err != nil {
			return req, nil, false, err
		}
		if c.proved && !c.judged {
			if _, _, err := c.cfg.Prove.Next(pairs); err != nil {
				return req, nil, false, err
			}
			c.judged = true
		}
		if r.Transit {
			if c.stage == pdu.StageSecurity && !c.proved {
				return req, nil, false, errors.New("the target ends the security stage early")
			}
			c.stage = r.NSG
		}
		if c.stage == pdu.StageFullFeature {
			c.tsih = r.TSIH
			c.params.settle()
			return req, nil, true, nil
		}
	}
	out, transit, err := c.speak(pairs)
	if err != nil {
		return req, nil, false, err
	}
	req, text = c.request(transit, out)
	return req, text, false, nil
}

// speak is the next thing to say in the stage.
func (c *Client) speak(pairs []Pair) (out []Pair, transit bool, err error) {
	if c.first {
		out = append(out, Pair{"InitiatorName", c.cfg.InitiatorName})
		if c.cfg.Discovery {
			out = append(out, Pair{"SessionType", "Discovery"})
		} else {
			out = append(out, Pair{"TargetName", c.cfg.TargetName}, Pair{"SessionType", "Normal"})
		}
	}
	switch {
	case c.stage == pdu.StageOperational:
		offers := c.cfg.Offers
		c.cfg.Offers = nil
		out, transit = append(out, offers...), true
	case c.first:
		out = append(out, Pair{"AuthMethod", c.cfg.Prove.Method()})
	case !c.proved:
		var more []Pair
		more, c.proved, err = c.cfg.Prove.Next(pairs)
		out, transit = append(out, more...), c.proved
	default:
		transit = true
	}
	for _, p := range out {
		c.offer(p)
	}
	c.first = false
	return out, transit, err
}

// offer notes what this side wants, to hold the answer against it.
func (c *Client) offer(p Pair) {
	c.offers[p.Key] = p.Value
	if p.Key == "MaxRecvDataSegmentLength" {
		if n, err := ParseNumber(p.Value); err == nil {
			c.params.MaxRecvDataSegmentLength = uint32(n)
		}
	}
}

// take records the target's answers and declarations.
func (c *Client) take(pairs []Pair) error {
	var none Config
	for _, p := range pairs {
		c.seen[p.Key] = p.Value
		if p.Key == "AuthMethod" && p.Value != c.offers[p.Key] {
			return fmt.Errorf("AuthMethod=%s is no answer to %s", quote(p.Value), c.offers[p.Key])
		}
		spec := none.spec(p.Key)
		if spec == nil || spec.Use == SecurityOnly || reserved(p.Value) {
			continue
		}
		if offered, ok := c.offers[p.Key]; ok && spec.negotiated() && !spec.acceptable(p.Value, offered) {
			return fmt.Errorf("%s=%s is no answer to %s", p.Key, quote(p.Value), quote(offered))
		}
		if spec.negotiated() || spec.Name == "MaxRecvDataSegmentLength" {
			c.params.set(spec, p.Value)
		}
	}
	return nil
}

func (c *Client) request(transit bool, pairs []Pair) (pdu.BHS, []byte) {
	var h pdu.BHS
	nsg := pdu.Stage(0)
	if transit {
		nsg = pdu.StageOperational
		if c.stage == pdu.StageOperational {
			nsg = pdu.StageFullFeature
		}
	}
	pdu.LoginRequest{
		Transit: transit, CSG: c.stage, NSG: nsg,
		ISID: c.cfg.ISID, TSIH: c.cfg.TSIH, ITT: c.cfg.ITT, CID: c.cfg.CID,
	}.Put(&h)
	text := AppendPairs(nil, pairs)
	h.SetDataSegmentLength(len(text))
	return h, text
}
