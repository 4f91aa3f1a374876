#!/bin/sh
# Make .venv with the pinned requirements and this checkout in it. Quick when nothing changed; asks nothing.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/.callmq-setup
FITS='import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

find_python() {
    for candidate in ${CALLMQ_PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c "$FITS" 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Python 3.11, 3.12 or 3.13 is needed and was not found (${CALLMQ_PYTHON:-python3 python3.13 python3.12 python3.11}). Install one, or name one: CALLMQ_PYTHON=/path/to/python3 make setup"
}

# Debian keeps ensurepip, which a virtual environment needs, in a package of its own.
install_ensurepip() {
    version=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    how="Install it (Debian, Ubuntu: apt-get install $version) and try again."
    command -v apt-get >/dev/null || die "$1 can't make virtual environments: its ensurepip is missing. $how"
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        die "$1 can't make virtual environments: $version is missing, and installing it takes root. $how"
    fi
    say "installing $version with apt-get ..."
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300"
    log=$(mktemp)
    if ! { $apt update && $apt install --no-install-recommends "$version" ca-certificates; } >"$log" 2>&1; then
        tail -n 8 "$log" >&2
        rm -f "$log"
        die "apt-get failed. $how"
    fi
    rm -f "$log"
}

wanted() {
    cat requirements/dev.txt pyproject.toml deploy/setup.sh | cksum
    "$VENV/bin/python" -V
    pwd
}

if [ -f "$STAMP" ] && "$VENV/bin/python" -c "$FITS" 2>/dev/null && [ "$(wanted 2>&1)" = "$(cat "$STAMP")" ]; then
    exit 0
fi

if ! "$VENV/bin/python" -c "$FITS; import pip" 2>/dev/null; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_ensurepip "$python"
    say "making $VENV with $("$python" -V) ..."
    "$python" -m venv --clear "$VENV"
fi

rm -f "$STAMP"
say "installing the pinned requirements (about a minute the first time) ..."
pip="$VENV/bin/python -m pip install -qq --no-input --disable-pip-version-check"
$pip --require-hashes --only-binary :all: -r requirements/dev.txt ||
    die "the requirements could not be installed: see above. Without a network, a mirror can be named in pip's own settings."
$pip --no-deps --no-build-isolation --editable . || die "this checkout could not be installed: see above."
wanted >"$STAMP"
say "ready."
