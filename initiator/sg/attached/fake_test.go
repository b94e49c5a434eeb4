package attached

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a host in a directory, with what the kernel shows of its devices.
type fake struct {
	t       *testing.T
	root    string
	numbers map[string]number // of device files
	minor   uint32
	busy    map[string]error // why a block device cannot be had exclusively
	limits  map[string]int64 // what sg says of how many bytes a command moves
}

func newFake(t *testing.T) *fake {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, root: root, numbers: make(map[string]number), busy: make(map[string]error), limits: make(map[string]int64)}
	f.dir("/sys/class/block")
	f.dir("/proc/self")
	f.dir("/dev")
	return f
}

func (f *fake) host() Host {
	return Host{
		Root: f.root,
		stat: func(path string) (number, error) {
			p, err := filepath.EvalSymlinks(path)
			if err != nil {
				return number{}, err
			}
			if n, ok := f.numbers[p]; ok {
				return n, nil
			}
			return number{}, fmt.Errorf("%s: %w", path, errNoDevice)
		},
		limit: func(path string) int64 { return f.limits[filepath.Base(path)] },
		claim: func(path string) (func(), error) { return func() {}, f.busy[filepath.Base(path)] },
	}
}

func (f *fake) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) dir(path string) string {
	f.t.Helper()
	path = f.root + path
	f.check(os.MkdirAll(path, 0o755))
	return path
}

func (f *fake) file(path, content string) {
	f.t.Helper()
	f.dir(filepath.Dir(path))
	f.check(os.WriteFile(f.root+path, []byte(content), 0o644))
}

func (f *fake) link(path, target string) {
	f.t.Helper()
	f.dir(filepath.Dir(path))
	f.check(os.Symlink(target, f.root+path))
}

// A thing is a device of a fake.
type thing struct {
	address, vendor, model, serial string
	kind                           scsi.PeripheralType
	page83                         []byte
	driver                         string
	upper                          []string // "block/sda", "scsi_tape/nst0"
	bare                           bool     // /dev has no files of it
}

// where is the folder of a device in sysfs.
func where(address string) string {
	host, _, _ := strings.Cut(address, ":")
	return "/sys/devices/pci0000:00/host" + host + "/target" + address[:strings.LastIndex(address, ":")] + "/" + address
}

// add attaches a device.
func (f *fake) add(d thing) {
	at := where(d.address)
	f.file(at+"/type", fmt.Sprintf("%d\n", d.kind))
	f.file(at+"/vendor", fmt.Sprintf("%-8s\n", d.vendor))
	f.file(at+"/model", fmt.Sprintf("%-16s\n", d.model))
	f.file(at+"/rev", "1.0 \n")
	f.file(at+"/queue_depth", "32\n")
	if d.serial != "" {
		f.file(at+"/vpd_pg80", string(page.AppendUnitSerial(nil, page.PeripheralOf(d.kind), "  "+d.serial)))
	}
	if d.page83 != nil {
		f.file(at+"/vpd_pg83", string(d.page83))
	}
	f.file("/sys/bus/scsi/drivers_probe", "")
	if d.driver != "" {
		f.dir("/sys/bus/scsi/drivers/" + d.driver)
		f.file("/sys/bus/scsi/drivers/"+d.driver+"/unbind", "")
		f.file("/sys/bus/scsi/drivers/"+d.driver+"/bind", "")
		f.link(at+"/driver", f.root+"/sys/bus/scsi/drivers/"+d.driver)
	}
	host, _, _ := strings.Cut(d.address, ":")
	f.file("/sys/class/scsi_host/host"+host+"/sg_tablesize", "128\n")
	f.link(at+"/scsi_device/"+d.address+"/device", "../../../"+d.address)
	f.link("/sys/class/scsi_device/"+d.address, f.root+at+"/scsi_device/"+d.address)
	f.minor++
	nodes := append([]string{"bsg/" + d.address, fmt.Sprintf("scsi_generic/sg%d", f.minor)}, d.upper...)
	for i, n := range nodes {
		f.node(at+"/"+n, number{block: strings.HasPrefix(n, "block/"), major: uint32(100 + i), minor: f.minor * 16}, !d.bare)
	}
}

