package sg

import (
	"bytes"
	"math"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/uring"
)

// TestLayout holds the structures to the kernel's headers.
func TestLayout(t *testing.T) {
	var a v4
	var b v3
	var c ringCommand
	for what, is := range map[string][2]uintptr{
		"sg_io_v4":                         {unsafe.Sizeof(a), 160},
		"sg_io_v4.request":                 {unsafe.Offsetof(a.request), 16},
		"sg_io_v4.max_response_len":        {unsafe.Offsetof(a.maxResponseLen), 44},
		"sg_io_v4.response":                {unsafe.Offsetof(a.response), 48},
		"sg_io_v4.dout_xfer_len":           {unsafe.Offsetof(a.doutLen), 60},
		"sg_io_v4.din_xfer_len":            {unsafe.Offsetof(a.dinLen), 68},
		"sg_io_v4.dout_xferp":              {unsafe.Offsetof(a.dout), 72},
		"sg_io_v4.timeout":                 {unsafe.Offsetof(a.timeout), 88},
		"sg_io_v4.driver_status":           {unsafe.Offsetof(a.driver), 108},
		"sg_io_v4.device_status":           {unsafe.Offsetof(a.device), 116},
		"sg_io_v4.response_len":            {unsafe.Offsetof(a.responseLen), 132},
		"sg_io_v4.din_resid":               {unsafe.Offsetof(a.dinResid), 136},
		"sg_io_v4.dout_resid":              {unsafe.Offsetof(a.doutResid), 140},
		"sg_io_hdr":                        {unsafe.Sizeof(b), 88},
		"sg_io_hdr.dxfer_len":              {unsafe.Offsetof(b.dataLen), 12},
		"sg_io_hdr.dxferp":                 {unsafe.Offsetof(b.data), 16},
		"sg_io_hdr.timeout":                {unsafe.Offsetof(b.timeout), 40},
		"sg_io_hdr.pack_id":                {unsafe.Offsetof(b.packID), 48},
		"sg_io_hdr.status":                 {unsafe.Offsetof(b.status), 64},
		"sg_io_hdr.sb_len_wr":              {unsafe.Offsetof(b.senseWritten), 67},
		"sg_io_hdr.host_status":            {unsafe.Offsetof(b.host), 68},
		"sg_io_hdr.resid":                  {unsafe.Offsetof(b.resid), 72},
		"bsg_uring_cmd":                    {unsafe.Sizeof(c), uring.CommandSize},
		"bsg_uring_cmd.max_response_len":   {unsafe.Offsetof(c.maxResponseLen), 20},
		"bsg_uring_cmd.response":           {unsafe.Offsetof(c.response), 24},
		"bsg_uring_cmd.dout_xferp, length": {unsafe.Offsetof(c.doutLen), 40},
		"bsg_uring_cmd.din_xferp":          {unsafe.Offsetof(c.din), 48},
		"bsg_uring_cmd.timeout_ms":         {unsafe.Offsetof(c.timeout), 64},
	} {
		if unsafe.Sizeof(uintptr(0)) == 8 && is[0] != is[1] {
			t.Errorf("%s: %d, not %d", what, is[0], is[1])
		}
	}
}

func mapped(t testing.TB, n int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return b
}

// TestEncode: each structure has the command, and addresses of memory that stays.
func TestEncode(t *testing.T) {
	s, err := newSlots(3)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	mem := mapped(t, 4096)
	at := address(mem)
	cdb := []byte{0x28, 0, 0, 0, 0, 1, 0, 0, 8, 0}
	c := &Command{CDB: cdb, Direction: In, Data: buffer.Segment{Mem: mem}, Timeout: 1500 * time.Millisecond}
	i := s.take(c)
	var h v4
	var g v3
	var r ringCommand
	encode := func() { h.encode(c, s, i); g.encode(c, s, i); r.encode(c, s, i) }
	encode()
	if h.guard != 'Q' || h.requestLen != 10 || h.dinLen != 4096 || h.din != at || h.doutLen != 0 || h.timeout != 1500 || h.maxResponseLen != 252 || h.flags != 0x10 {
		t.Errorf("%+v", h)
	}
	if g.interfaceID != 'S' || g.cdbLen != 10 || g.direction != -3 || g.dataLen != 4096 || uint64(g.data) != at || g.timeout != 1500 || g.packID != int32(i) || g.flags != 0x10 {
		t.Errorf("%+v", g)
	}
	if r.requestLen != 10 || r.dinLen != 4096 || r.din != at || r.doutLen != 0 || r.timeout != 1500 || r.maxResponseLen != 252 {
		t.Errorf("%+v", r)
	}
	if where := address(s.mem[i*slotSize:]); h.request != where || uint64(g.cdb) != where || r.request != where || !bytes.Equal(s.mem[i*slotSize:][:10], cdb) {
		t.Error("the CDB is elsewhere")
	}
	if where := address(s.sense(i)); h.response != where || uint64(g.sense) != where || r.response != where {
		t.Error("the sense data is elsewhere")
	}
	c.Direction = Out
	encode()
	if h.doutLen != 4096 || h.dout != at || h.dinLen != 0 || g.direction != -2 || r.doutLen != 4096 || r.dout != at || r.dinLen != 0 {
		t.Errorf("%+v\n%+v\n%+v", h, g, r)
	}
	c.Direction, c.Data = None, buffer.Segment{}
	encode()
	if h.doutLen != 0 || h.dinLen != 0 || g.direction != -1 || g.dataLen != 0 || r.doutLen != 0 || r.dinLen != 0 {
		t.Errorf("%+v\n%+v\n%+v", h, g, r)
	}
}

