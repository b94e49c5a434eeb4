//go:build vm

package ways

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
)

const (
	// waysVariable has the ways that this kernel has, best first; devicesVariable the addresses of the devices: a disk, then one for each way, which it may lose.
	waysVariable    = "LUNETTE_WAYS"
	devicesVariable = "LUNETTE_WAYS_DEVICES"

	parameters = "/sys/bus/pseudo/drivers/scsi_debug/"
)

// forEach runs a test for each way.
func forEach(t *testing.T, run func(t *testing.T, io string)) {
	ways := strings.Fields(os.Getenv(waysVariable))
	if len(ways) == 0 {
		t.Skip("there are no devices here: test/vm/ways.sh makes them, in a guest")
	}
	for _, io := range ways {
		t.Run(io, func(t *testing.T) { run(t, io) })
	}
}

// address is that of a device.
func address(t testing.TB, i int) string {
	t.Helper()
	all := strings.Fields(os.Getenv(devicesVariable))
	if i >= len(all) {
		t.Fatalf("there is no device %d in %v", i, all)
	}
	return all[i]
}

// nodes are the device files of an address.
func nodes(t testing.TB, address string) sg.Nodes {
	t.Helper()
	n := sg.Nodes{BSG: "/dev/bsg/" + address}
	generic, err := filepath.Glob("/sys/bus/scsi/devices/" + address + "/scsi_generic/*")
	if err != nil || len(generic) != 1 {
		t.Fatalf("%v, %v", generic, err)
	}
	n.SG = "/dev/" + filepath.Base(generic[0])
	if upper, _ := filepath.Glob("/sys/bus/scsi/devices/" + address + "/block/*"); len(upper) == 1 {
		n.Upper = "/dev/" + filepath.Base(upper[0])
	}
	return n
}

func open(t testing.TB, address, io string, depth int) sg.Device {
	t.Helper()
	d, err := sg.Open(nodes(t, address), sg.Config{IO: io, Depth: depth})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// mapped is memory outside of the Go heap.
func mapped(t testing.TB, n int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return b
}

// do sends one command and waits for its end.
func do(d sg.Device, cdb []byte, direction sg.Direction, data []byte) *sg.Command {
	return doSegment(d, cdb, direction, buffer.Segment{Mem: data})
}

func doSegment(d sg.Device, cdb []byte, direction sg.Direction, data buffer.Segment) *sg.Command {
	ended := make(chan struct{})
	c := &sg.Command{CDB: cdb, Direction: direction, Data: data, Timeout: time.Minute, Done: func(*sg.Command) { close(ended) }}
	d.Submit(c)
	<-ended
	return c
}

// good fails unless c has ended with GOOD.
func good(t testing.TB, c *sg.Command) {
	t.Helper()
	if !c.Result.Executed() || c.Result.Status != scsi.Good {
		t.Fatalf("% x: %+v, sense % x", c.CDB, c.Result, c.Sense[:c.Result.Sense])
	}
}

// quieten takes unit attentions.
func quieten(t testing.TB, d sg.Device) {
	t.Helper()
	for range 16 {
		if c := do(d, make([]byte, 6), sg.None, nil); c.Result.Executed() && c.Result.Status == scsi.Good {
			return
		}
	}
	t.Fatal("it does not get ready")
}

func read10(lba uint32, blocks int) []byte {
	c := []byte{byte(scsi.OpRead10), 0, 0, 0, 0, 0, 0, byte(blocks >> 8), byte(blocks), 0}
	binary.BigEndian.PutUint32(c[2:], lba)
	return c
}

func write10(lba uint32, blocks int) []byte {
	c := read10(lba, blocks)
	c[0] = byte(scsi.OpWrite10)
	return c
}

// facts are what the suite has to know of a disk.
func facts(t testing.TB, d sg.Device) sgtest.Facts {
	t.Helper()
	quieten(t, d)
	c := do(d, []byte{byte(scsi.OpReadCapacity10), 0, 0, 0, 0, 0, 0, 0, 0, 0}, sg.In, mapped(t, 8))
	good(t, c)
	return sgtest.Facts{
		Type: scsi.TypeDisk, Writable: true,
		Blocks: uint64(binary.BigEndian.Uint32(c.Data.Mem)) + 1, BlockSize: int(binary.BigEndian.Uint32(c.Data.Mem[4:])),
	}
}

// set sets a parameter of scsi_debug, which takes some of them only while nothing is under way: what else uses the devices may come and go.
func set(t testing.TB, parameter, value string) {
	t.Helper()
	var err error
	for range 200 {
		if err = os.WriteFile(parameters+parameter, []byte(value), 0); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}

// slow makes each command take so many jiffies of 4 ms, for the time of the test.
func slow(t testing.TB, jiffies int) {
	t.Helper()
	set(t, "delay", fmt.Sprint(jiffies))
	t.Cleanup(func() { set(t, "ndelay", "100000") })
}
