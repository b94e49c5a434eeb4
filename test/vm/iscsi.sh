#!/bin/bash
# Runs in a lab guest: Linux's own initiator (iscsi_tcp, open-iscsi) against the server in network namespace "target",
# over a veth pair. Prints "1..N" and then one line a step: "ok NAME SECONDS", or "not ok NAME SECONDS" after what the
# step, the kernel and the servers said. With arguments it runs only the steps they name.
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

address=10.99.0.2 user=alice iqn=iqn.2026-11.io.lunette
other=iqn.2026-11.io.lunette.test:other # the second initiator's name
store=/var/tmp/store
# Two servers: "main" on port 3260 with CHAP and 512-byte blocks, "four" on 3261 with 4096-byte blocks.

# --- steps ----------------------------------------------------------------------------------------------------------

failed=0
step() {
  local start=$SECONDS status log
  local -A said=()
  for log in /run/*.log; do [ ! -e "$log" ] || said[$log]=$(stat -c %s "$log"); done
  log=$(mktemp)
  (set -e; "$1") >"$log" 2>&1
  status=$?
  ((status != 0)) || { echo "ok $1 $((SECONDS - start))"; return; }
  failed=1
  sed 's/^/    /' "$log"
  dmesg | tail -n 10 | sed 's/^/    dmesg: /'
  for log in /run/*.log; do
    # what the servers said during this step
    tail -c +$((${said[$log]:-0} + 1)) "$log" | tail -n 20 | sed "s#^#    ${log##*/}: #"
    echo
  done
  echo "not ok $1 $((SECONDS - start))"
}

# within SECONDS COMMAND...: repeats it until it succeeds
within() {
  local deadline=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { echo "not in time: $*"; return 1; }
    sleep 0.1
  done
}

no() { ! "$@"; }
inside() { ip netns exec target "$@"; }

# --- servers --------------------------------------------------------------------------------------------------------

# daemon NAME PORT COMMAND...: runs it in netns target, waits until it listens
daemon() {
  local name=$1 port=$2; shift 2
  rm -f "/run/$name.status"
  # shellcheck disable=SC2016 # expanded by the inner shell
  setsid bash -c 'name=$1; shift; bash -c "echo \$\$ >/run/$name.pid; exec \"\$@\"" - "$@" >>"/run/$name.log" 2>&1 </dev/null
    echo $? >"/run/$name.status"' - "$name" ip netns exec target "$@" </dev/null >/dev/null 2>&1 &
  within 15 listens "$port" || { cat "/run/$name.log"; return 1; }
}
listens() { inside ss -Hltn "sport = :$1" | grep -q .; }

# end NAME SIGNAL: sends it, waits, returns the exit status
end() {
  kill -s "$2" "$(cat "/run/$1.pid")"
  within 15 test -s "/run/$1.status"
  return "$(cat "/run/$1.status")"
}

# shellcheck source-path=SCRIPTDIR source=lunette.sh
. "${LUNETTE_VM_SERVER:-$here/lunette.sh}"

serve_main() { server_start main 3260 512 /run/secret "file:$store/disk:64M" memory:48M; }
serve_four() { server_start four 3261 4096 "" "file:$store/four:64M"; }

# --- the initiator --------------------------------------------------------------------------------------------------

