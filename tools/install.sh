#!/bin/sh
# Installs the Debian packages that are missing: those to build with; with PAGODA_TEST_DEPS=1 also those to test with. As root
# it calls apt-get; otherwise it prints the one line to run, and stops.
set -eu
packages="gcc make pkg-config libmicrohttpd-dev libjansson-dev libsqlite3-dev zlib1g-dev libzstd-dev nodejs npm"
[ -z "${PAGODA_TEST_DEPS:-}" ] || packages="$packages clang binutils libcmocka-dev chromium sqlite3"

missing=
for package in $packages; do
    case $package in # a compiler or Node.js from elsewhere is as good
    gcc | make | clang | npm) command -v "$package" >/dev/null && continue ;;
    nodejs) command -v node >/dev/null && continue ;;
    esac
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null || true
    # shellcheck disable=SC2086
    exec apt-get install -q -y --no-install-recommends $missing
fi
echo "missing packages; run: sudo apt-get install --no-install-recommends$missing" >&2
exit 1
