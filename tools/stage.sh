#!/bin/sh
# One stage of the tests: `stage.sh NAME COMMAND...` runs the command. When STAGES names a folder (`make test` and the like), stages
# run side by side: the output of each is kept in STAGES/NAME.log and printed in one piece at its end, and its time is noted.
# `stage.sh --table` prints the times, slowest first; it ends with 1 if a stage failed.
set -u

print_table() {
    [ -f "$STAGES/times" ] || { echo 'no stage has run'; exit 1; }
    sort -k1,1nr "$STAGES/times" | awk -v stages="$STAGES" -v began="$(cat "$STAGES/began")" -v now="$(date +%s)" '
        BEGIN { printf "%-28s %8s\n", "stage", "seconds" }
        $3 != "passed" { printf "%-28s %8d  FAILED: %s/%s.log\n", $2, $1, stages, $2; failed++; next }
        $1 < 3 { small++; sum += $1; next }
        { printf "%-28s %8d\n", $2, $1 }
        END {
            if (small) printf "%-28s %8d\n", small " of less than 3 s", sum
            printf "%-28s %8d  %s\n", "in all, side by side", now - began, failed ? failed " FAILED" : "all passed"
            exit failed > 0
        }'
    exit $?
}

[ "$1" != --table ] || print_table
name=$1
shift
[ -n "${STAGES:-}" ] || exec "$@"

echo "-- $name: runs"
began=$(date +%s)
"$@" >"$STAGES/$name.log" 2>&1
code=$?
seconds=$(($(date +%s) - began))
word=passed
[ $code = 0 ] || word=FAILED
(
    flock 9
    echo "== $name: $word in $seconds s"
    cat "$STAGES/$name.log"
    echo "$seconds $name $word" >>"$STAGES/times"
) 9>"$STAGES/lock"
exit $code
