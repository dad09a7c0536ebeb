#!/usr/bin/env bash
# Create .venv with the first Python that is new enough; leave an existing .venv alone.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .venv/bin/python ] && exit 0

for python in ${PYTHON:-} python3.11 python3 python3.12 python3.13; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "Creating .venv with $("$python" --version)"
        "$python" -m venv .venv
        exit 0
    fi
done

found=$(python3 --version 2>/dev/null || echo "no python3")
echo "volpose needs Python 3.11 or newer, but found $found." >&2
echo "Install it, or name it: make PYTHON=/path/to/python3.11" >&2
exit 1