// TestDecode: the same end of a command is the same result, by each structure.
func TestDecode(t *testing.T) {
	for _, x := range []struct {
		status, host, driver, sense uint8
		resid                       int32
		n                           int
		want                        Result
	}{
		{0, 0, 0, 0, 0, 512, Result{}},
		{0, 0, 0, 0, 100, 512, Result{Residual: 100}},
		{0, 0, 0, 0, 1000, 512, Result{Residual: 512}},
		{0, 0, 0, 0, -1000, 512, Result{}},
		{0, 0, 0, 0, 5, 0, Result{}},
		{0, 0, 0, 18, 0, 0, Result{}}, // what there is without CHECK CONDITION is not the device's
		{2, 0, 8, 18, 512, 512, Result{Status: 2, Driver: 8, Sense: 18, Residual: 512}},
		{2, 0, 0, 96, 0, 512, Result{Status: 2, Sense: 96}},
		{2, 0, 8, 255, 0, 512, Result{Status: 2, Driver: 8, Sense: 252}},
		{0x28, 0, 0, 0, 0, 0, Result{Status: 0x28}},
		{0, 1, 0, 0, 512, 512, Result{Host: HostNoConnect, Residual: 512}},
		{0, 0xff, 0, 0, 0, 512, Result{Host: 0xff}},
		{0, 0, 6, 0, 0, 0, Result{Host: HostTimeOut, Driver: 6}},
		{0, 0, 0x26, 0, 0, 0, Result{Host: HostTimeOut, Driver: 0x26}},
		{0, 0, 4, 0, 0, 0, Result{Host: HostError, Driver: 4}},
		{0, 3, 6, 0, 0, 0, Result{Host: HostTimeOut, Driver: 6}},
	} {
		in := v4{device: uint32(x.status), transport: uint32(x.host), driver: uint32(x.driver), responseLen: uint32(x.sense), dinResid: x.resid, doutResid: 77, dinLen: uint32(x.n)}
		out := v4{device: uint32(x.status), transport: uint32(x.host), driver: uint32(x.driver), responseLen: uint32(x.sense), dinResid: 77, doutResid: x.resid, doutLen: uint32(max(x.n, 1))}
		hdr := v3{status: x.status, host: uint16(x.host), driver: uint16(x.driver), senseWritten: x.sense, resid: x.resid}
		extra := uint64(x.status) | uint64(x.driver)<<8 | uint64(x.host)<<16 | uint64(x.sense)<<24 | uint64(uint32(x.resid))<<32
		for name, got := range map[string]Result{"v4 in": in.decode(x.n), "v4 out": out.decode(x.n), "v3": hdr.decode(x.n), "ring": decodeRing(0, extra, x.n)} {
			if got != x.want {
				t.Errorf("%s: %+v gives %+v", name, x, got)
			}
		}
	}
	for errno, want := range map[unix.Errno]error{unix.ENODEV: ErrGone, unix.ENXIO: ErrGone, unix.EPERM: ErrPrivilege, unix.EINVAL: unix.EINVAL} {
		if got := decodeRing(-int32(errno), 0x02, 512); got.Err != want || got.Executed() || got.Residual != 512 || got.Status != 0 {
			t.Errorf("%v: %+v", errno, got)
		}
	}
	wide := v4{device: 0x102, transport: 0x100}
	if got := wide.decode(0); got.Executed() {
		t.Errorf("statuses of more than 8 bits: %+v", got)
	}
}

