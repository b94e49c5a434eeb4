#!/bin/bash
# Runs in a lab guest: Linux's sr, and programs above it, with optical drives of lunette in network namespace "target", over a veth pair, by
# iscsi_tcp and ib_srp, in steps (lib.sh).
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

address=10.99.0.2 user=alice iqn=iqn.2026-11.io.lunette
discs=/var/tmp/discs
tcp=3260 srp=5555 # ports

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"

# LUNs, and the drives behind them
declare -A lun=([cd]=0 [empty]=1 [dvd]=2 [bd]=3 [dvdrw]=4 [bdre]=5)

document() {
  cat <<-DOCUMENT
	version: 1
	portals: ['iscsi+tcp://$address:$tcp', 'srp+iwarp://$address:$srp']
	network: {engine: $1}
	units:
	- {name: cd, device: {kind: optical, disc: $discs/first.iso, library: $discs}}
	- {name: empty, device: {kind: optical, library: $discs}}
	- {name: dvd, device: {kind: optical, disc: $discs/dvd.iso}}
	- {name: bd, device: {kind: optical, disc: $discs/bd.iso}}
	- {name: dvdrw, device: {kind: optical, disc: $discs/dvdrw.img, writable: true}}
	- {name: bdre, device: {kind: optical, disc: $discs/bdre.img, writable: true}}
	targets: [{name: '$iqn:main', luns: {0: cd, 1: empty, 2: dvd, 3: bd, 4: dvdrw, 5: bdre}}]
	DOCUMENT
}
# Both engines: it begins with goroutines, and goes on with reactors when it has been restarted.
serve() {
  local engine=reactors
  [ -e /run/main.log ] || engine=goroutines
  document "$engine" >/run/main.yaml
  daemon main "$srp" "$here/lunette" serve --config /run/main.yaml --socket "$socket"
}

