#!/bin/bash
# Runs in a lab guest: Linux's own initiators ib_iser and ib_srp, over a kernel's software adapter, and iscsi_tcp beside them, against
# one lunette in network namespace "target", over a veth pair, in steps (lib.sh).
#
#   rdma.sh ADAPTER NETWORK [STEP...]
#
# ADAPTER is the initiator's, siw (iWARP) or rxe (RoCE); NETWORK is what lunette's portals name: iser+NETWORK. With verbs lunette uses such an adapter
# as well: another siw, in the namespace; but the same rxe, and then the namespace is the initiator's, since rxe has no other.
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

adapter=$1 net=$2; shift 2
address=10.99.0.2 other=10.99.0.3 user=alice iqn=iqn.2026-11.io.lunette
store=/var/tmp/store
tcp=3260 iser=3261 unasked=3262 srp=5555 # ports

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"
load_size=6

# --- the server -----------------------------------------------------------------------------------------------------

# Targets: "main" has a file, memory, and memory that takes some seconds for a write, for who knows the secret or, by SRP,
# for the port that the adapter has; "same" has a unit of each store and block size, for everybody; "closed" is for others.
document() {
  local each lun=0 luns=
  echo "version: 1"
  echo "portals: ['iscsi+tcp://$address:$tcp', 'iser+$net://$address:$iser', 'srp+$net://$address:$srp']"
  echo "discovery: {auth: {users: [{user: $user, secret-file: /run/secret}]}}"
  echo "network: {engine: $1}"
  echo "units:"
  echo "- {name: disk, store: {kind: file, path: $store/disk, size: 64M}}"
  echo "- {name: ram, store: {kind: memory, size: 48M}}"
  echo "- {name: slow, store: {kind: memory, size: 1M}, filters: [{kind: delay, write: 10s}]}"
  echo "- {name: slower, store: {kind: memory, size: 1M}, filters: [{kind: delay, write: 24s}]}"
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
  cat <<-TARGETS
	targets:
	- name: $iqn:main
	  luns: {0: disk, 1: ram, 2: slow, 3: slower}
	  auth: {users: [{user: $user, secret-file: /run/secret}]}
	  target-reset: anybody
	  srp: {initiators: ["0x0000000000000000$guid"]}
	- {name: "$iqn:same", luns: {$luns}}
	- {name: "$iqn:closed", luns: {0: disk}, initiators: ["$iqn:nobody"], srp: {initiators: ["0x00000000000000000000000000000001"]}}
	TARGETS
}
# the initiator's adapter: siw has none, rxe makes one of the Ethernet address
case $adapter in siw) guid=0000000000000000 ;; rxe) guid=000000fffe00000a ;; esac
# What ib_srp is told for many commands; and that rxe gives up what nobody answers, after five times two seconds: with what is usual it never does, so that
# only commands which time out show that a server is gone.
case $adapter in siw) deep=queue_size=128 ;; rxe) deep=queue_size=128,tl_retry_count=4 ;; esac
same=({memory,file,direct,block,null}-{512,4096})

# Both engines: it begins with goroutines, and goes on with reactors when it has been restarted.
serve() {
  local engine=reactors
  [ -e /run/main.log ] || engine=goroutines
  document "$engine" >/run/main.yaml
  daemon main "$tcp" "$here/lunette" serve --config /run/main.yaml --socket /run/main.sock
  within 30 ask targets
}
# count KEY: how often the sessions have it, as in '"network": "tcp"'
count() { ask sessions -o json | grep -c "$1"; }

# --- initiators -----------------------------------------------------------------------------------------------------

srp_find() { # NAME LUN
  local block; host=$(srp_host "$1") || return
  for block in "/sys/class/scsi_host/$host"/device/target*/*:*:*:"$2"/block/*; do
    [ -b "/dev/${block##*/}" ] && echo "/dev/${block##*/}" && return
  done
  return 1
}
# over TRANSPORT NAME LUN: the disk there
over() {
  case $1 in
    tcp) disk "$2" "$3" ;;
    iser) disk "$2" "$3" iser ;;
    srp) within 10 srp_find "$2" "$3" && srp_find "$2" "$3" ;;
  esac
}