// node makes a node of sysfs, and its device file.
func (f *fake) node(at string, n number, file bool) {
	name := filepath.Base(at)
	if filepath.Base(filepath.Dir(at)) == "bsg" {
		name = "bsg/" + name
	}
	f.file(at+"/dev", fmt.Sprintf("%d:%d\n", n.major, n.minor))
	f.file(at+"/uevent", fmt.Sprintf("MAJOR=%d\nMINOR=%d\nDEVNAME=%s\n", n.major, n.minor, name))
	if n.block {
		f.link("/sys/class/block/"+name, f.root+at)
	}
	if file {
		f.file("/dev/"+name, "")
		f.numbers[f.root+"/dev/"+name] = n
	}
}

// remove takes a device away. Its files stay somewhere, so that no other gets their inode numbers, which sysfs gives to none soon.
func (f *fake) remove(address string) {
	f.check(os.Remove(f.root + "/sys/class/scsi_device/" + address))
	f.minor++
	f.check(os.Rename(f.root+where(address), f.dir("/gone")+fmt.Sprint("/", f.minor)))
}

func naa(kind scsi.PeripheralType, seed string) []byte {
	return page.AppendIdentification(nil, page.PeripheralOf(kind), page.NAADesignator(scsi.NAA6(seed)), page.T10FieldsDesignator("ACME", "THING", seed))
}

// lab is a host with a disk of two partitions, a tape, a changer and a CD, two disks with one serial number, and one with no name.
func lab(t *testing.T) *fake {
	f := newFake(t)
	f.add(thing{address: "10:0:0:0", kind: scsi.TypeDisk, vendor: "ACME", model: "BIG", serial: "D1", page83: naa(0, "D1"), driver: "sd", upper: []string{"block/sda"}})
	disk := where("10:0:0:0") + "/block/sda"
	f.node(disk+"/sda1", number{true, 102, 17}, true)
	f.node(disk+"/sda2", number{true, 102, 18}, true)
	f.file(disk+"/sda1/partition", "1\n")
	f.file(disk+"/sda2/partition", "2\n")
	f.file(disk+"/queue/max_hw_sectors_kb", "32767\n")
	f.file(disk+"/queue/max_segments", "126\n")
	f.add(thing{address: "2:0:1:0", kind: scsi.TypeTape, vendor: "HP", model: "Ultrium 5-SCSI", serial: "HU123", page83: naa(1, "HU123"), driver: "st",
		upper: []string{"scsi_tape/nst0", "scsi_tape/nst0a", "scsi_tape/st0"}})
	f.add(thing{address: "2:0:1:1", kind: scsi.TypeChanger, vendor: "HP", model: "MSL G3", serial: "CH1", driver: "ch", upper: []string{"scsi_changer/sch0"},
		page83: page.AppendIdentification(nil, page.PeripheralOf(8), page.T10FieldsDesignator("HP", "MSL G3", "CH1"))})
	f.add(thing{address: "3:0:0:0", kind: scsi.TypeOptical, vendor: "QEMU", model: "CD-ROM", driver: "sr", upper: []string{"block/sr0"}})
	f.add(thing{address: "4:0:0:0", kind: scsi.TypeDisk, vendor: "USB", model: "STICK", serial: "0001", driver: "sd", upper: []string{"block/sdb"}})
	f.add(thing{address: "4:0:1:0", kind: scsi.TypeDisk, vendor: "USB", model: "STICK", serial: "0001", driver: "sd", upper: []string{"block/sdc"}})
	f.file("/dev/vda", "")
	f.numbers[f.root+"/dev/vda"] = number{true, 252, 0}
	f.file("/dev/null", "")
	f.numbers[f.root+"/dev/null"] = number{false, 1, 3}
	f.link("/dev/tape/by-id/scsi-HU123-nst", "../../nst0")
	f.file("/dev/renamed", "")
	f.numbers[f.root+"/dev/renamed"] = f.numbers[f.root+"/dev/sg1"]
	f.link("/sys/class/scsi_device/junk", f.root+"/nowhere")
	f.link("/sys/class/scsi_device/9:9:9:9", f.root+"/nowhere")
	return f
}

var errTest = errors.New("a test's")
