#!/bin/bash
# Runs in a lab guest: Linux's own initiator (iscsi_tcp, open-iscsi) while the document of the daemon changes. One session,
# "steady", is loaded from the first change to the last, and may notice nothing.
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

address=10.99.0.2 user=alice iqn=iqn.2026-11.io.lunette
other=iqn.2026-11.io.lunette.test:other # the second initiator's name
store=/var/tmp/store

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

serve() { daemon lunette 3260 "$here/lunette" serve --state /run/state --config /run/first.yaml --socket /run/lunette.sock; }
lunette() { local command=$1; shift; timeout 60 "$here/lunette" "$command" "$@" --socket /run/lunette.sock; }
unit() { lunette unit "$@"; }
target() { local what=$1 name=$2; shift 2; lunette target "$what" "$iqn:$name" "$@"; }

setup() {
  network
  mkdir -p "$store"
  modprobe iscsi_tcp && modprobe sd_mod && modprobe sg
  open_iscsi
  cat >/run/first.yaml <<-DOC
	version: 1
	# who may log in
	users:
	- {name: $user, secret-file: /run/secret}
	discovery: {auth: {users: [$user]}}
	units:
	- {name: steady, store: {kind: file, path: $store/steady, size: 32M}}
	- {name: data, store: {kind: file, path: $store/data, size: 64M}}
	targets:
	- {name: "$iqn:steady", luns: {0: steady}, auth: {users: [$user]}}
	- {name: "$iqn:main", luns: {0: data}, auth: {users: [$user]}}
	portals:
	- {name: front, address: "$address:3260"}
	DOC
}

start() {
  serve
  lunette status
}

log_in() {
  admin -m discovery -t sendtargets -p "$address:3260"
  local name
  for name in steady main; do
    set_node "$name" 3260 node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'correct horse battery'
    login "$name" 3260
    disk "$name" 0
  done
  calm
}

# The load goes on behind all steps up to steady_ends.
steady_begins() {
  local d; d=$(disk steady 0)
  setsid bash -c ': >/run/steady.running
    timeout 1400 fio --name=steady --filename="$1" --size=16m --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8 --rate_iops=400 \
      --time_based --runtime=1350 --verify=crc32c --verify_backlog=64 --verify_fatal=1 --randseed=7 --minimal >/run/steady.out 2>&1 &
    echo $! >/run/steady.pid; wait $!; echo $? >/run/steady.status' - "$d" </dev/null >/dev/null 2>&1 &
  within 10 test -s /run/steady.pid
  sleep 1
}
goes_on() { [ ! -e /run/steady.status ] || { cat /run/steady.out; return 1; }; }

rescan() { node main "${1:-3260}" --rescan; }
size() { blockdev --getsize64 "$1"; }
# again DEVICE: the kernel looks at it once more
again() { echo 1 >"/sys/block/${1##*/}/device/rescan"; }
# forget DEVICE
forget() { echo 1 >"/sys/block/${1##*/}/device/delete"; }

lun_added() {
  unit create more --file "$store/more" --size 32M
  no find main 3
  target map main 3=more
  rescan
  [ "$(size "$(disk main 3)")" = $((32 << 20)) ]
  load "$(disk main 3)" 1
  goes_on
}

again_is_nothing() { # all of it can be said twice
  unit create more --file "$store/more" --size 32M
  target map main 3=more
  lunette history -o json >/run/before
  lunette export >/run/now.yaml
  lunette apply -f /run/now.yaml --yes
  lunette history -o json >/run/after
  cmp /run/before /run/after
  grep '^# who may log in' /run/now.yaml
}

grown() {
  local d; d=$(disk main 3)
  mkfs.ext4 -q -F "$d" && mount "$d" /mnt && cp /usr/bin/fio /mnt/
  unit resize more 64M
  again "$d"
  within 10 has_size "$d" $((64 << 20))
  resize2fs "$d"
  [ "$(df --output=size -B1M /mnt | tail -n 1)" -gt 48 ]
  cmp /usr/bin/fio /mnt/fio
  umount /mnt && e2fsck -fn "$d"
  no unit resize more 32M # not without a word more
  [ "$(size "$d")" = $((64 << 20)) ]
  goes_on
}
has_size() { [ "$(size "$1")" = "$2" ]; }

