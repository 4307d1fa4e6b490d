#!/bin/sh
# Documents stay true: every file and folder of the repository that they name is there, every make target too, nothing in them
# belongs to one machine, and the version stands in VERSION alone.
set -eu
DOCUMENTS='README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md SECURITY.md'
bad=0

for document in $DOCUMENTS; do
    [ -f "$document" ] || { echo "$document is missing"; bad=1; continue; }
    # alloc/page/{zone,pcp}.c is two names; a name may hold *.
    for path in $(grep -oE '\b(alloc|server|include|tests|tools|web|data)/[][A-Za-z0-9_.*{},/-]*' "$document" | sed 's/[.,]*$//' | sort -u); do
        for name in $(echo "$path" | awk -F'[{}]' 'NF == 3 { n = split($2, part, ","); for (i = 1; i <= n; i++) print $1 part[i] $3; next } { print }'); do
            # shellcheck disable=SC2086 # the shell expands *
            ls -d $name >/dev/null 2>&1 || { echo "$document names $name, which is not there"; bad=1; }
        done
    done
    for target in $(grep -oE '(`|^ +)make [a-z][^ `]*' "$document" | sed 's/.*make //' | grep -xE '[a-z-]+' | sort -u); do
        grep -qE "^([a-z-]+ )*$target( [a-z-]+)*:" Makefile || { echo "$document names make $target, which is not there"; bad=1; }
    done
    ! grep -nE '/(tmp/[a-z]+|home|root)/' "$document" || { echo "$document names a folder of one machine"; bad=1; }
done

stray=$(grep -lF "$(cat VERSION)" Makefile web/package.json data/* server/*/*.[ch] include/pagoda/*.h 2>/dev/null || true)
[ -z "$stray" ] || { echo "the version stands in VERSION alone, not in: $stray"; bad=1; }
exit $bad
