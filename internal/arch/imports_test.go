package arch

import (
	"slices"
	"strings"
	"testing"
)

// A rule says what the packages at a place may import of our own. Tests are free to
// reach across.
type rule struct {
	place string   // a package; with /... all below it as well
	may   []string // of our own, in the same form; itself always
	why   string
}

// rules are looked at in order: the first that fits a package is its rule.
var rules = []rule{
	{"device/library/panel", []string{"device/library", "device/changer", "device/tape/medium"}, "what people do with a library is the same with a daemon and without"},
	{"device/library/kind", []string{"agent/model", "agent/api", "daemon/plugin", "scsi", "store", "store/record", "device/library/panel", "device/changer", "device/tape/...", "device/personality"}, "a library is a robot and drives, which it puts together"},
	{"device/passthrough/kind", []string{"agent/model", "agent/api", "daemon/plugin", "scsi/...", "store", "store/record", "target", "device/kept", "device/reserve", "initiator/sg", "initiator/sg/attached"}, "a device of this host is found by one package, opened by another, and served by a third"},
	{".../kind", []string{"agent/model", "agent/api", "daemon/plugin", "scsi/...", "store", "store/record", "store/image", "buffer", "target", "network/rdma", "network/fc", "network/vhost", "network/ethernet/...", "network/udp/...", "network/.../kind", "internal/limits"}, "a kind stands between its plugin, which is the folder it lies in, and the daemon: it knows no other plugin, but for the networks that it goes over"},

	{"scsi/...", []string{"scsi"}, "vocabulary: everybody reads it, so it reads nobody"},
	{"buffer", []string{"internal/guard", "internal/nontemporal"}, "data on the move: everybody holds it, so it knows nobody"},
	{"target", []string{"scsi", "buffer", "internal/wildcard"}, "it is the waist: devices above stores and transports above networks meet here, and know nothing of each other"},

	{"store/filter/...", []string{"store", "store/filter", "buffer"}, "a filter sees a store, never which"},
	{"store/internal/fdio", []string{"store", "buffer"}, "what stores share knows no store"},
	{"store/internal/direct", []string{"store", "buffer", "store/internal/fdio"}, "what stores share knows no store"},
	{"store/internal/ringio", []string{"store", "buffer", "store/internal/fdio", "internal/uring"}, "what stores share knows no store; io_uring itself knows nothing of them"},
	{"store/nbd", []string{"store", "store/internal/...", "buffer", "network/nbd"}, "a store on a network is a client of it: it knows the network's requests, not sockets"},
	{"store/record", []string{"store"}, "what is kept with data knows neither what it means nor which store it is"},
	{"store/storetest", []string{"store", "buffer", "internal/guard/guardtest"}, "the suite holds every store to the same"},
	{"store/image", nil, "what a file holds is read, and means nothing to a store"},
	{"store/...", []string{"store", "store/record", "store/image", "store/internal/...", "buffer", "internal/uring"}, "a store knows bytes, not commands"},
	{"device/devicetest", []string{"device/...", "target", "scsi/...", "store", "buffer", "transport/loopback"}, "the suite holds every device type to the same"},
	{"device/devicetest/...", []string{"device", "device/nexus", "device/reserve", "target", "scsi/...", "buffer"}, "a device type for tests is one as any other"},
	{"device/kept", []string{"device/reserve", "scsi", "store"}, "it keeps reservations as data, in what a store has for it"},
	{"device/reserve", []string{"scsi/..."}, "rules and data: who waits, locks and answers is above them"},
	{"device/nexus", []string{"device/reserve", "target", "scsi"}, "a device server without a command table uses it too"},
	{"device/personality", []string{"scsi"}, "what machines call themselves and can do, as data: it knows no command"},
	{"device/tape/medium", []string{"buffer", "internal/failpoint", "internal/guard"}, "a cartridge is files: it knows neither SCSI nor drives"},
	{"device/tape/encryption", []string{"device", "device/nexus", "device/tape/medium", "target", "scsi/...", "buffer"}, "keys and ciphers: it knows neither positions nor which drive it is in"},
	{"device/timestamp", []string{"device", "device/reserve", "target", "scsi", "scsi/cdb"}, "the clock of drives and robots: it knows neither"},
	{"device/alert", []string{"target", "scsi/page"}, "flags of drives and robots: it knows neither"},
	{"device/changer", []string{"device", "device/alert", "device/timestamp", "device/kept", "device/nexus", "device/reserve", "device/personality", "target", "scsi/...", "store", "buffer"}, "a robot asks an inventory for moves: it knows neither drives nor where cartridges are kept"},
	{"device/library", []string{"device/changer", "device/personality", "device/tape", "device/tape/medium", "scsi", "internal/failpoint"}, "elements and cartridges: it knows no command, and of SCSI what its refusals are called"},
	{"device/tape", []string{"device", "device/alert", "device/timestamp", "device/kept", "device/nexus", "device/reserve", "device/personality", "device/tape/...", "target", "scsi/...", "store", "buffer", "internal/ratelog"}, "a drive reads and writes a cartridge: it knows neither robots nor where cartridges come from"},
	{"device/optical", []string{"device", "device/disk", "device/kept", "device/reserve", "target", "scsi/...", "store", "buffer", "internal/ratelog"}, "a disc is read and written as a disk is; whose files discs are is not the drive's business"},
	{"device/passthrough", []string{"device", "device/nexus", "device/reserve", "target", "scsi/...", "buffer", "initiator/sg", "internal/ratelog"}, "towards the real device a unit is an initiator: it knows neither files nor which interface of the kernel it is"},
	{"device/...", []string{"device", "device/kept", "device/nexus", "device/reserve", "target", "scsi/...", "store", "buffer", "internal/ratelog"}, "a device type knows neither how commands arrive nor which store it is on"},

	{"network/nbd", []string{"network/tcp", "buffer"}, "a protocol of storage over TCP: it moves bytes, and knows neither stores nor tasks"},
	{"network/rdma/iwarp", []string{"network/rdma", "network/rdma/internal/...", "network/tcp", "buffer", "internal/handed", "internal/share"}, "iWARP is RDMA in TCP streams (RFC 5044)"},
	{"network/rdma/ib/rc", []string{"network/rdma", "network/rdma/ib", "network/rdma/internal/...", "buffer"}, "queue pairs make packets and take them: they know neither sockets nor how connections are made"},
	{"network/rdma/ib/cm", []string{"network/rdma/ib", "network/rdma/ib/mad", "internal/share"}, "a communication manager has messages and a clock: neither sockets nor queue pairs"},
	{"network/rdma/verbs", []string{"network/rdma", "buffer"}, "adapters move data between connections and memory, by libraries that only this package calls"},
	{"network/rdma/roce", []string{"network/rdma", "network/rdma/ib/...", "network/udp", "internal/handed"}, "RoCE is InfiniBand's packets in datagrams: sockets are a provider's of those"},
	{"network/rdma/ib/congestion", nil, "a rate is numbers and times: it knows neither packets nor clocks"},
	{"network/rdma/ib/mad", []string{"network/rdma/ib"}, "messages are bytes: who sends them when is above"},
	{"network/rdma/ib", nil, "words and headers"},
	{"network/rdma/...", []string{"network/rdma", "buffer", "internal/handed"}, "a provider of RDMA moves data, not tasks"},
	{"network/ethernet/...", []string{"network/ethernet", "buffer"}, "Ethernet carries frames: it knows none of the protocols in them"},
	{"network/udp/...", []string{"network/udp"}, "datagrams carry protocols: it knows none of them, and no other network"},
	{"network/fc/...", []string{"network/fc/...", "network/ethernet", "buffer", "internal/ratelog"}, "Fibre Channel carries sequences for ports, and knows no tasks"},
	{"network/vhost/message", nil, "what a front-end says is bytes and descriptors: it knows neither memory nor queues"},
	{"network/vhost/ring", []string{"buffer", "internal/guard"}, "rings are memory, and what two ends of them agree on: it knows neither threads nor descriptors"},
	{"network/vhost/frontend", []string{"network/vhost/message", "network/vhost/ring"}, "the other end: it knows nothing of a back-end"},
	{"network/vhost/vhosttest", []string{"network/vhost", "network/vhost/...", "buffer"}, "the suite holds front-ends and back-ends to the same"},
	{"network/vhost", []string{"network/vhost/message", "network/vhost/ring", "buffer", "internal/guard", "internal/ratelog"}, "queues in a guest's memory carry requests: it knows none of the devices that they are for"},
	{"network/...", []string{"buffer", "network", "internal/handed"}, "a network moves data, not tasks"},

	{"transport/iscsi/pdu", []string{"scsi", "internal/serial"}, "wire elements know no session"},
	{"transport/iscsi/login", []string{"scsi", "transport/iscsi/pdu", "internal/serial"}, "negotiation is text in, text out: it knows no connection"},
	{"transport/iscsi/auth", []string{"transport/iscsi/login"}, "authentication is a part of negotiation"},
	{"transport/iscsi/tcp", []string{"transport/iscsi", "transport/iscsi/pdu", "network/tcp", "buffer"}, "a mover carries PDUs: it knows neither tasks nor other movers"},
	{"transport/iscsi/iser", []string{"transport/iscsi", "transport/iscsi/pdu", "transport/iscsi/login", "network/rdma", "buffer"}, "a mover carries PDUs: it knows neither tasks nor other movers; what it needs of a login is a list of keys"},
	{"transport/iscsi/movertest", []string{"transport/iscsi", "transport/iscsi/pdu", "buffer"}, "the suite holds every mover to the same"},
	{"initiator/iscsi", []string{"transport/iscsi/...", "scsi/...", "buffer", "internal/serial", "network/tcp", "network/rdma"}, "the other end of the wire, for tests and benchmarks"},
	{"transport/iscsi", []string{"transport/iscsi/pdu", "transport/iscsi/login", "transport/iscsi/auth", "target", "scsi", "buffer", "internal/serial", "internal/ratelog", "internal/share", "internal/tagtable"}, "the session is the same over every mover: it knows none, and no network"},
	{"transport/transporttest", []string{"..."}, "the suite holds every transport to the same"},
	{"transport/loopback", []string{"target", "scsi/...", "buffer", "internal/guard"}, "the reference transport: nothing but the waist"},
	{"transport/srp/iu", nil, "wire elements know no channel"},
	{"initiator/sg/attached", []string{"scsi/..."}, "who is attached to this host, by name: it sends no command"},
	{"initiator/sg/sgtest", []string{"initiator/sg", "scsi/...", "buffer"}, "devices in memory, and the suite that holds every way to a device to the same"},
	{"initiator/sg", []string{"scsi", "buffer", "internal/uring"}, "the kernel as an initiator: what it is asked to send it does not read"},
	{"initiator/st", nil, "the other end of a real drive: what it reads and writes is a tape to nobody here"},
	{"initiator/srp", []string{"transport/srp/iu", "scsi/...", "buffer", "network/rdma"}, "the other end of the wire, for tests and benchmarks"},
	{"initiator/virtio", []string{"transport/virtio/iu", "scsi/...", "network/vhost/frontend", "network/vhost/message", "network/vhost/ring"}, "the other end of the queues, for tests and benchmarks"},
	{"initiator/fcp", []string{"transport/fcp/iu", "scsi/...", "buffer", "network/fc", "network/fc/els", "network/fc/nport"}, "the other end of the wire, for tests and benchmarks"},
	{"transport/srp", []string{"transport/srp/iu", "target", "scsi/...", "buffer", "network/rdma", "internal/ratelog", "internal/share", "internal/tagtable"}, "a transport knows its network, and no other transport"},
	{"transport/virtio/iu", []string{"scsi"}, "wire elements know no queue"},
	{"transport/virtio", []string{"transport/virtio/iu", "target", "scsi/...", "buffer", "network/vhost", "internal/ratelog", "internal/share", "internal/wildcard"}, "a transport knows its network, and no other transport"},
	{"transport/fcp/iu", []string{"scsi"}, "wire elements know no exchange"},
	{"transport/fcp", []string{"transport/fcp/iu", "target", "scsi/...", "buffer", "network/fc", "network/fc/nport", "internal/ratelog", "internal/share", "internal/wildcard"}, "a transport knows its network, and no other transport"},

	{"agent/model", []string{"scsi"}, "the document is data; the names of targets in it are SCSI's"},
	{"agent/state", []string{"internal/failpoint"}, "generations are texts: what stands in them is nobody's business there"},
	{"agent/plan", []string{"agent/model"}, "a plan is data about two documents: it asks nothing and does nothing"},
	{"agent/apply", []string{"agent/model", "agent/plan", "agent/state", "internal/failpoint"}, "the order of a change is the same whatever runs"},
	{"agent/api", []string{"agent/model", "agent/plan", "agent/apply", "agent/state"}, "the API shows data that it is given"},
	{"agent/server", []string{"agent/api", "agent/model", "agent/plan", "agent/apply", "agent/state"}, "the API serves what it is given"},
	{"agent/client", []string{"agent/api", "agent/model", "agent/plan", "agent/apply", "agent/state"}, "a client knows the API alone"},
	{"agent/...", []string{"agent/model", "agent"}, "the agent sees schemas, never a plugin by name"},

	{"daemon/plugin", []string{"agent/model", "agent/api", "target", "scsi", "store", "buffer"}, "what the daemon and its plugins agree on knows none of them"},
	{"daemon", []string{"..."}, "the one place that knows everything, and puts it together"},
	{"bench", []string{"scsi/...", "initiator/iscsi", "initiator/fcp", "initiator/virtio", "network/fc", "transport/iscsi/login", "transport/iscsi/auth", "transport/iscsi/pdu", "network/rdma", "network/rdma/iwarp", "network/rdma/roce", "network/udp/socket", "network/tcp"}, "a load generator is an initiator: it knows nothing of the target that it measures"},
	{"archive/mhvtl", []string{"archive", "device/tape/medium"}, "it reads files of another program: it knows what a tape is, not where it goes"},
	{"archive/vtl", []string{"archive", "archive/mhvtl", "device/library", "device/library/panel", "device/changer", "device/tape", "device/tape/medium", "device/personality"}, "libraries with no daemon: what opens them for people knows no command"},
	{"archive", []string{"device/tape/medium", "device/personality", "initiator/st", "buffer"}, "tapes go into files and out of them with nobody's help: it knows cartridges and drives, neither libraries nor the daemon"},
	{"cmd/lunette", []string{"daemon", "agent/...", "bench", "archive/...", "daemon/plugin", "device/library/panel", "store/image", "initiator/sg/attached"}, "flags and tables: what is behind them is the daemon's business, or the load generator's, or that of cartridges, which are there with no daemon too, as are devices of this machine and what files hold"},
	{"internal/guard/guardtest", nil, "memory that goes away, for tests"},
	{"internal/guard", []string{"internal/nontemporal"}, "memory that goes away is touched as other memory is"},
	{"internal/...", nil, "no words of the domain, so nothing to import"},
	{"test/...", []string{"..."}, "tests from outside"},
}

