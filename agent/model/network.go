package model

import (
	"fmt"
	"slices"
	"time"
)

const (
	maxReactors   = 1024
	maxBusyPoll   = time.Second
	minSendBuffer = 128 << 10 // less than two segments of loopback stalls
	maxSendBuffer = 1 << 30
	minFPDU       = 256 // RFC 5044 3.1: 128 bytes of data at least, and what is around them
	maxFPDU       = 64 << 10
)

func (c *checker) network() {
	n := c.doc.Network
	if !slices.Contains(Engines, n.Engine) {
		c.fail("network.engine", "%.70q is no engine: there is %s", n.Engine, list(Engines))
	}
	if n.Reactors < 0 || n.Reactors > maxReactors {
		c.fail("network.reactors", "%d is not from 0 to %d", n.Reactors, maxReactors)
	}
	if n.Reactors > 0 && n.Engine == "goroutines" {
		c.fail("network.reactors", "the engine \"goroutines\" has no reactors")
	}
	if _, _, err := n.BusyPollTime(); err != nil {
		c.fail("network.busy-poll", "%w", err)
	}
	if _, err := n.SendBufferBytes(); err != nil {
		c.fail("network.send-buffer", "%w", err)
	}
	if !slices.Contains(CRCs, n.IWARP.CRC) {
		c.fail("network.iwarp.crc", "%.70q is not %s", n.IWARP.CRC, list(CRCs))
	}
	if _, err := n.IWARP.MaxFPDUBytes(); err != nil {
		c.fail("network.iwarp.max-fpdu", "%w", err)
	}
}

// BusyPollTime is BusyPoll as a duration, or auto.
func (n Network) BusyPollTime() (d time.Duration, auto bool, err error) {
	if n.BusyPoll == Auto || n.BusyPoll == "" {
		return 0, true, nil
	}
	d, err = time.ParseDuration(n.BusyPoll)
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("%.70q is neither auto nor a duration such as 50us or 0s", n.BusyPoll)
	case d < 0 || d > maxBusyPoll:
		return 0, false, fmt.Errorf("%v is not from 0s to %v", d, maxBusyPoll)
	}
	return d, false, nil
}

// SendBufferBytes is SendBuffer as a number of bytes: 0 for auto, -1 for none.
func (n Network) SendBufferBytes() (int, error) {
	switch n.SendBuffer {
	case Auto, "":
		return 0, nil
	case "none":
		return -1, nil
	}
	size, err := ParseSize(n.SendBuffer)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%.70q is neither auto nor none nor a size: %s", n.SendBuffer, SizeRule)
	case size < minSendBuffer || size > maxSendBuffer:
		return 0, fmt.Errorf("%v is not from %v to %v", size, Size(minSendBuffer), Size(maxSendBuffer))
	}
	return int(size), nil
}

// MaxFPDUBytes is MaxFPDU as a number of bytes; 0 for auto.
func (w IWARP) MaxFPDUBytes() (int, error) {
	return autoSize(w.MaxFPDU, minFPDU, maxFPDU)
}

// autoSize is a choice of a size as a number of bytes; 0 for auto.
func autoSize(s string, least, most Size) (int, error) {
	if s == Auto || s == "" {
		return 0, nil
	}
	size, err := ParseSize(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%.70q is neither auto nor a size: %s", s, SizeRule)
	case size < least || size > most:
		return 0, fmt.Errorf("%v is not from %v to %v", size, least, most)
	}
	return int(size), nil
}