# mix DEVICE [SIZE]: 4 KiB and 1 MiB in any order, 128 at a time, written, read back and checked
mix() {
  timeout 500 fio --name=mix --filename="$1" --size="${2:-24m}" --rw=randwrite --bssplit=4k/95:1m/5 --direct=1 --ioengine=libaio --iodepth=128 \
    --verify=crc32c --verify_fatal=1 --randseed=11 --minimal >/run/fio.out || { cat /run/fio.out; return 1; }
}

# fs DEVICE: a file system, with files in it, checked
fs() {
  mkfs.ext4 -q -F "$1"
  mount "$1" /mnt
  timeout 240 fio --name=fs --directory=/mnt --size=4m --nrfiles=4 --rw=randwrite --bs=4k --end_fsync=1 --verify=crc32c --verify_fatal=1 --minimal
  cp /usr/bin/fio /mnt/
  umount /mnt
  mount "$1" /mnt
  cmp /usr/bin/fio /mnt/fio
  umount /mnt
  e2fsck -fn "$1"
}

# attended DEVICE: attentions from before have been told
attended() { sg_turs --num=4 "$1" >/dev/null 2>&1 || true; }

# --- what happens ---------------------------------------------------------------------------------------------------

# during TRANSPORT EVENT: it happens two seconds into eight of writes, which must all succeed and read back
during() {
  local d; d=$(over "$1" main 0); shift
  calm
  load "$d" 8 & pid=$!
  trap 'kill "$pid" 2>/dev/null || true' EXIT # when something else fails
  sleep 2
  "$@" "$d"
  wait "$pid"
  quiet
  check "$d"
}
written() { awk '{print $5}' "/sys/block/${1#/dev/}/stat"; }
# pull_cable DEVICE: six seconds, in which nothing gets through
pull_cable() {
  if [ "$adapter $net" = 'rxe verbs' ]; then
    # What loops inside the adapter goes by no cable; but lunette hears that the port is down, and ends its connections, which are made anew.
    ip link set v0 down
    sleep 6
    ip link set v0 up
    return
  fi
  local before
  inside ip link set v1 down
  sleep 1
  before=$(written "$1")
  sleep 5
  [ "$(written "$1")" = "$before" ]
  inside ip link set v1 up
}
crash() { server_kill; sleep 1; serve; }
restart() { server_stop; sleep 1; serve; }
server_stop() { end main TERM; }
server_kill() { end main KILL || true; }
reset_unit() { sg_reset --device "$1"; sleep 1; sg_reset --device "$1"; sleep 1; sg_reset --target "$1"; }

# abort TRANSPORT LUN: a write to a slow unit that takes longer than it may is aborted, and nothing else suffers. Linux takes no
# less than seven seconds for such a command; iSCSI asks twice whether the target is there before it aborts.
abort() {
  local d; d=$(over "$1" main "$2")
  attended "$d"
  calm
  no sg_raw --timeout=7 -s 512 -i /dev/zero "$d" 2a 00 00 00 00 00 00 00 01 00
  dd if="$(over "$1" main 1)" of=/dev/null bs=4k count=1 iflag=direct status=none
  sg_turs "$d"
  quiet
  no dmesg_has 'detected conn error|reconnect|reset_(device|host)|reset succeeded'
}

# --- what is tested -------------------------------------------------------------------------------------------------

# in_order INTERFACE: one processor handles what comes there. Else it is the one that has sent it, and when a sender goes from one processor to another its packets
# overtake each other, as they do on no cable. The NAK that follows has rxe go back, and where memory is registered for each command what Linux 6.1 does then has no good
# end (req_retry): local works that were done are done again, which ends the connection ("lkey not free"); or the completer has passed a LOCAL_INV that the requester
# comes to again, and then the requester waits for ever for it to be the oldest of the queue (rxe_wqe_is_fenced), with nothing outstanding and no timer.
in_order() { echo 1 >"/sys/class/net/$1/queues/rx-0/rps_cpus"; }

