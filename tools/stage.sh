#!/bin/sh
# One stage of the tests: `stage.sh NAME COMMAND...` runs the command. When STAGES names a folder (`make test` and the like), stages
# run side by side: the output of each is kept in STAGES/NAME.log and printed in one piece at its end, and its time is noted
# (on a busy machine, its time of CPU says more).
# `stage.sh --table` prints the times, slowest first; it ends with 1 if a stage failed.
set -u

print_table() {
    [ -f "$STAGES/times" ] || { echo 'no stage has run'; exit 1; }
    sort -k1,1nr "$STAGES/times" | awk -v stages="$STAGES" -v began="$(cat "$STAGES/began")" -v now="$(date +%s)" '
        function row(name, seconds, cpu, word) { printf "%-24s %8d %8d  %s\n", name, seconds, cpu, word }
        BEGIN { printf "%-24s %8s %8s\n", "stage", "seconds", "of CPU" }
        { cpu += $2 }
        $4 != "passed" { row($3, $1, $2, "FAILED: " stages "/" $3 ".log"); failed++; next }
        $1 < 3 { small++; seconds += $1; small_cpu += $2; next }
        { row($3, $1, $2, "") }
        END {
            if (small) row(small " of less than 3 s", seconds, small_cpu, "")
            row("all, side by side", now - began, cpu, failed ? failed " FAILED" : "passed")
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
# Of this shell, not of one of its own: no pipe. The second line is about the children: "1m2.5s 0m0.25s", user and system.
times >"$STAGES/$name.times"
cpu=$(awk -F'[ms ]+' 'NR == 2 { printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }' "$STAGES/$name.times")
word=passed
[ $code = 0 ] || word=FAILED
(
    flock 9
    echo "== $name: $word in $seconds s"
    cat "$STAGES/$name.log"
    echo "$seconds $cpu $name $word" >>"$STAGES/times"
) 9>"$STAGES/lock"
exit $code