read_only() {
  local d; d=$(disk main 3)
  unit set more device.read-only=true
  again "$d"
  within 10 test "$(cat "/sys/block/${d##*/}/ro")" = 1
  dd if="$d" of=/dev/null bs=4k count=1 iflag=direct status=none
  no dd if=/dev/zero of="$d" bs=4k count=1 oflag=direct status=none
  unit set more device.read-only=false
  again "$d"
  dd if=/dev/zero of="$d" bs=4k count=1 oflag=direct status=none
  goes_on
}

remapped() {
  local d before; d=$(disk main 3)
  before=$(serial "$d")
  unit create third --memory 16M
  target map main 3=third
  forget "$d"
  rescan
  [ "$(serial "$(disk main 3)")" != "$before" ]
  [ "$(size "$(disk main 3)")" = $((16 << 20)) ]
  goes_on
}
serial() { sg_inq --page=0x80 "$1" | sed -n 's/.*serial number: //p'; }

removed() {
  local d; d=$(disk main 3)
  target unmap main 3
  no dd if="$d" of=/dev/null bs=4k count=1 iflag=direct status=none
  forget "$d"
  rescan
  no find main 3
  unit delete more
  [ -e "$store/more" ] # data is not deleted
  goes_on
}

seen_by_name() { # what the second initiator sees is its own
  admin -m iface -I second -o new
  admin -m iface -I second -o update -n iface.transport_name -v tcp
  admin -m iface -I second -o update -n iface.initiatorname -v "$other"
  lunette access create "$iqn:main/others" --initiator "$other" --lun 7=data,ro
  admin -m discovery -t sendtargets -p "$address:3260" -I second
  set_node main 3260 node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'correct horse battery'
  login main 3260 second
  local d; d=$(disk main 7 second)
  no find main 0 second
  [ "$(cat "/sys/block/${d##*/}/ro")" = 1 ]
  no dd if=/dev/zero of="$d" bs=4k count=1 oflag=direct status=none
  dd if=/dev/zero of="$(disk main 0)" bs=4k count=1 oflag=direct status=none
  logout main 3260 second
  lunette access delete "$iqn:main/others"
  goes_on
}

needs_a_word() { # what ends sessions is not done without a word more, and shown
  local status=0
  lunette target delete "$iqn:main" >/run/plan 2>&1 || status=$?
  cat /run/plan
  [ "$status" = 3 ]
  grep -q -- --end-sessions /run/plan
  disk main 0
  check_alive main
}
check_alive() { dd if="$(disk "$1" 0)" of=/dev/null bs=4k count=1 iflag=direct status=none; }

portal_moved() { # the target is at another portal from now on; who is there stays
  lunette portal create second "$address:3262" --target "$iqn:main"
  within 10 listens 3262
  lunette portal set front targets="[\"$iqn:steady\"]"
  load "$(disk main 0)" 1
  logout main 3260
  no login main 3260
  admin -m discovery -t sendtargets -p "$address:3262" -I default | grep "^$address:3262,[0-9]* $iqn:main\$"
  set_node main 3262 node.session.auth.authmethod CHAP node.session.auth.username "$user" node.session.auth.password 'correct horse battery'
  login main 3262
  check "$(disk main 0)"
  goes_on
}

maintenance() { # who is there leaves, nobody gets in, and afterwards all is as before
  target maintenance main on --end-sessions
  within 20 no_session main
  no login main 3262
  target maintenance main off
  within 20 back main
  check "$(disk main 0)"
  goes_on
}
no_session() { lunette session list -o json >/run/sessions && no grep -q "$iqn:$1\"" /run/sessions; }
back() { find "$1" 0 || login "$1" 3262; }

disconnected() { # the initiator comes back by itself
  local id
  id=$(lunette session list -o json | tr -d '\n ' | grep -o '{[^{]*"target":"'"$iqn:main"'"' | grep -o '"id":"[^"]*"' | cut -d'"' -f4)
  lunette session disconnect iscsi "$id"
  within 20 check_alive main
  check "$(disk main 0)"
  goes_on
}

tried() { # a change that nobody confirms is taken back
  lunette target set "$iqn:main" alias=tried --try 15s
  lunette get target "$iqn:main" | grep tried
  within 60 not_tried
  goes_on
}
not_tried() { lunette get target "$iqn:main" >/run/got && no grep -q tried /run/got; }

steady_ends() {
  goes_on
  kill -s INT "$(cat /run/steady.pid)"
  within 60 test -s /run/steady.status
  no grep -i 'verify:' /run/steady.out
  local since; since=$(lunette session list -o json | tr -d '\n ' | grep -o '"target":"'"$iqn:steady"'"' | wc -l)
  [ "$since" = 1 ]
  node steady 3260 >/dev/null
  admin -m session -s -r "$(sid steady)" >/run/statistics
  no grep 'tmfcmd_pdus: [^0]' /run/statistics
  no grep 'timeout_err: [^0]' /run/statistics
}
sid() { admin -m session | sed -n "s/^tcp: \[\([0-9]*\)\] .* $iqn:$1 .*/\1/p"; }

killed() { # what was said is there after a crash
  lunette export >/run/before.yaml
  end lunette KILL || true
  serve
  lunette export >/run/after.yaml
  cmp /run/before.yaml /run/after.yaml
  within 30 check_alive main
  within 30 check_alive steady
}

rolled_back() {
  lunette history
  lunette rollback 1 --yes --end-sessions --replace --delete-data
  lunette export | cmp - /run/first.yaml
  within 30 check_alive steady
}

finish() {
  admin -m node -U all || true
  no admin -m session
  end lunette TERM
  no grep -E 'panic|level=ERROR' /run/lunette.log
}

steps=(setup start log_in steady_begins lun_added again_is_nothing grown read_only remapped removed seen_by_name needs_a_word portal_moved
  maintenance disconnected tried steady_ends killed rolled_back finish)
run_steps "$@"
