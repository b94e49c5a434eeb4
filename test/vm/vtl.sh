#!/bin/bash
# Runs in a lab guest of the image backup: Bacula and Amanda, with the options that they come with, and a tape library of lunette (or, with
# LIBRARY=tgt, tgt's) in network namespace "target", over a veth pair, by iscsi_tcp. In steps (lib.sh).
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

address=10.99.0.2 user=alice iqn=iqn.2026-11.io.lunette
tcp=3260 iser='' peer=3270 # ports
mib=40 # of a cartridge
store=/var/tmp/vtl
library=${LIBRARY:-lunette}
options=${OPTIONS:-} # of Bacula's devices

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"
# shellcheck source-path=SCRIPTDIR source=tape/library.sh
. "$here/tape/library.sh"
# shellcheck source-path=SCRIPTDIR source=tape/tgt.sh
. "$here/tape/tgt.sh"

found() { if [ "$library" = tgt ]; then units "$(session_host peer "$peer")"; else units "$(session_host vtl "$tcp")"; fi; }
# filled_in FILE: with what it is about
filled_in() {
  sed "s#@DIR@#$dir#g; s#@CHANGER@#$changer#; s#@DRIVE0@#${drives[0]}#; s#@DRIVE1@#${drives[1]}#; s#@GENERIC0@#${generic[0]}#
    s#@GENERIC1@#${generic[1]}#; s#@OPTIONS@#${options:+; $options}#; s#@MIB@#$mib#" "$1"
}
# files DIR COUNT SIZE: incompressible ones
files() {
  local i
  mkdir -p "$1"
  for ((i = 0; i < $2; i++)); do head -c "$3" /dev/urandom >"$1/$i"; done
}

setup() {
  network
  modprobe -a iscsi_tcp st ch sg
  open_iscsi
}
start() {
  if [ "$library" = tgt ]; then
    tgt_library peer "$peer" /var/tmp/peer 2 6 "$mib" 1
    attach tcp peer "$peer"
  else
    library_create "$mib"
    serve
    attach tcp vtl "$tcp"
  fi
}

# --- Bacula ---------------------------------------------------------------------------------------------------------

dir=/tmp/bacula
bacula() { setsid "bacula-$1" -f -c "$dir/bacula-$1.conf" >>"/run/bacula-$1.log" 2>&1 </dev/null & }
# console COMMAND...: what the director says to them
console() { printf '%s\n' "$@" quit | timeout 300 bconsole -n -c "$dir/bconsole.conf" 2>&1 || true; }
# terminated NUMBER: so many jobs of this step were all right, and none was not
terminated() {
  local good; good=$(grep -c 'Termination: *\(Backup\|Restore\) OK *$' /run/job || true)
  cat /run/job
  [ "$good" = "$1" ] && no grep -E 'Termination:.*(Error|warnings|Canceled)|Re-read of last block.*(failed|error)|Error:|ERR' /run/job
}
# slot_of DRIVE: where the cartridge in it came from
slot_of() { mtx -f "$changer" status | sed -n "s/^Data Transfer Element $1:Full (Storage Element \([0-9]*\) Loaded).*/\1/p"; }
# restored JOBID... : these are what their files are
restored() { diff -r "$dir/$1" "$dir/restored$dir/$1"; }
restore() { # FILESET POOL
  rm -rf "$dir/restored"
  console "restore client=fd fileset=$1 pool=$2 where=$dir/restored select current all done yes" wait messages >/run/job
  terminated 1
}

