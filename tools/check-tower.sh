#!/bin/sh
# The two towers, bottom up. A file may include headers of its own folder and of folders that stand before it; the engine's only
# door for the server is include/pagoda. `check-tower.sh BUILD` looks at the objects in BUILD; without, only at the folders.
set -eu
ENGINE='base memory page reclaim pgtable slab vmalloc process malloc machine view proc'
SERVER='base json store lab import export http api cmd'

# floor TOWER FOLDERS: prints "FOLDER NUMBER" a line.
floors() {
    number=0
    for folder in $2; do
        number=$((number + 1))
        echo "$1/$folder $number"
    done
}
FLOORS=$(floors alloc "$ENGINE"; floors server "$SERVER")

bad=0
for tower in alloc server; do
    stray=$(find $tower -name '*.[ch]' | awk -F/ -v floors="$FLOORS" '
        BEGIN { n = split(floors, line, "\n"); for (i = 1; i <= n; i++) { split(line[i], word, " "); known[word[1]] = 1 } }
        NF < 3 || !(($1 "/" $2) in known)')
    [ -z "$stray" ] || { echo "no floor has: $stray"; bad=1; }
done

# Includes: what the compiler read for each object, by its .d file, however it was spelt and through whichever header.
if [ $# -gt 0 ]; then
    objects=$(find alloc server -name '*.c' | sort | sed "s,\\(.*\\)\\.c,$1/\\1.o,")
    # shellcheck disable=SC2046
    upward=$(cat $(echo "$objects" | sed 's,o$,d,') | awk -v floors="$FLOORS" '
        BEGIN { n = split(floors, line, "\n"); for (i = 1; i <= n; i++) { split(line[i], word, " "); floor[word[1]] = word[2] } }
        function folder(path,  part) { split(path, part, "/"); return part[1] "/" part[2] }
        {
            for (i = 1; i <= NF; i++) {
                if ($i ~ /:$/ || $i == "\\") continue
                sub(/^\.\//, "", $i)
                while ($i ~ /[^\/]+\/\.\.\//) sub(/[^\/]+\/\.\.\//, "", $i)
                if ($i ~ /\.c$/) { from = $i; continue }
                if ($i !~ /^(alloc|server|web|tests|tools)\//) continue
                split(from, own, "/"); split($i, to, "/")
                if (own[1] != to[1] || floor[folder($i)] > floor[folder(from)])
                    print from ": includes " $i (own[1] == to[1] ? ", of a floor above" : ", which is no part of its tower")
            }
        }' | sort -u)
    [ -z "$upward" ] || { echo "$upward"; bad=1; }
fi

# Calls: a symbol that one object defines and another uses, by nm. Handed-in functions are no symbols, so they may go up. What
# the server uses of the engine stands in include/pagoda. Objects whose source is gone do not count.
if [ $# -gt 0 ]; then
    # shellcheck disable=SC2086
    calls=$(nm -A -P $objects 2>/dev/null | awk -v root="$1/" -v floors="$FLOORS" -v faces="$(cat include/pagoda/*.h)" '
        BEGIN { n = split(floors, line, "\n"); for (i = 1; i <= n; i++) { split(line[i], word, " "); floor[word[1]] = word[2] } }
        BEGIN { n = split(faces, word, /[^A-Za-z0-9_]+/); for (i = 1; i <= n; i++) face[word[i]] = 1 }
        { file = $1; sub(/:$/, "", file); sub(root, "", file); name = $2; type = $3 }
        type ~ /^[TDBRVW]$/ { home[name] = file }
        type == "U" { user[++m] = file; used[m] = name }
        END {
            for (i = 1; i <= m; i++) {
                if (!(used[i] in home)) continue
                split(user[i], from, "/"); split(home[used[i]], to, "/")
                if (from[1] == "server" && to[1] == "alloc" && !(used[i] in face))
                    print user[i] ": uses " used[i] " of " home[used[i]] ", which include/pagoda does not have"
                if (from[1] == to[1] && floor[to[1] "/" to[2]] > floor[from[1] "/" from[2]])
                    print user[i] ": calls " used[i] " of " home[used[i]] ", a floor above"
            }
        }')
    [ -z "$calls" ] || { echo "$calls"; bad=1; }
fi
exit $bad
