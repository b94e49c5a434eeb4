#!/bin/bash
# Runs in a lab guest: Linux's own initiator (iscsi_tcp, open-iscsi) against the server in network namespace "target",
# over a veth pair, in steps (lib.sh).
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

address=10.99.0.2 user=alice iqn=iqn.2026-11.io.lunette
other=iqn.2026-11.io.lunette.test:other # the second initiator's name
store=/var/tmp/store
# Two servers: "main" on port 3260 with CHAP and 512-byte blocks, "four" on 3261 with 4096-byte blocks.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

# shellcheck source-path=SCRIPTDIR source=lunette.sh
. "${LUNETTE_VM_SERVER:-$here/lunette.sh}"

serve_main() { server_start main 3260 512 /run/secret "file:$store/disk:64M" memory:48M; }
serve_four() { server_start four 3261 4096 "" "file:$store/four:64M"; }

# --- what is tested -------------------------------------------------------------------------------------------------

setup() {
  network
  mkdir -p "$store"
  modprobe iscsi_tcp && modprobe sd_mod && modprobe sg
  open_iscsi
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
  timeout 240 fio --name=fs --directory=/mnt --size=8m --nrfiles=4 --rw=randwrite --bs=4k --end_fsync=1 --verify=crc32c --verify_fatal=1 --minimal
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
run_steps "$@"