// fits reports that the package dir is at place. ".../x" are all packages called x, and "a/.../x" those
// below a.
func fits(dir, place string) bool {
	if place == "..." {
		return true
	}
	if above, name, ok := strings.Cut(place, ".../"); ok {
		return strings.HasPrefix(dir, above) && strings.HasSuffix(dir, "/"+name)
	}
	if above, ok := strings.CutSuffix(place, "/..."); ok {
		return dir == above || strings.HasPrefix(dir, above+"/")
	}
	return dir == place
}

func TestImports(t *testing.T) {
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		i := slices.IndexFunc(rules, func(r rule) bool { return fits(f.dir, r.place) })
		if i < 0 {
			t.Errorf("%s: there is no rule for %s: add one, with its reason", f.path, f.dir)
			continue
		}
		own, _ := f.imports()
		for _, p := range own {
			if plugin, ok := strings.CutSuffix(f.dir, "/kind"); ok && fits(p, plugin+"/...") {
				continue // its own
			}
			if p != f.dir && !slices.ContainsFunc(rules[i].may, func(place string) bool { return fits(p, place) }) {
				t.Errorf("%s imports %s: %s", f.path, p, rules[i].why)
			}
		}
	}
}

// Only cmd starts the daemon, and only the daemon knows plugins.
func TestOnlyCmdImportsDaemon(t *testing.T) {
	for _, f := range tree(t) {
		own, _ := f.imports()
		if slices.Contains(own, "daemon") && !fits(f.dir, "cmd/...") && !fits(f.dir, "test/...") && f.dir != "daemon" {
			t.Errorf("%s imports daemon: it is the top", f.path)
		}
	}
}

