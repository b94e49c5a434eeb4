package daemon

import (
	"context"

	"github.com/lunette-io/lunette/agent"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/block"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/store/filter/readonly"
	"github.com/lunette-io/lunette/store/filter/stats"
	"github.com/lunette-io/lunette/store/filter/verify"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/null"
	"github.com/lunette-io/lunette/target"
)

// ioOption is what stores on descriptors have in common.
func ioOption() model.Option {
	return model.Option{
		Name: "io", Type: model.String, Default: "auto", Values: []string{"auto", "uring", "threads"},
		Help: "How to wait for the disk: `uring`, by io_uring, with the least CPU time; `threads`, by threads in system calls; `auto`, by io_uring where the system has and allows it.",
	}
}

// Builtin is the one list of all plugins. Nothing registers itself.
func Builtin() Registry {
	return Registry{
		Stores: []agent.Kind[OpenStore]{
			{
				Name: "file",
				Help: "A file, sparse or not. One process at a time serves it. Data goes through the page cache, unless `direct` is set. Writes are durable after SYNCHRONIZE CACHE or with FUA, with `direct` as well.",
				Options: []model.Option{
					{Name: "path", Type: model.Path, Required: true, Help: "The file."},
					{Name: "size", Type: model.Bytes, Multiple: 512, Min: 512, Help: "Makes a file that is missing or empty, sparse, with this size; another file must have it. Without it the file is taken as it is."},
					{Name: "read-only", Type: model.Bool, Help: "Opens the file for reading. Any number of daemons may."},
					{Name: "sync", Type: model.Bool, Help: "Makes every write durable before it is acknowledged."},
					{Name: "direct", Type: model.Bool, Help: "Goes past the page cache, straight to the disk: for files larger than memory on fast disks, and where initiators have caches of their own. The size is a multiple of the disk's block."},
					ioOption(),
				},
				New: func(_ context.Context, v model.Values) (Opened, error) {
					was := look(v.String("path"))
					s, err := file.Open(file.Config{
						Path: v.String("path"), Size: v.Size("size"), ReadOnly: v.Bool("read-only"), Sync: v.Bool("sync"),
						Direct: v.Bool("direct"), IO: v.String("io"),
					})
					if err != nil {
						return Opened{}, err
					}
					return Opened{Store: s, Undo: was.undo(), Seed: pathSeed(v.String("path"))}, nil
				},
			},
			{
				Name: "memory",
				Help: "Memory of this process, taken when it is written and given back by UNMAP. What it holds is gone when the daemon stops.",
				Options: []model.Option{
					{Name: "size", Type: model.Bytes, Required: true, Multiple: 512, Min: 512, Help: "How much."},
					{Name: "huge-pages", Type: model.String, Default: "auto", Values: []string{"auto", "always", "never"}, Help: "Asks the kernel for huge pages: faster, but the first write to each 2 MiB takes all of them. auto: if that is a quarter of the memory that is free at most."},
				},
				New: func(_ context.Context, v model.Values) (Opened, error) {
					s, err := memory.Open(memory.Config{Size: v.Size("size"), Pages: pages(v.String("huge-pages"), v.Size("size"))})
					if err != nil {
						return Opened{}, err
					}
					return Opened{Store: s, Seed: newSeed()}, nil
				},
			},
			{
				Name: "block",
				Help: "A block device, by direct I/O, for this daemon alone.",
				Options: []model.Option{
					{Name: "path", Type: model.Path, Required: true, Help: "The device."},
					{Name: "read-only", Type: model.Bool, Help: "Opens the device for reading."},
					ioOption(),
				},
				New: func(_ context.Context, v model.Values) (Opened, error) {
					s, err := block.Open(block.Config{Path: v.String("path"), ReadOnly: v.Bool("read-only"), IO: v.String("io")})
					if err != nil {
						return Opened{}, err
					}
					return Opened{Store: s, Seed: pathSeed(v.String("path"))}, nil
				},
			},
			{
				Name: "null",
				Help: "Forgets what is written and reads as zeros: the cost of everything but a store.",
				Options: []model.Option{
					{Name: "size", Type: model.Bytes, Required: true, Multiple: 512, Min: 512, Help: "How large it looks."},
				},
				New: func(_ context.Context, v model.Values) (Opened, error) {
					s, err := null.Open(null.Config{Size: v.Size("size")})
					if err != nil {
						return Opened{}, err
					}
					return Opened{Store: s, Seed: newSeed()}, nil
				},
			},
		},
		Filters: []agent.Kind[WrapStore]{
			{
				Name: "verify",
				Help: "Keeps a checksum of every 4 KiB that is written, in memory, and fails reads that give back anything else.",
				New:  func(s store.Store, _ model.Values) (store.Store, error) { return verify.New(s), nil },
			},
			{
				Name: "readonly",
				Help: "Refuses writes.",
				New:  func(s store.Store, _ model.Values) (store.Store, error) { return readonly.New(s), nil },
			},
			{
				Name: "stats",
				Help: "Counts and times what the store does. `lunette units -o json` shows it.",
				New:  func(s store.Store, _ model.Values) (store.Store, error) { return stats.New(s), nil },
			},
			{
				Name: "delay",
				Help: "Makes a store slow, to try what relies on it.",
				Options: []model.Option{
					{Name: "read", Type: model.Duration, Help: "Time that a read takes longer."},
					{Name: "write", Type: model.Duration, Help: "Time that a write takes longer."},
					{Name: "flush", Type: model.Duration, Help: "Time that a flush takes longer."},
					{Name: "trim", Type: model.Duration, Help: "Time that giving space back takes longer."},
					{Name: "zero", Type: model.Duration, Help: "Time that writing zeros takes longer."},
					{Name: "jitter", Type: model.Duration, Help: "Random time, up to this, on top of each of the others."},
				},
				New: newDelay,
			},
			{
				Name: "fault",
				Help: "Makes calls of a store fail, to try what relies on it.",
				Options: []model.Option{
					{Name: "calls", Type: model.String, Default: "all", Values: []string{"all", "read", "write", "flush", "trim", "zero", "map", "compare", "resize"}, Help: "Which calls fail."},
					{Name: "offset", Type: model.Bytes, Help: "Only calls that touch bytes from here on …"},
					{Name: "length", Type: model.Bytes, Help: "… and not behind this many; 0: up to the end."},
					{Name: "skip", Type: model.Int, Help: "How many calls go well first."},
					{Name: "times", Type: model.Int, Help: "How many calls fail; 0: no end."},
					{Name: "percent", Type: model.Int, Default: "100", Min: 1, Max: 100, Help: "How many of the calls that could fail do."},
					{Name: "error", Type: model.String, Default: "medium", Values: []string{"medium", "out-of-space", "read-only", "unavailable"}, Help: "What the call answers."},
					{Name: "late", Type: model.Bool, Help: "Does the work, and then fails."},
					{Name: "seed", Type: model.Int, Help: "Of the random numbers behind percent."},
				},
				New: newFault,
			},
		},
		Devices: []agent.Kind[NewDevice]{
			{
				Name: "disk",
				Help: "A disk (SBC): block-addressed, with the store's bytes.",
				Options: []model.Option{
					{Name: "block-size", Type: model.Bytes, Default: "512", Values: []string{"512", "4096"}, Help: "Logical block size in bytes."},
					{Name: "read-only", Type: model.Bool, Help: "Refuses writes."},
					{Name: "workers", Type: model.Int, Max: 1024, Help: "How many commands may wait for storage in threads at a time; 0 leaves it to the store. What io_uring does does not count."},
					{Name: "vendor", Type: model.String, Default: defaultVendor, Help: "T10 vendor identification, up to 8 characters."},
					{Name: "product", Type: model.String, Default: defaultProduct, Help: "Product identification, up to 16 characters."},
					{Name: "revision", Type: model.String, Default: defaultRevision, Help: "Product revision level, up to 4 characters."},
					{Name: "serial", Type: model.String, Help: "Unit serial number, up to 128 characters. Without it, one that belongs to the store's path on this host, or to this run for memory."},
					{Name: "naa", Type: model.String, Help: "Name of the unit, unique in the world: 32 hexadecimal digits that start with 6. Without it, one that follows from the serial number."},
				},
				New: func(p Parts, v model.Values) (target.LogicalUnit, error) {
					return disk.New(disk.Config{
						Store: p.Store, Arena: p.Arena, Identity: p.Identity,
						BlockSize: int(v.Size("block-size")), ReadOnly: v.Bool("read-only"), Workers: int(v.Int("workers")),
					})
				},
			},
		},
		Transports: []agent.Kind[NewTransport]{
			{Name: "iscsi", Help: "iSCSI (RFC 7143), over TCP and over RDMA (iSER, RFC 7145).", New: newISCSI},
			{Name: "srp", Help: "The SCSI RDMA Protocol.", New: newSRP},
		},
		Providers: []Provider{
			{
				Kind: agent.Kind[Listen]{
					Name: "iscsi+tcp", New: listenISCSITCP,
					Help: "iSCSI over TCP, which every initiator speaks. Port 3260 unless another is given.",
				},
				Transport: "iscsi",
				Listen:    model.Listen{Port: model.DefaultPort, Space: "tcp"},
			},
			{
				Kind: agent.Kind[Listen]{
					Name: "iser+iwarp", New: listenISERIWARP,
					Help: "iSER, which is iSCSI over RDMA, over iWARP, which is RDMA in TCP: Linux's ib_iser, with an adapter for iWARP or with the module siw, which needs none. Port 3260 unless another is given; it is a TCP port, which an `iscsi+tcp` portal of the same address cannot have as well.",
				},
				Transport: "iscsi",
				Listen:    model.Listen{Port: model.DefaultPort, Space: "tcp"},
			},
			{
				Kind: agent.Kind[Listen]{
					Name: "srp+iwarp", New: listenSRPIWARP,
					Help: "SRP over iWARP, which is RDMA in TCP: Linux's ib_srp, with an adapter for iWARP or with the module siw, which needs none. SRP has no port of its own: 5555 unless another is given. What initiators must be told is in the start-up lines.",
				},
				Transport: "srp",
				Listen:    model.Listen{Port: 5555, Space: "tcp", Names: model.SRPNames},
			},
		},
	}
}