# tcp DRIVE, srp DRIVE: its device file, /dev/srN
tcp() {
  local s block
  for s in /sys/class/iscsi_session/session*; do
    for block in "$s"/device/target*/*:*:*:"${lun[$1]}"/block/sr*; do
      [ ! -b "/dev/${block##*/}" ] || { echo "/dev/${block##*/}"; return; }
    done
  done
  return 1
}
srp() {
  local block
  for block in /sys/class/scsi_host/"$(srp_host main)"/device/target*/*:*:*:"${lun[$1]}"/block/sr*; do
    [ ! -b "/dev/${block##*/}" ] || { echo "/dev/${block##*/}"; return; }
  done
  return 1
}
# has DEVICE DISC: it is mounted, and has the file of that disc
has() {
  mount -r "$1" /mnt || return
  local status=0
  cmp "$here/$2.txt" /mnt/line.txt || status=$?
  umount /mnt
  return "$status"
}
# generic DEVICE: /dev/sgN of it. Who opens it gets the answers himself; who opens /dev/srN lets the kernel ask first.
generic() { echo "/dev/$(basename /sys/block/"${1#/dev/}"/device/scsi_generic/sg*)"; }
sense() { sg_turs -v "$(generic "$1")" 2>&1 || true; }
# told DEVICE WHAT: TEST UNIT READY says so next
told() { sense "$1" | tr '\n' '|' | tee /run/told; grep -qi "$2" /run/told; }
attended() { sg_turs --num=6 "$(generic "$1")" >/dev/null 2>&1 || true; }
# profile DEVICE: what sg3-utils say of it
profile() { sg_get_config --current "$1" | grep -i profile; }

# --- what is tested -------------------------------------------------------------------------------------------------

setup() {
  network
  modprobe -a iscsi_tcp siw sr_mod sg isofs udf
  # shellcheck disable=SC2119 # its parameters are those of the module
  load_srp
  rdma link add siw0 type siw netdev v0
  mkdir -p "$discs"
  cp "$here"/{first,second}.iso "$discs"
  cp "$here/second.iso" "$discs/third.iso"
  cp "$here/first.iso" "$discs/dvd.iso" && truncate -s 4500M "$discs/dvd.iso"
  cp "$here/first.iso" "$discs/bd.iso" && truncate -s 20G "$discs/bd.iso"
  truncate -s 64M "$discs/dvdrw.img"
  truncate -s 6G "$discs/bdre.img"
  open_iscsi
}
start() { serve; ask units; }
tcp_attach() {
  admin -m node -T "$iqn:main" -p "$address:$tcp,1" -I default -o new
  set_node main "$tcp" 'node.conn[0].timeo.noop_out_interval' 10 'node.conn[0].timeo.noop_out_timeout' 60
  login main "$tcp"
  local each; for each in "${!lun[@]}"; do within 20 tcp "$each"; done
  udevadm settle
  lsscsi -g
}
srp_attach() {
  srp_login main
  local each; for each in "${!lun[@]}"; do within 20 srp "$each"; done
  udevadm settle
}
tcp_mount() { has "$(tcp cd)" first; }
srp_mount() { has "$(srp cd)" first; }

# What kinds of discs they are; as many blocks as the images have.
profiles() {
  local each
  for each in 'cd CD-ROM' 'dvd DVD-ROM' 'bd BD-ROM' 'dvdrw DVD+RW' 'bdre BD-RE'; do
    profile "$(tcp "${each% *}")" | tee /run/profile
    grep -qiF "${each#* }" /run/profile
  done
  [ "$(blockdev --getsize64 "$(tcp dvd)")" = $((4500 << 20)) ]
  [ "$(blockdev --getsize64 "$(tcp bd)")" = $((20 << 30)) ]
  has "$(tcp dvd)" first
  has "$(tcp bd)" first
}
# What libcdio makes of it: the table of contents, and the label.
cd_info() {
  cd-info --no-device-info --no-header --quiet "$(tcp cd)" 2>&1 | tee /run/cd-info
  grep -q 'DISC' /run/cd-info
  grep -qE '1: .*(data|XA)' /run/cd-info
}
empty_drive() {
  told "$(tcp empty)" 'Medium not present'
  no mount -r "$(tcp empty)" /mnt
  ask unit load empty third
  within 10 sg_turs "$(tcp empty)"
  has "$(tcp empty)" second
  ask unit eject empty --force # udev locks a disc as soon as there is one
  told "$(tcp empty)" 'Medium not present'
}
# A swap: every initiator is told once, and reads the other disc.
swap() {
  local each
  for each in tcp srp; do attended "$($each cd)"; done
  ask unit load cd second --force
  for each in tcp srp; do
    told "$($each cd)" 'medium may have changed'
    sg_turs "$($each cd)"
    has "$($each cd)" second
  done
  ask unit load cd first --force
  within 10 sg_turs "$(tcp cd)"
  within 10 sg_turs "$(srp cd)"
  has "$(tcp cd)" first
}
# Hosts that ask their drives what has happened, as they do once udev has told them to, take the disc out themselves when somebody wants it.
wanted() {
  local poll=/sys/module/block/parameters/events_dfl_poll_msecs
  echo 500 >"$poll"
  ask unit eject cd || echo 'not yet'
  within 20 told "$(tcp cd)" 'Medium not present'
  echo 0 >"$poll"
  ask unit load cd first
  within 10 sg_turs "$(tcp cd)"
  has "$(tcp cd)" first
}
# While it is mounted nobody takes it out, except with force. udev would, when it learns that it is wanted: from here on it leaves drives alone.
locked() {
  local d; d=$(tcp cd)
  ln -sf /dev/null /etc/udev/rules.d/60-cdrom_id.rules
  udevadm control --reload
  udevadm settle
  mount -r "$d" /mnt
  no ask unit eject cd
  no ask unit load cd second
  no sg_start --eject "$(generic "$(srp cd)")"
  cmp "$here/first.txt" /mnt/line.txt
  ask unit load cd second --force
  within 10 sg_turs "$d"
  umount /mnt
  has "$d" second
  ask unit load cd first --force
  within 10 sg_turs "$d"
}
# The host opens the tray and closes it.
ejected() {
  local d; d=$(tcp cd)
  within 10 sg_turs "$d"
  eject "$d"
  told "$d" 'Medium not present'
  ask units -o json | grep '"tray"'
  eject -t "$d"
  within 10 sg_turs "$d"
  has "$d" first
}
# What is not writable stays what it is.
read_only() {
  local d; d=$(tcp cd)
  no sg_raw -s 2048 -i /dev/zero "$d" 2a 00 00 00 00 10 00 00 01 00
  cmp "$here/first.iso" "$discs/first.iso"
}
# burn DRIVE DISC: growisofs writes the image of a disc, and it is there
burn() {
  local d; d=$(tcp "$1")
  dvd+rw-mediainfo "$d" || true
  timeout 400 growisofs -use-the-force-luke=notray -use-the-force-luke=tty -Z "$d=$here/$2.iso" </dev/null
  within 20 sg_turs "$d"
  has "$d" "$2"
  cmp -n "$(stat -c %s "$here/$2.iso")" "$here/$2.iso" "$d"
}
burn_dvdrw() { burn dvdrw first; burn dvdrw second; }
burn_bdre() { burn bdre first; }
# Anything that writes blocks can.
write_blocks() {
  local d; d=$(tcp dvdrw)
  dd if="$here/first.iso" of="$d" bs=32k conv=fsync status=none
  cmp -n "$(stat -c %s "$here/first.iso")" "$here/first.iso" "$d"
  has "$(srp dvdrw)" first
}
restarted() {
  end main TERM
  cmp -n "$(stat -c %s "$here/first.iso")" "$here/first.iso" "$discs/dvdrw.img" # what was written is in the file
  serve
  within 20 sg_turs "$(tcp cd)"
  has "$(tcp cd)" first
  within 20 sg_turs "$(srp dvdrw)"
  has "$(srp dvdrw)" first
}
# (Discs were to be refused.)
finish() {
  srp_logout main
  logout main "$tcp"
  [ "$(ask sessions -o json)" = '[]' ]
  end main TERM
  awk '/level=(WARN|ERROR)|panic|leak/ && !/an action failed/ {print; trouble = 1} END {exit trouble}' /run/main.log
}

steps=(setup start tcp_attach tcp_mount srp_attach srp_mount profiles cd_info empty_drive swap wanted locked ejected read_only burn_dvdrw burn_bdre write_blocks restarted finish)
run_steps "$@"
