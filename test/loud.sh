#!/bin/bash
# Runs "go test -v" with the given arguments and prints what matters: a line for each package, the
# totals of libiscsi's suite, and each test that was skipped with its reason; everything, if something failed,
# and once more at the end, where whoever sees only the end of it looks, what failed.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${GO:-go}" test -v "$@" >"$log" 2>&1
status=$?
if ((status != 0)); then
  cat "$log"
  echo "what failed:"
  # A test says why before the line that says that it failed; a package that panics or does not compile says it at once.
  awk '
    /^=== (RUN|CONT|NAME) / { test = $3; next }
    /^ *--- FAIL: / { print why[$3] $0; next }
    /^(FAIL|panic:|WARNING: DATA RACE|fatal error:|# )/ && !/^FAIL$/ { print; next }
    /^ +[^ ]+\.go:[0-9]+: / { if (n[test]++ < 5) why[test] = why[test] $0 "\n" }' "$log" | tail -n 40
  exit "$status"
fi
grep -E '^ok' "$log"
grep -oE 'iscsi-test-cu: [0-9]+ passed.*' "$log"
# A subtest's reason is said when it runs, long before the line that says it was skipped.
awk '
  /^=== (RUN|CONT|NAME) / { test = $3 }
  /^ +[^ ]+\.go:[0-9]+: / { sub(/^ */, ""); why[test] = $0 }
  /^ *--- SKIP: / { print "skipped " $3 ": " why[$3]; n++ }
  END { print n + 0 " tests skipped" }' "$log"
