package vhost

import "github.com/lunette-io/lunette/network/vhost/message"

// handle does what a message says. c.mu is held.
func (c *connection) handle(m *message.Message) (answer, error) {
	switch m.Request {
	case message.GetFeatures:
		offered, _ := c.backend.Features()
		return number(ringFeatures | offered)
	case message.GetProtocolFeatures:
		return number(protocolFeatures)
	case message.GetQueueNum:
		return number(uint64(len(c.rings)))
	case message.GetMaxMemSlots:
		return number(uint64(c.memory.maxRegions))
	case message.SetFeatures:
		n, err := message.ParseNumber(m.Request, m.Payload)
		if err != nil {
			return answer{}, err
		}
		return answer{}, c.setFeatures(n)
	case message.SetProtocolFeatures:
		return answer{}, c.setProtocolFeatures(m)
	case message.SetOwner: // there is one front-end, which is the owner
		return answer{}, nil
	case message.ResetOwner, message.ResetDevice: // the former is the older name of the latter: front-ends that may not send that send this
		c.reset()
		return answer{}, nil
	case message.SetMemTable, message.AddMemReg, message.RemMemReg:
		return answer{}, c.changeMemory(m)
	case message.GetConfig, message.SetConfig:
		return c.config(m)
	case message.GetInflightFD:
		return c.makeInflight(m)
	case message.SetInflightFD:
		return answer{}, c.setInflight(m)
	case message.SetVringNum, message.SetVringBase, message.GetVringBase, message.SetVringEnable:
		return c.vringState(m)
	case message.SetVringAddr:
		return answer{}, c.vringAddr(m)
	case message.SetVringKick, message.SetVringCall, message.SetVringErr:
		return answer{}, c.vringFile(m)
	}
	return answer{}, refusal{message.Errorf(m.Request, "it is not known, or belongs to a protocol feature that was not agreed on")}
}

// number is an answer that is one number.
func number(n uint64) (answer, error) { return answer{payload: message.AppendNumber(nil, n)}, nil }

// setProtocolFeatures agrees on protocol features. c.mu is held.
func (c *connection) setProtocolFeatures(m *message.Message) error {
	n, err := message.ParseNumber(m.Request, m.Payload)
	if err != nil {
		return err
	}
	if more := n &^ protocolFeatures; more != 0 {
		return message.Errorf(m.Request, "%#x were not offered", more)
	}
	c.setShown(c.features, n)
	return nil
}

// reset ends the driver's life: its rings stop at once and are forgotten, as is the in-flight area. The memory stays. c.mu is held.
func (c *connection) reset() {
	c.stop(true, c.rings...)
	if c.life != nil {
		c.endLife(nil)
	}
	for _, r := range c.rings {
		r.forget()
	}
	c.inflight.unmap()
	c.inflight = nil
	c.agreed = false
	c.setShown(0, c.protocol)
}

// take is the one descriptor that has to come with a message; the caller closes it.
func take(m *message.Message) (int, error) {
	if n := m.Descriptors.Len(); n != 1 {
		return none, message.Errorf(m.Request, "%d descriptors came with it, not 1", n)
	}
	fd, _ := m.Descriptors.Take()
	return fd, nil
}

// changeMemory changes which memory there is. c.mu is held.
func (c *connection) changeMemory(m *message.Message) error {
	var err error
	switch m.Request {
	case message.SetMemTable:
		err = c.setTable(m)
	case message.AddMemReg:
		// Nothing that there was is changed: queues run on.
		err = c.addRegion(m)
	case message.RemMemReg:
		var x message.Region
		if x, err = message.ParseMemReg(m.Request, m.Payload); err == nil {
			c.stop(false, c.rings...)
			err = c.memory.remove(x)
		}
	}
	if err != nil {
		return err
	}
	// A front-end that moves memory takes it away and gives it back in another form, while rings run that lie in it: they go on when it is back.
	return c.settle(nil)
}

// setTable has other regions instead of all that there are. c.mu is held.
func (c *connection) setTable(m *message.Message) error {
	regions, err := message.ParseMemTable(nil, m.Payload)
	if err != nil {
		return err
	}
	if n := m.Descriptors.Len(); n != len(regions) {
		return message.Errorf(m.Request, "%d descriptors came with %d regions", n, len(regions))
	}
	var fds []int
	defer func() {
		for _, fd := range fds {
			closeDescriptor(fd)
		}
	}()
	for range regions {
		fd, _ := m.Descriptors.Take()
		fds = append(fds, fd)
	}
	c.stop(false, c.rings...)
	return c.memory.replace(m.Request, regions, fds)
}

// addRegion has one more region. c.mu is held.
func (c *connection) addRegion(m *message.Message) error {
	x, err := message.ParseMemReg(m.Request, m.Payload)
	if err != nil {
		return err
	}
	fd, err := take(m)
	if err != nil {
		return err
	}
	defer closeDescriptor(fd)
	return c.memory.add(x, fd)
}

// config reads the configuration space, or changes it.
func (c *connection) config(m *message.Message) (answer, error) {
	x, err := message.ParseConfig(m.Request, m.Payload)
	if err != nil {
		return answer{}, err
	}
	if m.Request == message.SetConfig {
		if err := c.backend.WriteConfig(x.Bytes, x.Offset); err != nil {
			return answer{}, refusal{message.Errorf(m.Request, "%v", err)}
		}
		return answer{}, nil
	}
	x.Bytes = make([]byte, len(x.Bytes))
	c.backend.ReadConfig(x.Bytes, x.Offset)
	return answer{payload: x.Append(nil)}, nil
}

// makeInflight makes the file of an in-flight area and hands it over.
func (c *connection) makeInflight(m *message.Message) (answer, error) {
	asked, err := message.ParseInflight(m.Request, m.Payload)
	if err != nil {
		return answer{}, err
	}
	x, fd, err := newArea(asked, len(c.rings))
	if err != nil {
		return answer{}, err
	}
	return answer{payload: x.Append(nil), fd: fd, file: true}, nil
}

// setInflight has the queues use an in-flight area from now on. c.mu is held.
func (c *connection) setInflight(m *message.Message) error {
	x, err := message.ParseInflight(m.Request, m.Payload)
	if err != nil {
		return err
	}
	fd, err := take(m)
	if err != nil {
		return err
	}
	defer closeDescriptor(fd)
	a, err := openArea(x, fd, len(c.rings))
	if err != nil {
		return err
	}
	c.stop(false, c.rings...)
	c.inflight.unmap()
	c.inflight = a
	return c.settle(nil)
}
