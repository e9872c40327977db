#!/bin/sh
# Installs the programs outside Python that the tests call: Node.js with npm, and the locked npm packages of the tests.
# On Debian and its relatives through apt-get; elsewhere it says what to install. Safe to run again.
set -eu
cd "$(dirname "$0")/.."

has() {
    command -v "$1" >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

if ! has node || ! has npm; then
    if ! has apt-get; then
        echo "servers: node and npm are missing: install Node.js 18 or newer with your system's package manager" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ] && ! has sudo; then
        echo "servers: node and npm are missing: run as root: apt-get install nodejs npm" >&2
        exit 1
    fi
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm
fi
echo "servers: node $(node --version), npm $(npm --version)"

find tests -name node_modules -prune -o -name package-lock.json -print | while read -r lock; do
    npm ci --prefix "$(dirname "$lock")" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
done
