package tape

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// Log pages of a drive (SSC-5 8.3, SPC-5 7.3), and those that LTO drives have beside.
const (
	logWriteErrors   = 0x02
	logReadErrors    = 0x03
	logSequential    = 0x0c
	logTemperature   = 0x0d
	logStartStop     = 0x0e
	logStatus        = 0x11
	logAlertResponse = 0x12
	logRecovery      = 0x13
	logStatistics    = 0x14
	logDiagnostic    = 0x16
	logVolume        = 0x17
	logCompression   = 0x1b
	logUsage         = 0x30
	logCapacity      = 0x31
	logIBMRatio      = 0x32 // page 1Bh of drives before LTO-5
)

// mebibyte is what log page 31h and the medium auxiliary memory count, where others count megabytes.
const mebibyte = 1 << 20

// A logList is parameters of a log page.
type logList []byte

// count appends a parameter that is a number of so many bytes; what does not fit is the most that does.
func (l logList) count(code uint16, size int, n uint64) logList {
	return l.value(code, page.LogCounter, number(size, n)...)
}

// binary appends a parameter that is no counter.
func (l logList) binary(code uint16, value ...byte) logList {
	return l.value(code, page.LogBinaryList, value...)
}

// text appends a parameter of so many characters, padded with spaces.
func (l logList) text(code uint16, size int, text string) logList {
	return l.value(code, page.LogASCIIList, padded(text, size)...)
}

func (l logList) value(code uint16, control byte, value ...byte) logList {
	return page.AppendLogParameter(l, code, control, value...)
}