bacula_start() {
  local file d
  found
  mkdir -p "$dir"/{work,run}
  for file in "$here"/tape/bacula/*; do filled_in "$file" >"$dir/$(basename "$file")"; done
  files "$dir/large" 15 4M
  files "$dir/small" 100 20K
  sed "s#^cd /var/lib/bacula#cd $dir/work#; s#XXX_DBNAME_XXX#bacula#" /usr/share/bacula-director/make_sqlite3_tables >/run/tables
  sh /run/tables >/dev/null
  for d in sd fd dir; do "bacula-$d" -t -c "$dir/bacula-$d.conf"; done
  for d in sd fd dir; do bacula "$d"; done
  within 20 eval "console version | grep -q 'dir Version'"
  console 'status storage=vtl' | tee /run/job
  grep -q '"drive1"' /run/job
}
bacula_label() {
  console 'label barcodes storage=vtl pool=One drive=0 slots=1-3' yes 'label barcodes storage=vtl pool=Two drive=1 slots=4-5' yes \
    'list volumes pool=One' 'list volumes pool=Two' | tee /run/job
  [ "$(grep -c '3000 OK label' /run/job)" = 5 ]
}
# More than a tape has room for.
bacula_backup() {
  console 'run job=Large yes' wait messages >/run/job
  terminated 1
  grep 'End of medium on Volume "LUN00.L5"' /run/job
  if [ "$library" = lunette ]; then grep 'Re-read of last block succeeded' /run/job; fi
  grep 'New volume "LUN00.L5" mounted' /run/job
  console 'list volumes pool=One' | tee /run/job
  [ "$(grep -c '| Full ' /run/job)" = 1 ]
}
bacula_restore() {
  restore Large One
  restored large
}
# Four jobs at once, of two pools, so on two drives.
bacula_two_drives() {
  console 'run job=SmallOne yes' 'run job=SmallTwo yes' 'run job=SmallOne yes' 'run job=SmallTwo yes' wait messages >/run/job
  terminated 4
  grep 'drive0' /run/job && grep 'drive1' /run/job
  restore Small One
  restored small
  restore Small Two
  restored small
}
crash() { end main KILL || true; serve; }
# Between jobs the server goes without a word, with cartridges in its drives: they are still there, and Bacula goes on. Then mtx moves
# cartridges, and it goes again.
bacula_killed() {
  local before slots
  found
  before=$(mtx -f "$changer" status | grep Full)
  [ -n "$(slot_of 0)" ] && [ -n "$(slot_of 1)" ]
  crash
  within 60 mtx -f "$changer" status
  [ "$(mtx -f "$changer" status | grep Full)" = "$before" ]
  console 'run job=SmallOne yes' 'run job=SmallTwo yes' wait messages >/run/job
  terminated 2
  slots=("$(slot_of 0)" "$(slot_of 1)")
  console 'unmount storage=vtl drive=0' 'unmount storage=vtl drive=1' # Bacula has the robot unload them
  mtx -f "$changer" transfer 6 8
  before=$(mtx -f "$changer" status)
  no grep 'Data Transfer.*Full' <<<"$before"
  crash
  within 60 mtx -f "$changer" status
  [ "$(mtx -f "$changer" status)" = "$before" ]
  mtx -f "$changer" transfer 8 6
  console "mount storage=vtl drive=0 slot=${slots[0]}" "mount storage=vtl drive=1 slot=${slots[1]}"
  console 'run job=SmallOne yes' 'run job=SmallTwo yes' wait messages >/run/job
  terminated 2
  restore Small Two
  restored small
  restore Large One
  restored large
}
bacula_end() {
  local drive slot
  found
  console 'unmount storage=vtl drive=0' 'unmount storage=vtl drive=1'
  pkill bacula-
  for drive in 0 1; do
    slot=$(slot_of "$drive")
    [ -z "$slot" ] || mtx -f "$changer" unload "$slot" "$drive"
  done
}

# --- Amanda ---------------------------------------------------------------------------------------------------------

# as_backup COMMAND...: Amanda's own user
as_backup() { setpriv --reuid backup --regid backup --init-groups env HOME=/var/backups USER=backup LOGNAME=backup timeout 300 "$@"; }

amanda_start() {
  local file state=/var/lib/amanda/guest
  found
  # As the package would do it.
  usermod -aG tape,disk backup
  grep -q localhost /etc/hosts || echo '127.0.0.1 localhost lab' >>/etc/hosts
  mkdir -p /etc/amanda/guest "$state"/{log,info,index} /var/log/amanda /var/lib/amanda/gnutar-lists
  for file in amanda.conf disklist; do filled_in "$here/tape/amanda/$file" >"/etc/amanda/guest/$file"; done
  touch "$state/tapelist" /var/lib/amanda/amandates
  chown -R backup:backup /etc/amanda/guest /var/lib/amanda /var/log/amanda
  files /tmp/dumped/source 15 4M
  as_backup amcheck guest || true # it has a TypeError of its own
  as_backup amtape guest inventory | tee /run/job
  [ "$(grep -c '^slot ' /run/job)" = 6 ]
}
amanda_dump() {
  as_backup amdump guest
  as_backup amreport guest
  as_backup amadmin guest find
  cat /var/lib/amanda/guest/tapelist
  [ "$(wc -l </var/lib/amanda/guest/tapelist)" -ge 2 ] # two tapes
}
amanda_restore() {
  mkdir -p /tmp/dumped/restored && chown backup /tmp/dumped/restored
  (cd /tmp/dumped/restored && as_backup amfetchdump -p guest localhost /tmp/dumped/source </dev/null 2>/run/fetched | tar xf -) ||
    { cat /run/fetched; return 1; }
  diff -r /tmp/dumped/source /tmp/dumped/restored
}

finish() {
  if [ "$library" = tgt ]; then end peer KILL || true; return; fi
  # It was killed while cartridges were in drives.
  detach tcp vtl "$tcp"
  end main TERM
  awk '/level=(WARN|ERROR)|panic|leak/ && !/the cartridge was not closed/ {print; trouble = 1} END {exit trouble}' /run/main.log
}

steps=(setup start bacula_start bacula_label bacula_backup bacula_restore bacula_two_drives bacula_killed bacula_end
  amanda_start amanda_dump amanda_restore finish)
run_steps "$@"
