# A tape library of lunette, and how its units are found when they are attached; scripts of checks. Sourced by scripts in a lab guest,
# with lib.sh and attach.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # address, iqn, store and ports are the script's, which uses what is found here

# --- the server -----------------------------------------------------------------------------------------------------

# library_create MIB: the library "vtl", with cartridges of that many MiB in slots 1 to 6
library_create() {
  "$here/lunette" vtl create vtl --library ibm-ts3500 --drives 2xlto5 --slots 8 --mailslots 2 --cartridges 6:L5 --size "$1M" --barcode-prefix LUN \
    --store "$store" --portal "$address:$tcp" --out /run/created.yaml
  cat /run/created.yaml
}

# library_document ENGINE: it, at the target "vtl": LUN 0 is its robot, 1 and 2 are the drives
library_document() {
  cat <<-DOCUMENT
	version: 1
	portals: ['iscsi+tcp://$address:$tcp'${iser:+, 'iser+iwarp://$address:$iser', 'srp+iwarp://$address:$srp'}]
	network: {engine: $1}
	units: [{name: vtl, device: {kind: library, store: $store, library: ibm-ts3500, drives: [2xlto5], slots: 8, mail-slots: 2}}]
	targets: [{name: "$iqn:vtl", luns: {0: vtl/changer, 1: vtl/drive0, 2: vtl/drive1}}]
	DOCUMENT
}

# serve [ENGINE]
serve() {
  library_document "${1:-reactors}" >/run/main.yaml
  daemon main "$tcp" "$here/lunette" serve --config /run/main.yaml --socket "$socket"
}

# --- the initiator's side -------------------------------------------------------------------------------------------

# session_host NAME PORT: the kernel's host of the iSCSI session with it
session_host() {
  local s
  for s in /sys/class/iscsi_session/session*; do
    [ "$(cat "$s/targetname")" = "$iqn:$1" ] || continue
    [ "$(cat "$s"/device/connection*/iscsi_connection/*/persistent_port)" = "$2" ] || continue
    s=$(readlink -f "$s/device")
    s=${s%/session*} && echo "${s##*/}" && return
  done
  return 1
}

# units HOST: finds what is behind it, in the order of LUNs: $drives (not rewinding), $generic, theirs for any command, and $changer
units() {
  local d number=${1#host}
  drives=() generic=() changer=
  for d in /sys/class/scsi_device/"$number":*/device; do
    case $(cat "$d/type") in
      1)
        drives+=("/dev/$(basename "$d"/scsi_tape/nst?)")
        generic+=("/dev/$(basename "$d"/scsi_generic/sg*)")
        ;;
      8) changer=/dev/$(basename "$d"/scsi_generic/sg*) ;;
    esac
  done
  echo "drives ${drives[*]} (${generic[*]}), changer $changer"
  [ "${#drives[@]}" = 2 ] && [ -n "$changer" ] && [ -c "${drives[1]}" ] && [ -c "$changer" ]
}

# attach TRANSPORT NAME PORT, and its end
attach() {
  if [ "$1" = srp ]; then
    # A command has room for 12 pieces of memory unless more is asked for. What has more Linux's st sends from a buffer of its own, of
    # pages that belong together, of which the first alone is counted. siw of Linux 6.1 gives each of them to TCP by reference, without
    # asking for such: the last reference is then TCP's, which frees them under st (seen at do_tcp_sendpages, as pages with no references).
    srp_login "$2" cmd_sg_entries=255,sg_tablesize=255
    within 20 units "$(srp_host "$2")"
    units "$(srp_host "$2")"
    return
  fi
  local face=default; [ "$1" = tcp ] || face=iser
  admin -m node -T "$iqn:$2" -p "$address:$3,1" -I "$face" -o new
  set_node "$2" "$3" 'node.conn[0].timeo.noop_out_interval' 10 'node.conn[0].timeo.noop_out_timeout' 60 node.session.err_timeo.abort_timeout 30
  if [ "$1" = tcp ]; then login "$2" "$3"; else iser_log_in "$2" "$3"; fi
  within 20 units "$(session_host "$2" "$3")"
  units "$(session_host "$2" "$3")"
}
detach() {
  case $1 in
    srp) srp_logout "$2" ;;
    tcp) logout "$2" "$3" ;;
    iser) logout "$2" "$3" iser ;;
  esac
}

# --- scripts of checks ----------------------------------------------------------------------------------------------

# checked COUNT COMMAND...: it says that many times "ok WHAT", and "BAD WHAT" not once
checked() {
  local count=$1; shift
  "$@" >/run/checks || true
  cat /run/checks
  ! grep -q '^BAD ' /run/checks && [ "$(grep -c '^ok ' /run/checks)" = "$count" ] && return
  echo "$(grep -c '^ok ' /run/checks) of $count checks are ok, $(grep -c '^BAD ' /run/checks) are not"
  return 1
}

# tools.sh, with the library whose units were found, and how many checks it has
tools=84
tools() { timeout 200 "$here/tape/tools.sh" "$changer" "${drives[@]}" "${generic[@]}"; }

# failing COUNT FILE COMMAND...: of so many checks exactly those fail that the file has, a line each
failing() {
  local count=$1 file=$2; shift 2
  "$@" >/run/all || true
  cat /run/all
  awk '
    FILENAME == ARGV[1] { known[$0] = 1; next }
    /^ok / { what = substr($0, 4); print (what in known ? "BAD " what ": it succeeds" : $0) }
    /^BAD / {
      what = substr($0, 5); found = 0
      for (each in known) if (what == each || index(what, each ": ") == 1) found = 1
      print (found ? "ok fails: " what : $0)
    }' "$file" /run/all >/run/checks
  ! grep '^BAD ' /run/checks && [ "$(grep -c '^ok ' /run/checks)" = "$count" ] && return
  echo "$(grep -c '^ok ' /run/checks) of $count checks are as they are known"
  return 1
}