// sound fails unless r is within its bounds.
func sound(t *testing.T, r Result, n int) {
	t.Helper()
	if r.Residual < 0 || r.Residual > int64(n) || r.Sense < 0 || r.Sense > MaxSense || r.Sense > 0 && r.Status != checkCondition {
		t.Errorf("%+v of %d bytes", r, n)
	}
	if r.Executed() && r.Driver&driverMask != 0 && r.Driver&driverMask != driverSense {
		t.Errorf("%+v: the driver has failed", r)
	}
}

func FuzzV4(f *testing.F) {
	f.Add(make([]byte, 160), 512)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		var h v4
		copy((*[unsafe.Sizeof(h)]byte)(unsafe.Pointer(&h))[:], b)
		n = max(n, 0) & math.MaxInt32
		sound(t, h.decode(n), n)
	})
}

func FuzzV3(f *testing.F) {
	f.Add(make([]byte, 88), 512)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		var h v3
		copy(h.bytes(), b)
		n = max(n, 0) & math.MaxInt32
		sound(t, h.decode(n), n)
	})
}

func FuzzRing(f *testing.F) {
	f.Add(int32(0), uint64(0x0000020012000802), 512)
	f.Add(int32(-19), uint64(0), 0)
	f.Fuzz(func(t *testing.T, res int32, extra uint64, n int) {
		n = max(n, 0) & math.MaxInt32
		r := decodeRing(res, extra, n)
		sound(t, r, n)
		if (res < 0) != (r.Err != nil) {
			t.Errorf("%d: %+v", res, r)
		}
	})
}

// FuzzSense: what goes into a command is a part of what the kernel has given, and no more than it says of itself.
func FuzzSense(f *testing.F) {
	f.Add([]byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0}, 96)
	f.Add([]byte{0x72, 6, 0x29, 0, 0, 0, 0, 0}, 96)
	f.Add([]byte{0x7f, 1, 2}, 18)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		s, err := newSlots(1)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		copy(s.sense(0), b)
		c := new(Command)
		s.ended(c, 0, Result{Status: checkCondition, Sense: min(max(n, 0), MaxSense)})
		got := c.Sense[:c.Result.Sense]
		if c.Result.Sense > max(n, 0) || !bytes.Equal(got, s.sense(0)[:len(got)]) {
			t.Errorf("% x of % x", got, b)
		}
		if len(got) >= 8 && got[0]&0x7c == 0x70 && len(got) > 8+int(got[7]) {
			t.Errorf("% x: more than there is", got)
		}
	})
}

// A buffer of zeros, which io_uring gives when a device has said CHECK CONDITION and nothing else, is no sense data.
func TestNoSense(t *testing.T) {
	s, err := newSlots(1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for first, want := range map[byte]int{0x00: 0, 0x80: 0, 0x70: 8, 0xf2: 8, 0x7f: 96, 0x01: 96} {
		c := new(Command)
		s.sense(0)[0] = first
		s.ended(c, 0, decodeRing(0, 0x60_00_08_02, 0))
		if c.Result.Status != checkCondition || c.Result.Sense != want {
			t.Errorf("%02xh: %d bytes of sense data, want %d", first, c.Result.Sense, want)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]uint32{
		0: 60000, -1: 60000, 1: 1, time.Millisecond: 1, time.Hour: 3600000, 24 * time.Hour: 86400000, 100 * 24 * time.Hour: math.MaxInt32, math.MaxInt64: math.MaxInt32,
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("%v: %d", d, got)
		}
	}
}

func TestList(t *testing.T) {
	var a, b list
	cs := make([]Command, 6)
	a.take(&b)
	b.push(&cs[1])
	b.push(&cs[2])
	a.take(&b)
	b.push(&cs[3])
	a.take(&b)
	a.take(&b)
	a.unshift(&cs[0])
	a.push(&cs[4])
	if a.n != 5 || b.n != 0 {
		t.Errorf("%d and %d", a.n, b.n)
	}
	for i := range 5 {
		if c := a.pop(); c != &cs[i] || c.Link != nil {
			t.Errorf("number %d", i)
		}
	}
	if a.pop() != nil || a.n != 0 {
		t.Error("there is more")
	}
	a.unshift(&cs[0])
	a.push(&cs[1])
	if a.pop() != &cs[0] || a.pop() != &cs[1] {
		t.Error("another order")
	}
}