// Nothing but the daemon's list knows the kinds of plugins: what is not there is not used.
func TestOnlyTheListImportsKinds(t *testing.T) {
	for _, f := range tree(t) {
		own, _ := f.imports()
		for _, p := range own {
			if fits(p, ".../kind") && f.path != "daemon/builtin.go" && !fits(f.dir, ".../kind") && !fits(f.dir, "test/...") && !f.test {
				t.Errorf("%s imports %s: only the list in daemon/builtin.go does", f.path, p)
			}
		}
	}
}

// outside says who may use packages that are not ours, or that the layers are there to
// keep out.
var outside = []struct {
	path   string
	places []string
	why    string
}{
	{"net", []string{"network/...", "agent/...", "cmd/...", "test/...", "initiator/iscsi"}, "networks are in network: transports get connections"},
	{"net/http", []string{"agent/...", "test/..."}, "the API is in agent"},
	{"os/exec", []string{"cmd/lunette", "test/...", "transport/transporttest"}, "we are one process, but for the editor of who edits a document, and tests in a network namespace of their own"},
	{"os/signal", []string{"cmd/...", "test/..."}, "signals are the command's"},
	{"log", []string{"test/..."}, "log/slog, from who is given a logger"},
	{"expvar", nil, "no globals"},
	{"C", []string{"network/rdma/verbs"}, "one static binary, but for one that is asked for: adapters for RDMA can be reached by their makers' libraries alone, which are C's and are opened at run time; the tag verbs keeps that out of all other programs"},
	{"plugin", nil, "one static binary"},
	{"github.com/alecthomas/kong", []string{"cmd/..."}, "flags are the command's"},
	{"github.com/danielgtaylor/huma/v2", []string{"agent/server"}, "the API is served, and described, in one place"},
	{"github.com/goccy/go-yaml", []string{"agent/model", "device/personality"}, "the document is read in one place, and personalities, which are data of makers and no part of it, in another"},
	{"github.com/klauspost/compress", []string{"device/tape/medium"}, "frames of a cartridge are compressed in one place"},
	{"pgregory.net/rapid", nil, "for tests alone"},
	{"go.uber.org/goleak", nil, "for tests alone"},
	{"github.com/santhosh-tekuri/jsonschema", nil, "for tests alone: the schema is ours, and so is what reads documents"},
	{"github.com/anchore/go-lzo", []string{"archive/mhvtl"}, "a format of another program, for what is read of it"},
	{"testing", []string{"store/storetest", "device/devicetest", "transport/transporttest", "transport/iscsi/movertest", "network/rdma/rdmatest", "network/fc/fctest", "network/ethernet/ethertest", "network/ethernet/packet/packettest", "network/udp/udptest", "network/vhost/vhosttest", "initiator/sg/sgtest", "internal/golden", "internal/guard/guardtest", "test/..."}, "for tests and shared suites"},
}

func TestOutsideImports(t *testing.T) {
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		_, others := f.imports()
		for _, p := range others {
			known := !strings.Contains(strings.SplitN(p, "/", 2)[0], ".") || strings.HasPrefix(p, "golang.org/x/sys/")
			for _, o := range outside {
				if !fits(p, o.path) && !fits(p, o.path+"/...") || (p != o.path && !strings.Contains(o.path, ".")) {
					continue
				}
				known = true
				suite := (o.path == "pgregory.net/rapid" || o.path == "go.uber.org/goleak") && strings.HasSuffix(f.dir, "test")
				if !suite && !slices.ContainsFunc(o.places, func(place string) bool { return fits(f.dir, place) }) {
					t.Errorf("%s imports %s: %s", f.path, p, o.why)
				}
			}
			if !known {
				t.Errorf("%s imports %s: a module that is not agreed on", f.path, p)
			}
		}
	}
}
