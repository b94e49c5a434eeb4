package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

// examples are command lines for the help of each command: right ones, which a test reads.
func examples() map[string]string {
	return map[string]string{
		"serve": `lunette serve disk.img
lunette serve new.img --size 10G --portal 0.0.0.0 --chap web:/etc/lunette/web.secret
lunette serve debian.iso --portal 0.0.0.0
lunette serve --passthrough naa.5000e11156304001
lunette serve --config lunette.yaml --state /var/lib/lunette`,
		"apply": `lunette apply -f lunette.yaml
lunette apply -f lunette.yaml --end-sessions --comment "the old database goes"
lunette apply -f lunette.yaml --try 60s && lunette confirm
lunette apply -f lunette.yaml --plan-out plan.json && lunette apply plan.json`,
		"diff": "lunette diff -f lunette.yaml",
		"get": `lunette get
lunette get units
lunette get target iqn.2026-11.io.lunette:db -o json`,
		"export": `lunette export > lunette.yaml
lunette export --canonical -o json
lunette export --generation 3`,
		"edit": `lunette edit
EDITOR="nano -w" lunette edit unit db`,
		"history": "lunette history",
		"rollback": `lunette rollback 3
lunette rollback 3 --dry-run
lunette rollback 3 --state /var/lib/lunette`,
		"confirm":            "lunette confirm",
		"revert":             "lunette revert",
		"reload":             "lunette reload",
		"status":             "lunette status -o json",
		"events":             "lunette events -f",
		"operations":         "lunette operations\nlunette operations --cancel 12",
		"unit create":        "lunette unit create db --file /srv/db.img --size 10G\nlunette unit create scratch --memory 1G filters.0.kind=stats\nlunette unit create tape --passthrough naa.5000e11156304001 device.detach-driver=true\nlunette unit create cd --optical debian.iso",
		"unit set":           "lunette unit set db device.read-only=true\nlunette unit set db device.serial=",
		"unit resize":        "lunette unit resize db 20G\nlunette unit resize db 5G --delete-data",
		"unit delete":        "lunette unit delete db\nlunette unit delete db --delete-data",
		"unit load":          "lunette unit load cd ubuntu.iso\nlunette unit load cd /srv/iso/driver.iso --force",
		"unit eject":         "lunette unit eject cd",
		"unit discs":         "lunette unit discs cd",
		"unit list":          "lunette unit list -o wide",
		"unit show":          "lunette unit show db",
		"target create":      "lunette target create iqn.2026-11.io.lunette:db --lun 0=db --lun 1=scratch,ro --initiator iqn.1993-08.org.debian:01:web",
		"target set":         "lunette target set iqn.2026-11.io.lunette:db alias=\"the database\" luns.3=db luns.1=",
		"target map":         "lunette target map iqn.2026-11.io.lunette:db 3=db 4=scratch,ro",
		"target unmap":       "lunette target unmap iqn.2026-11.io.lunette:db 3 4",
		"target maintenance": "lunette target maintenance iqn.2026-11.io.lunette:db on --end-sessions\nlunette target maintenance iqn.2026-11.io.lunette:db redirect 192.0.2.11\nlunette target maintenance iqn.2026-11.io.lunette:db off",
		"target delete":      "lunette target delete iqn.2026-11.io.lunette:db --end-sessions",
		"target list":        "lunette target list",
		"target show":        "lunette target show iqn.2026-11.io.lunette:db",
		"portal create":      "lunette portal create 192.0.2.10\nlunette portal create front 192.0.2.10:3261 --target iqn.2026-11.io.lunette:db\nlunette portal create vm1 virtio+vhost:///run/lunette/vm1.sock group=kvm mode=0660",
		"portal set":         "lunette portal set front tag=2",
		"portal delete":      "lunette portal delete front",
		"portal list":        "lunette portal list",
		"portal show":        "lunette portal show front",
		"access create":      "lunette access create iqn.2026-11.io.lunette:db/backup --initiator 'iqn.1993-08.org.debian:01:backup*' --address 192.0.2.0/24 --lun 0=db,ro",
		"access set":         "lunette access set iqn.2026-11.io.lunette:db/backup luns.1=scratch",
		"access delete":      "lunette access delete iqn.2026-11.io.lunette:db/backup",
		"access list":        "lunette access list",
		"access show":        "lunette access show iqn.2026-11.io.lunette:db/backup",
		"user create":        "lunette user create web --secret-file /etc/lunette/web.secret",
		"user set":           "lunette user set web secret-file=/etc/lunette/web2.secret",
		"user delete":        "lunette user delete web",
		"user list":          "lunette user list",
		"user show":          "lunette user show web",
		"section set":        "lunette section set limits connections=1000 idle-timeout=1m",
		"section delete":     "lunette section delete limits",
		"section list":       "lunette section list",
		"section show":       "lunette section show limits",
		"session list":       "lunette session list -o wide",
		"session disconnect": "lunette session disconnect iscsi 0x1",
		"reservation show":   "lunette reservation show db",
		"reservation clear":  "lunette reservation clear db",
		"vtl create": `lunette vtl create backup --library ibm-ts3500 --drives 4xlto8 --slots 40 --mailslots 4 --cartridges 30:L8 --barcode-prefix LUN --store /srv/vtl > backup.yaml
lunette vtl create try --drives 2xlto8 --slots 10 --cartridges 5:L8 --barcode-prefix TRY --size 40M --store /srv/try --out try.yaml
lunette vtl create backup --drives 4xlto8 --cartridges 30:L8 --cartridges 1:L8:cleaning --barcode-prefix LUN --store /srv/vtl --apply`,
		"vtl import-mhvtl": `lunette vtl import-mhvtl old --store /srv/vtl --dry-run
lunette vtl import-mhvtl old --config /etc/mhvtl --media /opt/mhvtl --id 10 --store /srv/vtl --out old.yaml`,
		"vtl ls":      "lunette vtl ls backup\nlunette vtl ls backup -o wide\nlunette vtl ls backup --store /srv/vtl -o json",
		"vtl inspect": "lunette vtl inspect backup LUN001L8",
		"vtl add":     "lunette vtl add backup --cartridges 10:L8 --barcode-prefix LUN\nlunette vtl add backup --cartridges 2:L8:worm --barcode-prefix W --shelf",
		"vtl load":    "lunette vtl load backup LUN001L8 0",
		"vtl unload":  "lunette vtl unload backup 0\nlunette vtl unload backup LUN001L8",
		"vtl eject":   "lunette vtl eject backup 0",
		"vtl move":    "lunette vtl move backup LUN001L8 slot7\nlunette vtl move backup LUN001L8 mail",
		"vtl import":  "lunette vtl import backup LUN001L8 LUN002L8\nlunette vtl import backup LUN001L8 --to mail",
		"vtl export":  "lunette vtl export backup LUN001L8 LUN002L8",
		"vtl label":   "lunette vtl label backup LUN001L8 OLD001L8",
		"vtl lock":    "lunette vtl lock backup LUN001L8",
		"vtl unlock":  "lunette vtl unlock backup LUN001L8",
		"vtl delete":  "lunette vtl delete backup LUN001L8 --delete-data",
		"vtl verify":  "lunette vtl verify backup\nlunette vtl verify backup LUN001L8 -o json",
		"vtl compact": "lunette vtl compact backup LUN001L8",
		"tape cat":    "lunette tape cat /srv/vtl/cartridges/LUN001L8 --file 0 > first.tar\nlunette tape cat LUN001L8 --store /srv/vtl --partition 1",
		"tape scan":   "lunette tape scan LUN001L8 --store /srv/vtl\nlunette tape scan backup.tar -o json",
		"tape copy": `lunette tape copy LUN001L8 LUN001L8.tar --store /srv/vtl
lunette tape copy /dev/nst0 /srv/vtl/cartridges/OLD001L8
lunette tape copy LUN001L8 /dev/nst0 --store /srv/vtl --delete-data
lunette tape copy /opt/mhvtl/E01001L8 E01001L8 --store /srv/vtl`,
		"tape restore": "lunette tape restore LUN001L8 --store /srv/vtl\nlunette tape restore LUN001L8 LUN099L8 --store /srv/vtl",
		"tape erase":   "lunette tape erase LUN001L8 --store /srv/vtl --delete-data",
		"targets":      "lunette targets",
		"units":        "lunette units -o wide",
		"sessions":     "lunette sessions -o json",
		"profile":      "lunette profile cpu --time 10s",
		"bench":        "lunette bench iscsi://127.0.0.1/iqn.2026-11.io.lunette:db/0 --depth 32 --time 10s",
		"devices":      "lunette devices\nlunette devices -o json",
		"check":        "lunette check lunette.yaml\nlunette check - -o json < lunette.yaml",
		"kinds":        "lunette kinds store",
		"completion": `lunette completion bash > /usr/share/bash-completion/completions/lunette
lunette completion zsh > "${fpath[1]}/_lunette"
lunette completion fish > ~/.config/fish/completions/lunette.fish`,
		"man":     "lunette man /usr/local/share/man/man1",
		"version": "lunette version",
		"help":    "lunette help unit create",
	}
}