admin() { timeout 60 iscsiadm "$@"; }
node() { admin -m node -T "$iqn:$1" -p "$address:$2" "${@:3}"; }
login() { node "$1" "$2" -I "${3:-default}" --login; }
logout() { node "$1" "$2" -I "${3:-default}" --logout; }
set_node() { local name=$1 port=$2; shift 2; while (($#)); do node "$name" "$port" -o update -n "$1" -v "$2"; shift 2; done; }

# find NAME LUN [IFACE]: the disk's path, if the kernel has it
find() {
  local s block
  for s in /sys/class/iscsi_session/session*; do
    if [ "$(cat "$s/targetname")" != "$iqn:$1" ] || [ "$(cat "$s/ifacename")" != "${3:-default}" ]; then continue; fi
    for block in "$s"/device/target*/*:*:*:"$2"/block/*; do
      [ -b "/dev/${block##*/}" ] && echo "/dev/${block##*/}" && return
    done
  done
  return 1
}
disk() { within 10 find "$@" && find "$@"; }

# load DEVICE SECONDS: direct writes all over 16 MiB for about that long, read back and checked
load() {
  timeout 150 fio --name=load --filename="$1" --size=16m --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8 \
    --rate_iops=$((4096 / $2)) --verify=crc32c --verify_fatal=1 --randseed=7 --minimal >/run/fio.out || { cat /run/fio.out; return 1; }
}
# check DEVICE: what load wrote is still there
check() {
  timeout 60 fio --name=load --filename="$1" --size=16m --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8 \
    --verify=crc32c --verify_fatal=1 --randseed=7 --verify_only --minimal >/run/fio.out || { cat /run/fio.out; return 1; }
}

calm() { dmesg -C; }
# quiet: no error has reached a block device since calm
quiet() { no dmesg_has 'I/O error|critical (target|medium|nexus) error|rejecting I/O|Buffer I/O|offlined|EXT4-fs error'; }
# undisturbed: nor was the connection lost and made anew, nor a command timed out and aborted
undisturbed() {
  quiet
  no dmesg_has 'detected conn error'
  admin -m session -s >/run/statistics
  no grep 'tmfcmd_pdus: [^0]' /run/statistics
}
dmesg_has() { dmesg | grep -E "$1"; }

# scribble DEVICE: random bytes on its first 8 MiB, in large writes, in a time that allows no stall
scribble() { timeout 20 dd if=/dev/urandom of="$1" bs=1M count=8 oflag=direct status=none; }
zeros() { cmp -n "$3" -i "$2:0" "$1" /dev/zero; }

# --- what is tested -------------------------------------------------------------------------------------------------

setup() {
  ip netns add target
  ip link add v0 type veth peer name v1 netns target
  ip addr add 10.99.0.1/24 dev v0 && ip link set v0 up
  inside ip addr add "$address/24" dev v1 && inside ip link set v1 up && inside ip link set lo up
  mkdir -p "$store"
  printf %s 'correct horse battery' >/run/secret && chmod 600 /run/secret
  echo "InitiatorName=iqn.2026-11.io.lunette.test:guest" >/etc/iscsi/initiatorname.iscsi
  cat >/etc/iscsi/iscsid.conf <<-CONF
	iscsid.startup = /sbin/iscsid
	node.startup = manual
	node.session.timeo.replacement_timeout = 60
	node.conn[0].timeo.login_timeout = 5
	node.conn[0].timeo.logout_timeout = 5
	node.conn[0].timeo.noop_out_interval = 2
	node.conn[0].timeo.noop_out_timeout = 2
	node.session.err_timeo.abort_timeout = 5
	node.session.err_timeo.lu_reset_timeout = 5
	node.session.err_timeo.tgt_reset_timeout = 5
	node.session.initial_login_retry_max = 1
	node.session.iscsi.InitialR2T = No
	node.session.iscsi.ImmediateData = Yes
	node.session.nr_sessions = 1
	node.session.scan = auto
	discovery.sendtargets.auth.authmethod = CHAP
	discovery.sendtargets.auth.username = $user
	discovery.sendtargets.auth.password = correct horse battery
	discovery.sendtargets.timeo.login_timeout = 5
	discovery.sendtargets.reopen_max = 0
	CONF
  modprobe iscsi_tcp && modprobe sd_mod && modprobe sg
  iscsid -p /run/iscsid.pid
}

start() {
  serve_main
  serve_four
}

discovery() {
  admin -m discovery -t sendtargets -p "$address:3260" | tee /run/found
  grep -q "^$address:3260,[0-9]* $iqn:main\$" /run/found
  admin -m discovery -t sendtargets -p "$address:3261" | grep " $iqn:four\$"
}

discovery_refused() {
  local conf=/etc/iscsi/iscsid.conf
  cp "$conf" /run/iscsid.conf
  sed -i 's/^discovery.*password = .*/discovery.sendtargets.auth.password = wrong horse battery/' "$conf"
  no admin -m discovery -t sendtargets -p "$address:3260"
  sed -i '/^discovery.*auth/d' "$conf"
  no admin -m discovery -t sendtargets -p "$address:3260"
  cp /run/iscsid.conf "$conf"
  admin -m discovery -t sendtargets -p "$address:3260"
}

wrong_secret() {
  set_node main 3260 node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'wrong horse battery'
  no login main 3260
  no find main 0
}

no_secret() {
  set_node main 3260 node.session.auth.authmethod None
  no login main 3260
}

chap_login() {
  set_node main 3260 node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'correct horse battery'
  login main 3260
  disk main 0
}

several_luns() {
  [ "$(blockdev --getsize64 "$(disk main 0)")" = $((64 << 20)) ]
  [ "$(blockdev --getsize64 "$(disk main 1)")" = $((48 << 20)) ]
  no find main 2
  sg_luns "$(disk main 0)"
}

file_system() {
  local d; d=$(disk main 0)
  calm
  mkfs.ext4 -q -F "$d" && mount "$d" /mnt
  timeout 60 fio --name=fs --directory=/mnt --size=8m --nrfiles=4 --rw=randwrite --bs=4k --end_fsync=1 --verify=crc32c --verify_fatal=1 --minimal
  sync && umount /mnt
  e2fsck -fn "$d"
  undisturbed
}

raw_memory() { calm; load "$(disk main 1)" 1; undisturbed; }

four_kilobyte_blocks() {
  local d
  login four 3261
  d=$(disk four 0)
  [ "$(blockdev --getss "$d")" = 4096 ]
  calm
  load "$d" 1
  mkfs.ext4 -q -F "$d" && mount "$d" /mnt && cp /usr/bin/fio /mnt/ && umount /mnt && mount "$d" /mnt && cmp /usr/bin/fio /mnt/fio && umount /mnt
  undisturbed
  logout four 3261
}

digests() {
  local d; d=$(disk main 0)
  load "$d" 1
  logout main 3260
  set_node main 3260 'node.conn[0].iscsi.HeaderDigest' CRC32C 'node.conn[0].iscsi.DataDigest' CRC32C
  calm
  login main 3260
  admin -m session -P 2 | tee /run/session
  grep -q 'HeaderDigest: CRC32C' /run/session && grep -q 'DataDigest: CRC32C' /run/session
  check "$(disk main 0)" # written without digests, read with them
  load "$(disk main 0)" 1
  undisturbed
}

no_digests() {
  logout main 3260
  set_node main 3260 'node.conn[0].iscsi.HeaderDigest' None 'node.conn[0].iscsi.DataDigest' None
  login main 3260
  check "$(disk main 0)"
}

# during EVENT: it happens two seconds into eight of writes, which must all succeed and read back
during() {
  local d; d=$(disk main 0)
  calm
  load "$d" 8 & pid=$!
  trap 'kill "$pid" 2>/dev/null || true' EXIT # when something else fails
  sleep 2
  "$@"
  wait "$pid"
  dmesg_has 'detected conn error|Power-on or device reset' # it did hurt
  quiet
  check "$d"
}
pull_cable() { inside ip link set v1 down; sleep 6; inside ip link set v1 up; }
kill_socket() { ss -K dst "$address" dport = 3260; }
restart() { server_stop main; sleep 1; serve_main; }
crash() { server_kill main; sleep 1; serve_main; }

link_down() { during pull_cable; }
connection_killed() { during kill_socket; }
daemon_restarted() { during restart; }
daemon_killed() { during crash; }

discard() {
  local d name lun
  for lun in 0 1; do
    d=$(disk main "$lun") name=${d##*/}
    [ "$(cat "/sys/block/$name/queue/discard_max_bytes")" -gt 0 ]
    calm
    scribble "$d"
    blkdiscard -o 1M -l 4M "$d"
    zeros "$d" $((1 << 20)) $((4 << 20))
    no zeros "$d" 0 4096
    no zeros "$d" $((5 << 20)) 4096
    undisturbed
  done
}

write_zeroes() {
  local d; d=$(disk main 0)
  calm
  scribble "$d"
  blkdiscard -z -o 1M -l 4M "$d"
  zeros "$d" $((1 << 20)) $((4 << 20))
  no zeros "$d" 0 4096
  scribble "$d"
  sg_write_same --in=/dev/zero --lba=2048 --num=8192 --xferlen=512 "$d"
  blockdev --flushbufs "$d"
  zeros "$d" $((1 << 20)) $((4 << 20))
  no zeros "$d" 0 4096
  undisturbed
}

reservations() {
  local a b
  admin -m iface -I second -o new
  admin -m iface -I second -o update -n iface.transport_name -v tcp
  admin -m iface -I second -o update -n iface.initiatorname -v "$other"
  admin -m discovery -t sendtargets -p "$address:3260" -I second
  set_node main 3260 node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'correct horse battery'
  login main 3260 second
  a=$(disk main 0) b=$(disk main 0 second)
  [ "$a" != "$b" ]
  sg_persist --no-inquiry --out --register --param-sark=0xa "$a"
  sg_persist --no-inquiry --out --register --param-sark=0xb "$b"
  sg_persist --no-inquiry --in --read-keys "$a" | tee /run/keys
  grep -q '0xa$' /run/keys && grep -q '0xb$' /run/keys
  sg_persist --no-inquiry --out --reserve --param-rk=0xa --prout-type=1 "$a" # write exclusive
  dd if=/dev/zero of="$a" bs=4k count=1 oflag=direct status=none
  no dd if=/dev/zero of="$b" bs=4k count=1 oflag=direct status=none
  dd if="$b" of=/dev/null bs=4k count=1 iflag=direct status=none
  sg_persist --no-inquiry --out --release --param-rk=0xa --prout-type=1 "$a"
  dd if=/dev/zero of="$b" bs=4k count=1 oflag=direct status=none
  sg_persist --no-inquiry --out --reserve --param-rk=0xb --prout-type=3 "$b" # exclusive access
  no dd if="$a" of=/dev/null bs=4k count=1 iflag=direct status=none
  sg_persist --no-inquiry --out --preempt --param-rk=0xa --param-sark=0xb --prout-type=3 "$a"
  dd if="$a" of=/dev/null bs=4k count=1 iflag=direct status=none
  sg_persist --no-inquiry --out --clear --param-rk=0xa "$a"
  logout main 3260 second
}

finish() {
  logout main 3260
  no admin -m session
  no find main 0
  server_stop main
  server_stop four
}

steps=(setup start discovery discovery_refused wrong_secret no_secret chap_login several_luns file_system raw_memory four_kilobyte_blocks
  digests no_digests link_down connection_killed daemon_restarted daemon_killed discard write_zeroes reservations finish)
(($# == 0)) || steps=("$@")
echo "1..${#steps[@]}"
for s in "${steps[@]}"; do step "$s"; done
exit "$failed"