# cables: what adapters are on: the initiator's on v0 and lunette's on v1, or the one of both on v1
cables() {
  local at=v0
  if [ "$adapter $net" = 'rxe verbs' ]; then
    at=v1
    ip netns attach target $$
    ip link add v0 type veth peer name v1
    ip link set v0 up && ip addr add "$address/24" dev v1 && ip link set v1 up
  else
    network
  fi
  ip link set "$at" address 02:00:00:00:00:0a
  inside ip addr add "$other/24" dev v1
  if [ "$net" = roce ]; then
    in_order v0
    inside bash -c "$(declare -f in_order); in_order v1"
  fi
  if [ "$adapter" = siw ]; then modprobe siw; else modprobe rdma_rxe; fi
  rdma link add "${adapter}0" type "$adapter" netdev "$at"
  if [ "$net" = verbs ]; then
    modprobe -a ib_uverbs rdma_ucm
    [ "$at" = v1 ] || inside rdma link add "${adapter}1" type "$adapter" netdev v1
  fi
  rdma link
}

setup() {
  cables
  mkdir -p "$store"
  truncate -s 32M "$store"/block-{5,4}
  modprobe loop && losetup /dev/loop5 "$store/block-5" && losetup /dev/loop4 "$store/block-4"
  modprobe -a iscsi_tcp ib_iser sd_mod sg
  load_srp
  open_iscsi
}

start() {
  serve
  ask targets
  [ -n "$(add_target main)" ] && [ "$(add_target main)" != "$(add_target same)" ]
}

iser_discovery() {
  iser_discover | tee /run/found
  grep -q "^$address:$iser,[0-9]* $iqn:main\$" /run/found
  no grep "closed" /run/found
}

iser_refused() {
  local conf=/etc/iscsi/iscsid.conf
  cp "$conf" /run/iscsid.conf
  sed -i 's/^discovery.*password = .*/discovery.sendtargets.auth.password = wrong horse battery/' "$conf"
  no admin -m discovery -t sendtargets -p "$address:$iser" -I iser
  cp /run/iscsid.conf "$conf"
  set_node main "$iser" node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'wrong horse battery'
  no login main "$iser" iser
  no find main 0 iser
}

iser_login() {
  set_node main "$iser" node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'correct horse battery'
  set_node main "$iser" node.session.err_timeo.abort_timeout 25
  iser_log_in main
  [ "$(blockdev --getsize64 "$(over iser main 0)")" = $((64 << 20)) ]
  [ "$(blockdev --getsize64 "$(over iser main 1)")" = $((48 << 20)) ]
  admin -m session
  ask sessions
  ask sessions -o json
  [ "$(count "\"network\": \"$net\"")" = 1 ] && [ "$(count '"network": "tcp"')" = 0 ]
}

srp_refused() {
  local line; line=$(add_target main)
  no srp_login closed
  no eval "echo '${line/id_ext=??/id_ext=ff}' >/sys/class/infiniband_srp/srp-${adapter}0-1/add_target"
  no srp_host main
}

srp_attach() {
  local host
  srp_login main "$deep"
  host=$(srp_host main)
  [ "$(blockdev --getsize64 "$(over srp main 0)")" = $((64 << 20)) ]
  [ "$(blockdev --getsize64 "$(over srp main 1)")" = $((48 << 20)) ]
  [ "$(cat "/sys/class/scsi_host/$host/ch_count")" -ge 2 ]
  ask sessions
  ask sessions -o json
  [ "$(count "\"network\": \"$net\"")" -ge 2 ] # channels
}

