#!/bin/bash
# Runs in a lab guest: Linux's own initiator fcoe (libfc), and iscsi_tcp beside it, against one lunette in network namespace "target",
# over veth pairs, in steps (lib.sh). Nothing else is on the wire: no switch, no adapter.
#
#   v0 = v1  neighbours (VN2VN), with baby-jumbo frames      tag 1
#   w0 = w1  lunette is the fabric                           tag 2; VLAN 100 of it is another fabric, tag 4
#   x0 = x1  neighbours, with the usual MTU of 1500          tag 3
#
# What is waited for has its time from the protocols: see "times" below.
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

address=10.99.0.2 user=alice iqn=iqn.2026-11.io.lunette
store=/var/tmp/store
tcp=3260

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"
load_size=6

# --- times, in seconds ----------------------------------------------------------------------------------------------

ratov=10                       # R_A_TOV: of a fabric; neighbours have less
period=8                       # between beacons of neighbours, and between advertisements of a fabric
expiry=$((5 * period / 2 + 1)) # until who has been silent is gone (2.5 periods)
select=2                       # until a host has decided on a fabric
# A host that logs in sends each request three times at most, and waits for an answer for twice R_A_TOV: FLOGI, the name server's, PLOGI, PRLI. It takes
# one round when nothing is lost. This is for one answer that is lost.
attach_time=$((period + select + 2 * ratov))
scsi=30                            # of a disk's command, until Linux aborts it
recovery=$((scsi + 2 * 2 * ratov)) # a command that is aborted: ABTS, and LOGICAL UNIT RESET after it

# --- the server -----------------------------------------------------------------------------------------------------

# wwpn NAME TAG: the port of a target: those of tag 3 are less than that of the initiator, the others greater. Neighbours send PLOGI to those
# that are less.
wwpn() {
  local -A number=([main]=1 [same]=2 [closed]=3)
  printf '20:00:0%d:00:00:00:0%d:0%d\n' "$(($2 == 3 ? 1 : 3))" "${number[$1]}" "$2"
}

document() {
  local each lun=0 luns='' main="'$iqn:main', '$iqn:closed'"
  cat <<-PORTALS
	version: 1
	portals:
	- 'iscsi+tcp://$address:$tcp'
	- {kind: fcp+fcoe, address: "v1?mode=vn2vn", tag: 1, targets: [$main]}
	- {kind: fcp+fcoe, address: "w1?mode=fabric&vlans=100", tag: 2, targets: [$main]}
	- {kind: fcp+fcoe, address: "x1?mode=vn2vn", tag: 3}
	- {kind: fcp+fcoe, address: "w1.100?mode=fabric&domain=2", tag: 4, targets: [$main]}
	network: {engine: $1}
	units:
	- {name: disk, store: {kind: file, path: $store/disk, size: 64M}}
	- {name: ram, store: {kind: memory, size: 48M}}
	- {name: slow, store: {kind: memory, size: 1M}, filters: [{kind: delay, write: 10s}]}
	PORTALS
  for each in 512 4096; do
    cat <<-UNITS
	- {name: memory-$each, store: {kind: memory, size: 32M}, device: {kind: disk, block-size: $each}}
	- {name: file-$each, store: {kind: file, path: $store/file-$each, size: 32M}, device: {kind: disk, block-size: $each}}
	- {name: direct-$each, store: {kind: file, path: $store/direct-$each, size: 32M, direct: true}, device: {kind: disk, block-size: $each}}
	- {name: block-$each, store: {kind: block, path: /dev/loop${each:0:1}}, device: {kind: disk, block-size: $each}}
	- {name: null-$each, store: {kind: "null", size: 32M}, device: {kind: disk, block-size: $each}}
	UNITS
  done
  for each in "${same[@]}"; do luns+="${luns:+, }$((lun++)): $each"; done
  echo "targets:"
  target main "luns: {0: disk, 1: ram, 2: slow}"
  target same "luns: {$luns}"
  target closed "luns: {0: disk}, initiators: ['$iqn:nobody']" '"20:00:00:00:00:00:00:01"'
}
target() { # NAME LUNS [INITIATORS]
  local names; names=$(wwpn "$1" 1),$(wwpn "$1" 2),$(wwpn "$1" 3),$(wwpn "$1" 4)
  echo "- {name: '$iqn:$1', $2, fcp: {wwpns: ['${names//,/\', \'}']${3:+, initiators: [$3]}}}"
}
same=({memory,file,direct,block,null}-{512,4096})

