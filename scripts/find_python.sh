#!/bin/sh
# Prints the path of the Python to build .venv with: $1 if given, else the first of the usual names that runs, is
# 3.11 or newer and can make virtual environments. Each candidate is run, for a name on the PATH may lead nowhere.
set -eu

if [ -n "${1:-}" ]; then
    set -- "$1"
    remedy="name another with PYTHON=..."
else
    set -- python3 python python3.13 python3.12 python3.11 python3.14
    remedy="install one (Debian: apt-get install python3 python3-venv), or name it: make setup PYTHON=/path/to/python3"
fi

without_venv=
for candidate do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        exec "$candidate" -c 'import sys; print(sys.executable)'
    fi
    without_venv="$candidate"
done

if [ -n "$without_venv" ]; then
    echo "setup: $without_venv has no venv module: install it (Debian: apt-get install python3-venv), or name another: make setup PYTHON=/path/to/python3" >&2
else
    echo "setup: no Python 3.11 or newer found (tried: $*): $remedy" >&2
fi
exit 1