# total KEY: of a counter of all connections
total() { ask sessions -o json | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" | awk '{sum += $1} END {printf "%.0f\n", sum}'; }

# unwatched TRANSPORT: the kernel and udev have looked at all disks of "main", and from now on udev, which looks at a disk whenever somebody
# has written it, looks at none until the step ends. Such reads are small, and what is small is copied.
unwatched() {
  local lun
  trap 'udevadm control --start-exec-queue' EXIT
  for lun in 0 1 2 3; do
    attended "$(over "$1" main "$lun")"
    udevadm wait --timeout=60 --settle "$(over "$1" main "$lun")"
  done
  udevadm control --stop-exec-queue
}

# copies TRANSPORT: what is written by RDMA Reads of 16 KiB and more, and what is read by RDMA Writes, is copied nowhere; but what comes
# by RoCE in datagrams is copied once, to where it belongs.
copies() {
  local d placed copied placed_copied most=0; d=$(over "$1" main 1)
  unwatched "$1"
  placed=$(total placed) placed_copied=$(total copiedPlaced)
  dd if=/dev/zero of="$d" bs=64k count=64 oflag=direct status=none
  echo "placed $placed, then $(total placed); of these copied $placed_copied, then $(total copiedPlaced)"
  (($(total placed) - placed >= 3 << 20))
  [ "$net" != roce ] || most=$(($(total placed) - placed))
  (($(total copiedPlaced) - placed_copied <= most))
  copied=$(total copied)
  dd if="$d" of=/dev/null bs=64k count=64 iflag=direct status=none
  echo "copied $copied, then $(total copied)"
  [ "$(total copied)" = "$copied" ]
}
iser_copies() { copies iser; }
srp_copies() { copies srp; }

# unasked_document: a server that lets data-out come unasked, also over RDMA. It has an address of its own: with RoCE a process has all of one.
unasked_document() {
  cat <<-DOCUMENT
	version: 1
	portals: ['iser+$net://$address:$unasked', 'iscsi+tcp://$address:$tcp']
	iscsi: {initial-r2t: no, first-burst: 64K}
	units: [{name: ram, store: {kind: memory, size: 32M}}]
	targets: [{name: "$iqn:unasked", luns: {0: ram}}]
	DOCUMENT
}

# Data that is written comes without being asked for, 64 KiB of each command: 8 KiB with it, the rest in Data-Outs, none by RDMA
# Reads. What is behind that is read.
iser_unasked() {
  local socket=/run/unasked.sock address=$other d pdus placed
  unasked_document >/run/unasked.yaml
  daemon unasked "$tcp" "$here/lunette" serve --config /run/unasked.yaml --socket "$socket"
  within 30 ask targets
  admin -m node -T "$iqn:unasked" -p "$address:$unasked,1" -I iser -o new
  # An adapter is given room for all Data-Outs that an initiator may send, before it logs in: 270 MiB, which take it a while.
  set_node unasked "$unasked" 'node.conn[0].timeo.login_timeout' 30
  iser_log_in unasked "$unasked"
  d=$(disk unasked 0 iser)
  calm
  dd if=/dev/urandom of=/run/data bs=256k count=64 status=none
  pdus=$(total pdusIn) placed=$(total placed)
  dd if=/run/data of="$d" bs=64k count=64 oflag=direct status=none
  echo "PDUs $pdus, then $(total pdusIn); placed $placed, then $(total placed)"
  (($(total pdusIn) - pdus >= 64 * 8)) && [ "$(total placed)" = "$placed" ]
  cmp -n $((4 << 20)) /run/data "$d"
  dd if=/run/data of="$d" bs=256k oflag=direct status=none
  echo "placed $(total placed)"
  (($(total placed) - placed == 64 * (192 << 10)))
  cmp -n $((16 << 20)) /run/data "$d"
  mix "$d" 3m
  quiet
  no dmesg_has 'detected conn error'
  logout unasked "$unasked" iser
  end unasked TERM
}

# Descriptors in a table in the initiator's memory, of which a command has the first two: all that a read of the disk fetches from
# the initiator is tables. Usually ib_srp has one descriptor for a command on siw: it registers all pieces at a time, of which
# siw takes 256, and none if there are more (siw_map_mr_sg). So it is told to register nothing: then each piece has one.
srp_tables() {
  local d placed queue huge=/sys/kernel/mm/transparent_hugepage/enabled
  modprobe -r ib_srp && load_srp register_always=N never_register=Y
  srp_login main cmd_sg_entries=2,sg_tablesize=2048,allow_ext_sg=1,max_sect=8192
  d=$(over srp main 1) queue=/sys/block/${d#/dev/}/queue
  cat "$queue/max_hw_sectors_kb" >"$queue/max_sectors_kb"
  attended "$d"
  calm
  echo never >"$huge" # many small pieces
  dd if=/dev/urandom of=/run/data bs=1M count=16 status=none
  placed=$(total placed)
  dd if=/run/data of="$d" bs=4M oflag=direct status=none
  echo "16 MiB and $(($(total placed) - placed - (16 << 20))) bytes of tables"
  (($(total placed) - placed >= (16 << 20) + 4 * 3 * 16))
  placed=$(total placed)
  dd if="$d" of=/run/back bs=4M count=4 iflag=direct status=none
  echo "$(($(total placed) - placed)) bytes of tables"
  (($(total placed) - placed >= 4 * 3 * 16))
  cmp -n $((16 << 20)) /run/data /run/back
  mix "$d" 3m
  echo always >"$huge"
  quiet
  srp_logout main
  modprobe -r ib_srp && load_srp
}

# on TRANSPORT: a file system on the file; the mix on the memory
on() {
  calm
  fs "$(over "$1" main 0)"
  mix "$(over "$1" main 1)"
  quiet
}
iser_io() { on iser; }
srp_io() { on srp; }

# jumbo: packets of 4 KiB instead of 1 KiB for what is connected from now on
jumbo() {
  ip link set v0 mtu 9000
  inside ip link set v1 mtu 9000
  logout main "$iser" iser
  iser_log_in main
  srp_logout main
  srp_login main "$deep"
  for t in iser srp; do
    (copies "$t")
    calm
    mix "$(over "$t" main 1)"
    quiet
  done
}

# lossy: of all packets, both ways, one in a hundred is lost, one comes twice, and five overtake others. All that is written is there, and no
# command takes as long as Linux waits until it aborts. rxe goes back then, so nothing may be registered (in_order):
# memory is reached by one key for all of it, and udev, whose reads are in several places, looks at no disk.
lossy() {
  local t i
  logout main "$iser" iser
  srp_logout main
  modprobe -r ib_iser ib_srp
  modprobe ib_iser always_register=N && load_srp register_always=N never_register=Y
  set_node main "$iser" 'node.conn[0].timeo.noop_out_interval' 10 'node.conn[0].timeo.noop_out_timeout' 30
  iser_log_in main
  srp_login main "$deep"
  for t in iser srp; do (unwatched "$t"); done
  udevadm control --stop-exec-queue
  trap 'impair del; udevadm control --start-exec-queue' EXIT
  impair add netem limit 10000 delay 1ms reorder 5% loss 1% duplicate 1%
  calm
  lost iser 4k
  lost srp 4k/90:64k/9:1m/1
  rdma statistic show link "${adapter}0"
  for i in "" inside; do $i tc -s qdisc show; done
  quiet
  no dmesg_has 'detected conn error|SRP abort called|reconnect'
}
impair() { tc qdisc "$1" dev v0 root "${@:2}"; inside tc qdisc "$1" dev v1 root "${@:2}"; }
# lost TRANSPORT SIZES: writes and what is read back, none of which takes 25 seconds, and none merged with others: what is in several places is registered
lost() {
  local d; d=$(over "$1" main 1)
  echo 2 >"/sys/block/${d#/dev/}/queue/nomerges"
  timeout 500 fio --name=lossy --filename="$d" --size=2m --rw=randwrite --bssplit="$2" --direct=1 --ioengine=libaio --iodepth=32 \
    --verify=crc32c --verify_fatal=1 --randseed=13 --max_latency=25s
}

iser_link_down() { during iser pull_cable; dmesg_has 'detected conn error'; }
srp_link_down() { during srp pull_cable; }
iser_resets() { during iser reset_unit; }
srp_resets() { during srp reset_unit; }
iser_abort() {
  abort iser 3
  admin -m session -s | tee /run/statistics
  grep 'tmfcmd_pdus: [1-9]' /run/statistics
}
srp_abort() {
  abort srp 2
  dmesg_has 'SRP abort called'
}
iser_daemon_killed() { during iser crash; dmesg_has 'detected conn error'; }
srp_daemon_killed() { during srp crash; dmesg_has 'reconnect succeeded'; }
iser_daemon_restarted() { during iser restart; }
srp_daemon_restarted() { during srp restart; dmesg_has 'reconnect succeeded'; }

# All of them are there at once: what one has written is what the others read, while all of them write.
together() {
  local t at=0 pids=()
  admin -m discovery -t sendtargets -p "$address:$tcp"
  set_node main "$tcp" node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'correct horse battery'
  login main "$tcp"
  find main 0 iser || iser_log_in main
  srp_host main || srp_login main "$deep"
  ask sessions
  calm
  for t in tcp iser srp; do
    timeout 400 fio --name="$t" --filename="$(over "$t" main 1)" --offset=$((at * 8))m --size=8m --rw=randwrite --bs=16k --direct=1 --ioengine=libaio \
      --iodepth=16 --verify=crc32c --verify_fatal=1 --randseed="$at" --minimal >"/run/fio.$t" & pids+=($!)
    at=$((at + 1))
  done
  for t in "${pids[@]}"; do wait "$t"; done
  for t in tcp iser srp; do dd if="$(over "$t" main 1)" bs=1M count=24 iflag=direct status=none | sha256sum; done | sort -u | tee /run/sums
  [ "$(wc -l </run/sums)" = 1 ]
  quiet
}

reservations() {
  local a b c d
  a=$(over tcp main 0) b=$(over iser main 0) c=$(over srp main 0)
  for d in "$a" "$b" "$c"; do attended "$d"; done
  sg_persist --no-inquiry --out --register --param-sark=0xa "$a"
  sg_persist --no-inquiry --out --register --param-sark=0xb "$b"
  sg_persist --no-inquiry --out --register --param-sark=0xc "$c"
  sg_persist --no-inquiry --in --read-full-status "$a" | tee /run/keys
  [ "$(grep -c 'Key=0x[abc]$' /run/keys)" = 3 ]
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

# The same commands have the same results over all transports, for units on every store and of every block size.
results() {
  local t lun pids
  udevadm control --stop-exec-queue # which would look at thirty disks, and all that they hold
  for t in "$tcp" "$iser"; do
    set_node same "$t" 'node.conn[0].timeo.noop_out_interval' 10 'node.conn[0].timeo.noop_out_timeout' 30
  done
  login same "$tcp"
  iser_log_in same
  srp_login same
  for lun in "${!same[@]}"; do for t in tcp iser srp; do over "$t" same "$lun" >/dev/null; done; done
  pids=()
  for t in 0 1; do # two at a time
    (for ((lun = t; lun < ${#same[@]}; lun += 2)); do unit_results "$lun" "${same[lun]}" || exit; done) & pids+=($!)
  done
  for t in "${pids[@]}"; do wait "$t"; done
  srp_logout same
  logout same "$iser" iser
  logout same "$tcp"
  udevadm control --start-exec-queue
}
unit_results() { # LUN NAME
  local t
  for t in tcp iser srp; do timeout 300 "$here/results" "$(over "$t" same "$1")" "${2##*-}" >"/run/$2.$t" || return; done
  if [ "$(grep -c ': status 00' "/run/$2.tcp")" -lt 70 ] || [ "$(grep -c ': status 02' "/run/$2.tcp")" -lt 20 ]; then
    cat "/run/$2.tcp" # hardly anything was done, or refused
    return 1
  fi
  diff -u "/run/$2.tcp" "/run/$2.iser" && diff -u "/run/$2.tcp" "/run/$2.srp"
}

finish() {
  srp_logout main
  logout main "$iser" iser
  logout main "$tcp"
  no admin -m session
  [ "$(ask sessions -o json)" = '[]' ]
  no ls /sys/block/sd*
  server_stop
  # Some logins were to be refused, and cables pulled. Files were made, and loop devices have no name of their own.
  awk '/level=(WARN|ERROR)|panic|leak/ && !/login refused|a port is down|was made: it is empty|the serial number follows from the path/ {print; trouble = 1} END {exit trouble}' /run/main.log
}

steps=(setup start iser_discovery iser_refused iser_login iser_copies iser_unasked iser_io iser_link_down iser_resets iser_abort iser_daemon_killed iser_daemon_restarted
  srp_refused srp_tables srp_attach srp_copies srp_io srp_link_down srp_resets srp_abort srp_daemon_killed srp_daemon_restarted together reservations results finish)
# without STEP...: all but those
without() {
  local s left=()
  for s in "${steps[@]}"; do case " $* " in *" $s "*) ;; *) left+=("$s") ;; esac; done
  steps=("${left[@]}")
}
case "$adapter $net" in
  'rxe roce') steps=("${steps[@]:0:${#steps[@]}-2}" jumbo lossy results finish) ;;
  # With both adapters: attached, written and read, cut off, killed. What asks less of an adapter is with one of them, or with lunette's own providers alone.
  'siw verbs') without iser_unasked srp_tables iser_resets srp_resets iser_abort srp_abort iser_daemon_restarted srp_daemon_restarted reservations ;;
  'rxe verbs') without iser_refused srp_refused iser_unasked srp_tables iser_daemon_restarted srp_daemon_restarted results ;;
esac
run_steps "$@"