// number is n in so many bytes, or the most that fits.
func number(size int, n uint64) []byte {
	if size < 8 && n >= 1<<(8*size) {
		n = 1<<(8*size) - 1
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return b[8-size:]
}

// padded is text in so many bytes.
func padded(text string, size int) []byte {
	b := make([]byte, size)
	for i := copy(b, text); i < size; i++ {
		b[i] = ' '
	}
	return b
}

// errorBase is what error counters had when LOG SELECT reset them.
type errorBase struct{ written, wrong, read, unread atomic.Uint64 }

// logPages are those of the drive.
func (d *Drive) logPages() []device.LogPage {
	plain := func(code byte, list func(l logList) logList) device.LogPage {
		return device.LogPage{Code: code, Append: func(dst []byte, _ *target.Unit) []byte {
			return page.AppendLogPage(dst, code, 0, list(nil))
		}}
	}
	errors := func(code byte, total, uncorrected, totalBase, base *atomic.Uint64) device.LogPage {
		p := plain(code, func(l logList) logList {
			for c := range uint16(5) {
				l = l.count(c, 4, 0) // nothing was corrected: what is below corrects without a word
			}
			return l.count(5, 8, total.Load()-totalBase.Load()).count(6, 4, uncorrected.Load()-base.Load())
		})
		p.Reset = func() {
			totalBase.Store(total.Load())
			base.Store(uncorrected.Load())
		}
		return p
	}
	c, b := &d.counters, &d.pages.errors
	all := []device.LogPage{
		errors(logWriteErrors, &c.fromHost, &c.writeErrors, &b.written, &b.wrong),
		errors(logReadErrors, &c.toHost, &c.readErrors, &b.read, &b.unread),
		plain(logSequential, d.sequentialLog),
		plain(logTemperature, func(l logList) logList {
			return l.binary(0, 0, page.UnknownTemperature).binary(1, 0, page.UnknownTemperature)
		}),
		plain(logStartStop, d.startStopLog),
		plain(logStatus, d.statusLog),
		plain(logAlertResponse, func(l logList) logList { return l.binary(0, number(8, d.pages.flags.State())...) }),
		plain(logRecovery, func(l logList) logList { return l.binary(0, 0) }), // none is asked for
		plain(logStatistics, d.statisticsLog),
		plain(logDiagnostic, func(l logList) logList { return l }), // nothing was recorded
		plain(logVolume, d.volumeLog),
		plain(logCompression, d.compressionLog),
		{Code: alert.Page, Show: d.pages.flags.Show, Thresholds: true},
		{Code: page.LogExceptions, Append: func(dst []byte, _ *target.Unit) []byte {
			return page.AppendExceptionsLog(dst, 0, page.UnknownTemperature)
		}},
		plain(logUsage, d.usageLog),
		plain(logIBMRatio, d.compressionLog),
	}
	if d.cfg.Model.CapacityPage {
		all = append(all, plain(logCapacity, d.capacityLog))
	}
	return all
}

// notKnown is what a number of four bytes says that cannot be told.
const notKnown = 1<<32 - 1

// sequentialLog is page 0Ch, Sequential-Access Device (SSC-5 8.3.2): bytes through the life of the drive, and megabytes of
// the partition that it is in.
func (d *Drive) sequentialLog(l logList) logList {
	c, v, rooms := &d.counters, d.look(), d.rooms()
	l = l.count(0, 8, c.fromHost.Load()).count(1, 8, c.toTape.Load()).count(2, 8, c.fromTape.Load()).count(3, 8, c.toHost.Load())
	if v.partition < len(rooms) {
		r := rooms[v.partition]
		for i, n := range []int64{r.Data, r.Warning, r.Capacity - r.Warning} {
			l = l.count(4+uint16(i), 4, uint64(n/megabyte))
		}
	} else {
		l = l.count(4, 4, notKnown).count(5, 4, notKnown).count(6, 4, notKnown)
	}
	here := uint64(notKnown) // nobody keeps where in bytes a head is that reads
	if at, ok := d.writer.reached(); ok {
		here = uint64(at / megabyte)
	} else if v.threaded && v.position.Object == 0 {
		here = 0
	}
	l = l.count(7, 4, here)
	l = l.count(8, 4, uint64(d.cfg.Buffer/megabyte))
	return l.count(0x100, 8, 0) // nothing has to be cleaned
}

// startStopLog is page 0Eh, Start-Stop Cycle Counter (SPC-5 7.3.20).
func (d *Drive) startStopLog(l logList) logList {
	const specified = 300000 // cycles that a drive is made for
	loads := d.counters.loads.Load()
	return l.text(1, 6, "202001").text(2, 6, "").count(3, 4, specified).count(4, 4, loads).count(5, 4, specified).count(6, 4, loads)
}

// statusLog is page 11h, DT Device Status (ADC-4 6.1.2).
func (d *Drive) statusLog(l logList) logList {
	v := d.look()
	var b [4]byte
	flag := func(i int, bit byte, on bool) {
		if on {
			b[i] |= bit
		}
	}
	const (
		hostInitiated = 0x40 // the host may use it
		memory        = 0x20
		compressing   = 0x10
		protected     = 0x08
		initialized   = 0x01
		accessible    = 0x20
		present       = 0x10
		seated        = 0x04
		threaded      = 0x02
		mounted       = 0x01
		alerts        = 0x01 // TAFC: TapeAlert flags are set
	)
	flag(0, hostInitiated, v.threaded)
	flag(0, memory, v.loaded)
	flag(0, compressing, d.settings.get().Compress)
	flag(0, protected, v.label.WriteProtect || v.readOnly)
	b[0] |= initialized
	flag(1, accessible, v.loaded && !v.threaded)
	flag(1, present|seated, v.loaded)
	flag(1, threaded|mounted, v.threaded)
	b[2] = d.activityCode()
	flag(3, alerts, d.pages.flags.State() != 0)
	const pollingDelay = 1000 // milliseconds
	return l.binary(0, b[:]...).count(1, 2, pollingDelay)
}

// activityCode is the DT DEVICE ACTIVITY of page 11h.
func (d *Drive) activityCode() byte {
	switch d.doing.now() {
	case loading:
		return 0x02
	case unloading:
		return 0x03
	case reading:
		return 0x05
	case writing:
		return 0x06
	case locating:
		return 0x07
	case rewinding:
		return 0x08
	case erasing:
		return 0x09
	case formatting:
		return 0x0a
	}
	return 0
}

// statisticsLog is page 14h, Device Statistics (SSC-5 8.3.7). There are no motors whose hours could be counted.
func (d *Drive) statisticsLog(l logList) logList {
	c := &d.counters
	loads := c.loads.Load()
	l = l.count(0, 4, loads).count(1, 4, c.cleanings.Load())
	for code := uint16(2); code <= 0x0a; code++ {
		l = l.count(code, 4, 0)
	}
	l = l.count(0x0c, 4, 1).count(0x0d, 4, loads).count(0x0e, 4, c.writeErrors.Load()).count(0x0f, 4, c.readErrors.Load())
	for code := uint16(0x10); code <= 0x15; code++ {
		l = l.count(code, 4, 0)
	}
	l = l.count(0x16, 4, c.toHost.Load()/megabyte).count(0x17, 4, c.fromHost.Load()/megabyte)
	l = l.text(0x40, 32, d.cfg.Identity.Serial).text(0x41, 32, d.cfg.Identity.Serial)
	return l.count(0x80, 4, c.prevented.Load()).count(0x81, 4, 0)
}

// ratio is what compression made of bytes, times 100; 0 if there are none.
func ratio(host, medium uint64) uint64 {
	if medium == 0 {
		return 0
	}
	return uint64(float64(host) / float64(medium) * 100)
}

// compressionLog is page 1Bh, Data Compression (SSC-5 8.3.6): since the medium was loaded, and of the drive without one.
func (d *Drive) compressionLog(l logList) logList {
	s := d.since()
	l = l.count(0, 2, ratio(s.toHost, s.fromTape)).count(1, 2, ratio(s.fromHost, s.toTape))
	for i, n := range []uint64{s.toHost, s.fromTape, s.fromHost, s.toTape} {
		l = l.count(2+2*uint16(i), 4, n/megabyte).count(3+2*uint16(i), 4, n%megabyte)
	}
	on := uint64(0)
	if d.settings.get().Compress {
		on = 1
	}
	return l.count(0x100, 2, on)
}
