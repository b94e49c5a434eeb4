package disk

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// pageSize is the least that storage of today writes without a read; small logical
// blocks are parts of it.
const pageSize = 4096

// physical is the size of a physical block in logical ones.
func (d *Disk) physical() uint32 {
	size := max(d.medium.info.PhysicalBlock, pageSize, int(d.medium.blockSize))
	return uint32(size >> d.medium.shift)
}

// capacity is READ CAPACITY data.
func (d *Disk) capacity() page.Capacity {
	return page.Capacity{
		Last:          d.medium.blocks() - 1,
		BlockSize:     uint32(d.medium.blockSize),
		PhysicalBlock: uint8(bits.TrailingZeros32(d.physical())),
		Thin:          d.medium.trimmer != nil,
		ReadZeros:     d.medium.trimmer != nil,
	}
}

// readCapacity is READ CAPACITY(10) and (16) (SBC-4 5.15, 5.16).
func (d *Disk) readCapacity(t *target.Task) {
	c, err := cdb.ParseReadCapacity(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.LBA != 0 && !c.PMI:
		d.Fail(t, scsi.InvalidFieldInCDB(2, -1))
	case c.Opcode == scsi.OpReadCapacity10:
		d.Reply(t, d.capacity().Append10(nil), c.Allocation)
	default:
		d.Reply(t, d.capacity().Append16(nil), c.Allocation)
	}
}

// vpd are the VPD pages of a block device. All they say comes from the store.
func (d *Disk) vpd() []device.VPD {
	all := []device.VPD{
		{Code: page.VPDBlockLimits, Append: func(dst []byte, p page.Peripheral) []byte { return d.limits().Append(dst, p) }},
		{Code: page.VPDBlockCharacteristics, Append: func(dst []byte, p page.Peripheral) []byte {
			c := page.BlockCharacteristics{RotationRate: uint16(d.rotation.Load()), FUABehaviour: true}
			if c.RotationRate == 0 && !d.medium.info.Rotational {
				c.RotationRate = page.NonRotating // else it is not told
			}
			return c.Append(dst, p)
		}},
	}
	if d.medium.trimmer != nil {
		all = append(all, device.VPD{Code: page.VPDProvisioning, Append: func(dst []byte, p page.Peripheral) []byte {
			return page.Provisioning{
				Unmap: true, WriteSame16: true, WriteSame10: true, ReadZeros: 1, Type: page.ProvisionedThin,
			}.Append(dst, p)
		}})
	}
	return all
}

func (d *Disk) limits() page.BlockLimits {
	l := page.BlockLimits{
		WriteSameNonZero:   true,
		MaxCompareAndWrite: maxCompareAndWrite,
		OptimalGranularity: uint16(d.physical()),
		MaxTransfer:        maxTransfer >> d.medium.shift,
		OptimalTransfer:    optimalTransfer >> d.medium.shift,
		MaxPrefetch:        maxPrefetch >> d.medium.shift,
		MaxWriteSame:       d.maxSame(),
	}
	if d.medium.trimmer != nil {
		l.MaxUnmap, l.MaxUnmapDescriptors = 0xffffffff, maxUnmapDescriptors
		l.OptimalUnmapGranularity = max(uint32(d.medium.info.Granularity>>d.medium.shift), 1)
		l.UnmapAligned, l.UnmapAlignment = true, uint32(d.medium.info.Alignment>>d.medium.shift)
	}
	return l
}

// maxSame is the longest WRITE SAME in blocks. With large blocks it stays under what
// hosts take as leave for transfers of as many blocks.
func (d *Disk) maxSame() uint64 {
	if d.medium.blockSize == 512 {
		return maxWriteSame >> d.medium.shift
	}
	return 65535
}

func (d *Disk) modeParameter(x *target.ITL) byte {
	var b byte = page.ModeDPOFUA
	if d.readOnly.Load() || d.WriteProtected(x) {
		b |= page.ModeWriteProtected
	}
	return b
}

// modes are the mode pages of a block device. WCE is true to the store: without a
// cache to lose it is 0 and stays so.
func (d *Disk) modes() []*device.ModePage {
	wce := func(p []byte) bool {
		c, ok := page.ParseCaching(p)
		return ok && c.WriteCache
	}
	return []*device.ModePage{
		{Default: page.ErrorRecovery{}.Append(nil), Changeable: page.ErrorRecovery{}.Append(nil)},
		{
			Default:    page.Caching{WriteCache: d.volatile}.Append(nil),
			Changeable: page.Caching{WriteCache: d.volatile}.Append(nil),
			PerNexus:   true,
			Apply: func(x *target.ITL, now []byte) error {
				to := d.Settings(x)
				if to.Put(writeThrough, !wce(now)); wce(now) {
					return nil
				}
				err := d.medium.flush(d.life, 0)
				if err != nil {
					to.Put(writeThrough, false)
				}
				return err
			},
			Reverted: func(now []byte) { d.PowerOn().Put(writeThrough, !wce(now)) },
		},
	}
}

// Log pages of error counters (SPC-5 7.3.8) and their parameters.
const (
	logWriteErrors  = 0x02
	logReadErrors   = 0x03
	logVerifyErrors = 0x05

	totalCorrected   = 0x0003
	totalUncorrected = 0x0006
)

func (d *Disk) logs() []device.LogPage {
	counters := func(code byte, uncorrected *atomic.Uint64) device.LogPage {
		return device.LogPage{Code: code, Reset: func() { uncorrected.Store(0) }, Append: func(dst []byte, _ *target.Unit) []byte {
			none := binary.BigEndian.AppendUint64(nil, 0)
			list := page.AppendLogParameter(nil, totalCorrected, page.LogCounter, none...)
			list = page.AppendLogParameter(list, totalUncorrected, page.LogCounter,
				binary.BigEndian.AppendUint64(nil, uncorrected.Load())...)
			return page.AppendLogPage(dst, code, 0, list)
		}}
	}
	return []device.LogPage{
		counters(logWriteErrors, &d.medium.errors.write),
		counters(logReadErrors, &d.medium.errors.read),
		counters(logVerifyErrors, &d.medium.errors.verify),
		{Code: page.LogExceptions, Append: func(dst []byte, _ *target.Unit) []byte {
			return page.AppendExceptionsLog(dst, 0, page.UnknownTemperature)
		}},
	}
}
