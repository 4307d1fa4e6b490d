#!/bin/sh
# Installs the Debian packages that are missing. `install.sh [KIND...]`: build (always), test, long, lint, coverage, fuzz. As root it
# calls apt-get; otherwise it prints the one line to run, and ends with 1. `install.sh --missing [KIND...]` only prints what is
# missing.
set -eu
LOCK_WAIT_S=300 # how long to wait for another apt

list_packages() {
    echo gcc make pkg-config libmicrohttpd-dev libjansson-dev libsqlite3-dev libsodium-dev zlib1g-dev libzstd-dev nodejs npm
    for kind; do
        case $kind in
        build) ;;
        test) echo binutils libcmocka-dev chromium-headless-shell python3 sqlite3 util-linux zstd ;;
        long) echo nginx-light haproxy ;;
        lint) echo clang clang-format clang-tidy cppcheck shellcheck libcmocka-dev ;;
        coverage) echo gcovr libcmocka-dev ;;
        fuzz) echo clang libclang-rt-14-dev ;;
        *) echo "install.sh: no kind \"$kind\"" >&2 && exit 2 ;;
        esac
    done
}

# A compiler, a library or Node.js from elsewhere is as good as Debian's.
is_present() {
    case $1 in
    nodejs) command -v node ;;
    pkg-config | gcc | make | npm | chromium-headless-shell | python3 | sqlite3 | zstd | haproxy | clang | clang-format | clang-tidy | cppcheck | shellcheck | gcovr)
        command -v "$1" ;;
    binutils) command -v objcopy ;;
    nginx-light) command -v nginx ;;
    util-linux) command -v flock ;;
    zlib1g-dev) pkg-config --exists zlib ;;
    libsqlite3-dev) pkg-config --exists sqlite3 ;;
    libsodium-dev) pkg-config --exists libsodium ;;
    libjansson-dev | libcmocka-dev) library=${1#lib} && pkg-config --exists "${library%-dev}" ;;
    libclang-rt-14-dev) [ -n "$(find /usr/lib/llvm-* -name 'libclang_rt.fuzzer-*.a' -print -quit 2>/dev/null)" ] ;;
    lib*-dev) pkg-config --exists "${1%-dev}" ;;
    esac >/dev/null 2>&1
}

only_print=
[ "${1:-}" != --missing ] || { only_print=1 && shift; }
packages=$(list_packages "$@")
missing=
for package in $packages; do
    is_present "$package" || case "$missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac
done
[ -z "$only_print" ] || { echo "${missing# }" && exit 0; }
[ -n "$missing" ] || exit 0
# The shell is Chromium without windows: twice as quick to test with, but a Chromium that is there will do.
will_do=
[ "$missing" != " chromium-headless-shell" ] || ! command -v chromium >/dev/null || will_do=1
if [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q -o DPkg::Lock::Timeout=$LOCK_WAIT_S >/dev/null || true
    # shellcheck disable=SC2086 # one word a package
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=$LOCK_WAIT_S $missing || [ -n "$will_do" ]
    exit
fi
[ -z "$will_do" ] || exit 0
echo "missing packages; run: sudo apt-get install --no-install-recommends$missing" >&2
exit 1