# Both engines, of iSCSI: it begins with goroutines, and goes on with reactors when it has been restarted.
serve() {
  local engine=reactors
  [ -e /run/main.log ] || engine=goroutines
  document "$engine" >/run/main.yaml
  daemon main "$tcp" "$here/lunette" serve --config /run/main.yaml --socket /run/main.sock
}
server_stop() { end main TERM; }
server_kill() { end main KILL || true; }
# logged_in NETWORK [INITIATOR]: how many sessions there are at a network, as in "v1", of an initiator
logged_in() { ask sessions -o json | tr -d '\n' | sed 's/"id": "/\n&/g' | grep '"fcp"' | grep "on $1[?\"]" | grep -c "${2:-}"; }
logged_in_are() { [ "$(logged_in "$2")" = "$1" ]; }
nobody() { [ "$(ask sessions -o json)" = '[]' ]; }

# --- initiators -----------------------------------------------------------------------------------------------------

destroy() {
  echo "$1" >/sys/bus/fcoe/ctlr_destroy
  within "$ratov" no ctlr "$1"
}
# port_of HOST WWPN: the kernel's remote port there, of that name, if it is a target
port_of() {
  local p host=${1##*/host} name=0x${2//:/}
  for p in /sys/class/fc_remote_ports/rport-"$host":*; do
    [ -e "$p" ] || continue
    if [ "$(cat "$p/port_name")" = "$name" ] && [ "$(cat "$p/port_state")" = Online ]; then echo "$p" && return; fi
  done
  return 1
}
# fc_find HOST WWPN LUN: the disk's path, if the kernel has it
fc_find() {
  local p block; p=$(port_of "$1" "$2") || return
  for block in "$p"/device/target*/*:*:*:"$3"/block/*; do
    [ -b "/dev/${block##*/}" ] && echo "/dev/${block##*/}" && return
  done
  return 1
}
# by_host HOST NAME TAG LUN: the disk there, when it is
by_host() { within "$attach_time" fc_find "$1" "$(wwpn "$2" "$3")" "$4" && fc_find "$1" "$(wwpn "$2" "$3")" "$4"; }
declare -A tag=([v0]=1 [w0]=2 [x0]=3 [w0.100]=4)
# over INTERFACE NAME LUN
over() { by_host "$(fc_host "$1")" "$2" "${tag[$1]}" "$3"; }
# statistic INTERFACE NAME: a counter of the kernel's host
statistic() { echo $(($(cat "$(fc_host "$1")/statistics/$2"))); }

# mix DEVICE [SIZE]: 4 KiB and 1 MiB in any order, 64 at a time, written, read back and checked
mix() {
  timeout $((recovery * 3)) fio --name=mix --filename="$1" --size="${2:-24m}" --rw=randwrite --bssplit=4k/95:1m/5 --direct=1 --ioengine=libaio --iodepth=64 \
    --verify=crc32c --verify_fatal=1 --randseed=11 --minimal >/run/fio.out || { cat /run/fio.out; return 1; }
}

# fs DEVICE: a file system, with files in it, checked
fs() {
  mkfs.ext4 -q -F "$1"
  mount "$1" /mnt
  timeout $((recovery * 2)) fio --name=fs --directory=/mnt --size=4m --nrfiles=4 --rw=randwrite --bs=4k --end_fsync=1 --verify=crc32c --verify_fatal=1 --minimal
  cp /usr/bin/fio /mnt/
  umount /mnt
  mount "$1" /mnt
  cmp /usr/bin/fio /mnt/fio
  umount /mnt
  e2fsck -fn "$1"
}

# quiet: as that of lib.sh, but for what was read ahead: Linux does not ask for that again.
quiet() { no troubles; }
troubles() { dmesg | grep -v 'flags 0x80700' | grep -E 'I/O error|critical (target|medium|nexus) error|rejecting I/O|Buffer I/O|offlined|EXT4-fs error'; }

# attended DEVICE: attentions from before have been told
attended() { sg_turs --num=4 "$1" >/dev/null 2>&1 || true; }

# --- what happens ---------------------------------------------------------------------------------------------------

# during INTERFACE EVENT: it happens two seconds into eight of writes, which must all succeed and read back
during() {
  local d i=$1; shift
  d=$(over "$i" main 0)
  calm
  load "$d" 8 & pid=$!
  trap 'kill "$pid" 2>/dev/null || true' EXIT # when something else fails
  sleep 2
  "$@" "$i" "$d"
  wait "$pid"
  quiet
  check "$d"
}
written() { awk '{print $5}' "/sys/block/${1#/dev/}/stat"; }
# pull_cable INTERFACE DEVICE: six seconds, in which nothing gets through
pull_cable() {
  local before
  inside ip link set "${1/0/1}" down
  sleep 1
  before=$(written "$2")
  sleep 5
  [ "$(written "$2")" = "$before" ]
  inside ip link set "${1/0/1}" up
}
crash() { server_kill; sleep 1; serve; }
restart() { server_stop; sleep 1; serve; }
reset_unit() { sg_reset --device "$2"; sleep 1; sg_reset --device "$2"; }
reset_host() { sg_reset --host "$2"; }

# abort_slow INTERFACE: a write to a slow unit that takes longer than it may is aborted, and nothing else suffers. Linux takes no less than
# seven seconds for such a command.
abort_slow() {
  local d aborts; d=$(over "$1" main 2)
  attended "$d"
  aborts=$(statistic "$1" fcp_packet_aborts)
  no sg_raw --timeout=7 -s 512 -i /dev/zero "$d" 2a 00 00 00 00 00 00 00 01 00
  (($(statistic "$1" fcp_packet_aborts) > aborts))
  sg_turs "$d"
  no dmesg_has 'reset_(device|host)|rport.*blocked|LUN reset|lport.*reset'
}

# faults INTERFACE PERCENT [THEIRS [OURS]]: of frames are lost and out of order, both ways, and so many of the initiator's, and of lunette's, come
# twice
faults() {
  # Those that are not "reordered" are a millisecond late.
  local f; f=(loss "$2%" delay 1ms reorder "$(awk "BEGIN {print 100 - $2}")%")
  tc qdisc replace dev "$1" root netem limit 100000 "${f[@]}" duplicate "${3:-0}%"
  inside tc qdisc replace dev "${1/0/1}" root netem limit 100000 "${f[@]}" duplicate "${4:-0}%"
}
no_faults() {
  tc qdisc del dev "$1" root
  inside tc qdisc del dev "${1/0/1}" root
}

# --- what is tested -------------------------------------------------------------------------------------------------

# pair NUMBER NAME MTU: NAME0 here, NAME1 at the server
pair() {
  ip link add "$2"0 address "02:00:00:00:0$1:0a" mtu "$3" type veth peer name "$2"1 address "02:00:00:00:0$1:0b" mtu "$3" netns target
  ip link set "$2"0 up && inside ip link set "$2"1 up
}

setup() {
  network
  ip link set v0 down && ip link set v0 address 02:00:00:00:00:0a mtu 2500 up
  inside ip link set v1 down && inside ip link set v1 address 02:00:00:00:00:0b mtu 2500 up
  pair 1 w 2500
  pair 2 x 1500
  mkdir -p "$store"
  truncate -s 32M "$store"/block-{5,4}
  modprobe loop && losetup /dev/loop5 "$store/block-5" && losetup /dev/loop4 "$store/block-4"
  modprobe -a iscsi_tcp fcoe sd_mod sg sch_netem 8021q
  ip link add link w0 name w0.100 type vlan id 100 && ip link set w0.100 up
  open_iscsi
}

start() {
  serve
  ask targets
}

# attach INTERFACE MODE: discovery, login, disks; the target that is for others is not there
attach() {
  local host d
  create "$1" "$2"
  d=$(over "$1" main 0)
  host=$(fc_host "$1")
  fcoeadm -i
  fcoeadm -t
  head "$host"/{port_name,port_id,port_type,fabric_name,maxframe_size,speed}
  [ "$(blockdev --getsize64 "$d")" = $((64 << 20)) ]
  [ "$(blockdev --getsize64 "$(over "$1" main 1)")" = $((48 << 20)) ]
  no fc_find "$host" "$(wwpn closed "${tag[$1]}")" 0
  ask sessions
  [ "$(logged_in "${1/0/1}" "iqn.*:main")" = 1 ] && [ "$(logged_in "${1/0/1}" "iqn.*:closed")" = 0 ]
  grep -qi FCP "$(port_of "$host" "$(wwpn main "${tag[$1]}")")/roles"
}

vn2vn_attach() {
  attach v0 vn2vn
  [ "$(cat "$(fc_host v0)/maxframe_size")" = "2112 bytes" ]
}
fabric_attach() {
  attach w0 fabric
  head "$(ctlr w0)"/fcf_*/{fabric_name,mac,fc_map,vfid,priority,fka_period,state,selected}
  grep -q 'NPort' "$(fc_host w0)/port_type"
  grep '^0x01' "$(fc_host w0)/port_id"
}

# on INTERFACE: a file system on the file; the mix on the memory
on() {
  calm
  fs "$(over "$1" main 0)"
  mix "$(over "$1" main 1)"
  quiet
}
vn2vn_io() { on v0; }
fabric_io() { on w0; }
vn2vn_link_down() { during v0 pull_cable; }
fabric_link_down() { during w0 pull_cable; }
vn2vn_resets() { during v0 reset_unit; }
fabric_resets() { during w0 reset_unit; }
fabric_host_reset() { during w0 reset_host; }
vn2vn_abort() { during v0 abort_slow; }
fabric_abort() { during w0 abort_slow; }
vn2vn_daemon_killed() { during v0 crash; }
fabric_daemon_killed() { during w0 crash; }
vn2vn_daemon_restarted() { during v0 restart; }
fabric_daemon_restarted() { during w0 restart; }

# A second initiator: a port of the host beside its first, with names of its own (NPIV).
npiv() {
  local host d
  host=$(fc_host w0)
  echo 2000020000000cc1:1000020000000cc1 >"$host/vport_create"
  host=$(npiv_host)
  [ "$(cat "$host/port_name")" = 0x2000020000000cc1 ]
  d=$(by_host "$host" main 2 0)
  [ "$(blockdev --getsize64 "$d")" = $((64 << 20)) ]
  ask sessions
  [ "$(logged_in w1)" = 2 ]
  calm
  mix "$(by_host "$host" main 2 1)" 4m
  quiet
}
# npiv_host: the kernel's host of that port, when it is there
npiv_host() {
  local h; for h in /sys/class/fc_host/*; do grep -qx 0x2000020000000cc1 "$h/port_name" && echo "$h" && return; done
  return 1
}

reservations() {
  local a b c d
  a=$(over v0 main 0) b=$(over w0 main 0) c=$(by_host "$(npiv_host)" main 2 0)
  for d in "$a" "$b" "$c"; do attended "$d"; done
  sg_persist --no-inquiry --out --register --param-sark=0xa "$a"
  sg_persist --no-inquiry --out --register --param-sark=0xb "$b"
  sg_persist --no-inquiry --out --register --param-sark=0xc "$c"
  sg_persist --no-inquiry --in --read-full-status "$a" | tee /run/keys
  [ "$(grep -c 'Key=0x[abc]$' /run/keys)" = 3 ]
  # Transport IDs are the names of the initiators' ports.
  [ "$(tr -d ' ' </run/keys | grep -ciE '2000020000000cc1|200002000000000a|200002000000010a')" = 3 ]
  sg_persist --no-inquiry --out --reserve --param-rk=0xc --prout-type=1 "$c" # write exclusive
  dd if=/dev/zero of="$c" bs=4k count=1 oflag=direct status=none
  no dd if=/dev/zero of="$a" bs=4k count=1 oflag=direct status=none
  no dd if=/dev/zero of="$b" bs=4k count=1 oflag=direct status=none
  dd if="$b" of=/dev/null bs=4k count=1 iflag=direct status=none
  sg_persist --no-inquiry --out --preempt --param-rk=0xb --param-sark=0xc --prout-type=3 "$b" # exclusive access
  no dd if="$c" of=/dev/null bs=4k count=1 iflag=direct status=none
  no dd if="$a" of=/dev/null bs=4k count=1 iflag=direct status=none
  dd if="$b" of=/dev/null bs=4k count=1 iflag=direct status=none
  sg_persist --no-inquiry --out --clear --param-rk=0xb "$b"
  dd if=/dev/zero of="$c" bs=4k count=1 oflag=direct status=none
}

npiv_detach() {
  echo 2000020000000cc1:1000020000000cc1 >"$(fc_host w0)/vport_delete"
  within "$ratov" no npiv_host
  within "$ratov" logged_in_are 1 w1
}

# One unit by two ports, on two interfaces: what one has written the other reads, while both write.
two_ports() {
  local i at=0 pids=()
  [ "$(sg_vpd --page=di_lu "$(over v0 main 1)")" = "$(sg_vpd --page=di_lu "$(over w0 main 1)")" ]
  [ "$(sg_vpd --page=di_port "$(over v0 main 1)")" != "$(sg_vpd --page=di_port "$(over w0 main 1)")" ]
  calm
  for i in v0 w0; do
    timeout $((recovery * 2)) fio --name="$i" --filename="$(over "$i" main 1)" --offset=$((at * 8))m --size=8m --rw=randwrite --bs=16k --direct=1 --ioengine=libaio \
      --iodepth=16 --verify=crc32c --verify_fatal=1 --randseed="$at" --minimal >"/run/fio.$i" & pids+=($!)
    at=$((at + 1))
  done
  for i in "${pids[@]}"; do wait "$i"; done
  for i in v0 w0; do dd if="$(over "$i" main 1)" bs=1M count=16 iflag=direct status=none | sha256sum; done | sort -u | tee /run/sums
  [ "$(wc -l </run/sums)" = 1 ]
  quiet
}

# The usual MTU: frames are shorter, and the port of the target is the one that waits for PLOGI.
small_frames() {
  udevadm control --stop-exec-queue # which would look at twenty disks, and all that they hold
  attach x0 vn2vn
  [ "$(cat "$(fc_host x0)/maxframe_size")" = "1452 bytes" ]
  calm
  mix "$(over x0 main 1)" 8m
  quiet
}
# A host asks for the VLANs of a fabric, and finds one.
vlan() {
  timeout "$attach_time" fipvlan w0 | tee /run/vlans
  grep -qE '^w0 +\| 100 ' /run/vlans
  attach w0.100 fabric
  grep '^0x02' "$(fc_host w0.100)/port_id"
  calm
  mix "$(over w0.100 main 1)" 4m
  quiet
  destroy w0.100
  within "$ratov" logged_in_are 0 w1.100
}

# lossy INTERFACE FAULTS BLOCKS [OPTIONS]: I/O goes on although frames are lost, or fails, by then; no byte is wrong
lossy() {
  local d i=$1 faults=$2 blocks=$3 status=0 io; shift 3
  d=$(over "$i" main 1)
  io=(--name=lossy --filename="$d" --size=8m --rw=randwrite --bssplit="$blocks" --direct=1 --ioengine=libaio --iodepth=16
    --verify=crc32c --randseed=13 --minimal "$@")
  calm
  # shellcheck disable=SC2086 # several
  faults "$i" $faults
  timeout $((recovery * 3)) fio "${io[@]}" --verify_fatal=1 >/run/fio.out || status=$?
  tc -s qdisc show dev "$i"
  no_faults "$i"
  # Linux 6.1 may forget a lock in libfc when it aborts commands whose frames are lost; nothing goes on after that, and fio is ended by timeout. Data that is wrong is never that.
  if ((status == 124)) && dmesg_has 'workqueue leaked lock|scheduling while atomic'; then
    echo "the guest's kernel has lost a lock of its own"
    return "$not_tested"
  fi
  # What was read is wrong: is it wrong where it was read, or has it become so on the way?
  ((status == 0)) || { cat /run/fio.out; sleep "$ratov"; fio "${io[@]}" --verify_fatal=0 --verify_only || true; dmesg | tail -n 20; return 1; }
}
# What lunette sends does not come twice: Linux takes any RX_ID in the first frame that comes for an OX_ID which it has used before (libfc,
# fc_exch_recv_seq_resp), so that a late copy of data, or of a response, is that of the next command, whoever the target is.
vn2vn_faults_tenth() { lossy v0 "0.1 0.1" 4k/95:64k/5; quiet; }
fabric_faults_tenth() { lossy w0 "0.1 0.1" 4k/95:64k/5; quiet; }
vn2vn_faults_one() { lossy v0 "1 1" 4k/95:64k/5 --continue_on_error=io --size=2m; } # each loss takes some seconds
fabric_faults_one() { lossy w0 "1 1" 4k/95:64k/5 --continue_on_error=io --size=2m; }

# The same commands have the same results as over TCP, for units on every store and of every block size.
results() {
  local t lun pids
  admin -m node -T "$iqn:same" -p "$address:$tcp,1" -o new
  set_node same "$tcp" 'node.conn[0].timeo.noop_out_interval' 10 'node.conn[0].timeo.noop_out_timeout' 30
  login same "$tcp"
  for lun in "${!same[@]}"; do disk same "$lun"; over x0 same "$lun"; done >/dev/null
  pids=()
  for t in 0 1; do # two at a time
    (for ((lun = t; lun < ${#same[@]}; lun += 2)); do unit_results "$lun" "${same[lun]}" || exit; done) & pids+=($!)
  done
  for t in "${pids[@]}"; do wait "$t"; done
  logout same "$tcp"
  destroy x0
  within "$expiry" logged_in_are 0 x1
  udevadm control --start-exec-queue
}
unit_results() { # LUN NAME
  timeout 300 "$here/results" "$(disk same "$1")" "${2##*-}" >"/run/$2.tcp" && timeout 300 "$here/results" "$(over x0 same "$1")" "${2##*-}" >"/run/$2.fcp" || return
  if [ "$(grep -c ': status 00' "/run/$2.tcp")" -lt 70 ] || [ "$(grep -c ': status 02' "/run/$2.tcp")" -lt 20 ]; then
    cat "/run/$2.tcp" # hardly anything was done, or refused
    return 1
  fi
  same_results "/run/$2.tcp" "/run/$2.fcp"
}
# same_results TCP FCP: as far as Linux's libfc tells: it keeps residuals to itself, so that what was not written of the memory for data belongs to it, and
# makes an error of a command that moves more than there is memory for, or the other way.
same_results() {
  awk -v other="$2" '
    function data(line) { return match(line, / data [0-9a-f]+$/) ? substr(line, RSTART + 6) : "" }
    { a = $0
      if ((getline b <other) <= 0) { print "only by TCP: " a; bad = 1; next }
      x = a; y = b; sub(/ residual.*/, "", x); sub(/ residual.*/, "", y)
      if (x != y && !(a ~ /(less|no) (room|data):|wrong way:/ && b ~ / host 0[7b] /)) { print "- " a; print "+ " b; bad = 1 }
      m = data(a); n = data(b)
      if (m != "" && n != "" && (substr(n, 1, length(m)) != m || substr(n, length(m) + 1) ~ /[^0]/)) { print "- " a; print "+ " b; bad = 1 } }
    END { if ((getline b <other) > 0) { print "only by FCP: " b; bad = 1 }; exit bad }' "$1"
}

finish() {
  local i
  for i in v0 w0 x0; do ! ctlr "$i" || destroy "$i"; done
  within "$expiry" nobody
  no ls /sys/block/sd*
  server_stop
  # Files were made, and loop devices have no name of their own.
  awk '/level=(WARN|ERROR)|panic|leak/ && !/login refused|was made: it is empty|the serial number follows from the path/ {print; trouble = 1} END {exit trouble}' /run/main.log
}

steps=(setup start vn2vn_attach vn2vn_io vn2vn_resets vn2vn_abort vn2vn_link_down vn2vn_daemon_killed vn2vn_daemon_restarted
  fabric_attach fabric_io fabric_resets fabric_host_reset fabric_abort fabric_link_down fabric_daemon_killed fabric_daemon_restarted
  npiv two_ports reservations npiv_detach vlan small_frames results vn2vn_faults_tenth fabric_faults_tenth vn2vn_faults_one fabric_faults_one finish)
# shellcheck source=/dev/null
. "${LUNETTE_VM_SERVER:-/dev/null}" # another server: serve, server_stop, server_kill, and steps
run_steps "$@"