// An exitStatus is what an exit status of the command means.
type exitStatus struct {
	status int
	means  string
}

// exitStatuses are all that there are.
func exitStatuses() []exitStatus {
	return []exitStatus{
		{exitOK, "It is done, or there was nothing to do."},
		{exitFailed, "It was right, and did not work out: no daemon answers, there is no such object, a disk could not be made durable at the end."},
		{exitUsage, "What was asked for is wrong, or the document is: what is wrong is said, a line each. Nothing was changed."},
		{exitConfirm, "It has to be confirmed, by a flag such as --end-sessions. Nothing was changed."},
		{exitConflict, "The document, or the object, is not any more what it was when it was looked at, or another object has the name. Nothing was changed."},
	}
}

// addExamples puts the examples into the help of all commands below n, and the exit statuses into that of n.
func addExamples(n *kong.Node) {
	all := examples()
	n.Detail = "The exit status is 0 if all is well, 1 if it failed, 2 if what was asked for is wrong, 3 if it has to be confirmed, and 4 if the document has changed meanwhile."
	eachCommand(n, func(path string, c *kong.Node) {
		if lines := all[path]; lines != "" {
			c.Detail = "Examples:\n\n  " + strings.ReplaceAll(lines, "\n", "\n  ")
		}
	})
}

// eachCommand calls do with all commands below n that can be run, and what is written to run them.
func eachCommand(n *kong.Node, do func(path string, c *kong.Node)) {
	for _, c := range n.Children {
		switch {
		case c.Hidden:
		case len(c.Children) > 0:
			eachCommand(c, func(path string, inner *kong.Node) { do(c.Name+" "+path, inner) })
		default:
			do(c.Name, c)
		}
	}
}
