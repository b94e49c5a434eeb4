# The server under test, for iscsi.sh. Another server is another file with these three functions (LUNETTE_VM_SERVER).
# shellcheck shell=bash disable=SC2154 # here, address, iqn, user are iscsi.sh's

# server_start NAME PORT BLOCK-SIZE SECRET-FILE UNIT...: returns when the portal accepts connections. UNIT is
# file:PATH:SIZE or memory:SIZE; they become LUN 0, 1, ... With a SECRET-FILE it demands
# CHAP for discovery and login, with "" none. It runs in netns target.
server_start() {
  local name=$1 port=$2 block=$3 secret=$4 unit path size engine=reactors; shift 4
  # Both engines: main begins with goroutines, and is started again, in the middle of I/O, with reactors.
  [ "$name" != main ] || [ -e "/run/$name.log" ] || engine=goroutines
  local arguments=(serve --portal "$address:$port" --target "$iqn:$name" --block-size "$block" --socket "/run/$name.sock" --engine "$engine")
  [ -z "$secret" ] || arguments+=(--chap "$user:$secret" --discovery-chap "$user:$secret")
  for unit in "$@"; do
    case $unit in
      file:*) path=${unit#file:} size=${path##*:} path=${path%:*}
        [ -e "$path" ] || truncate -s "$size" "$path"
        arguments+=("$path") ;;
      memory:*) arguments+=(--memory "${unit#memory:}") ;;
    esac
  done
  daemon "$name" "$port" "$here/lunette" "${arguments[@]}"
}

# server_stop NAME: asks it to end; its exit status.
server_stop() { end "$1" TERM; }

# server_kill NAME: ends it without a word.
server_kill() { end "$1" KILL || true; }
