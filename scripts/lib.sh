# Sourced by the scripts: puts in place what they need, and says nothing where it is there already.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '\033[2m%s\033[0m\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        command -v sudo >/dev/null || die "root is needed for: $* (and there is no sudo)"
        sudo "$@"
    fi
}

# Installs Debian packages. Existing configuration files win, so that nothing ever asks.
packages() {
    command -v apt-get >/dev/null || die "please install: $* (there is no apt-get here)"
    say "installing $*"
    local log
    log=$(mktemp)
    if ! { as_root apt-get -qq update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
            -o Dpkg::Options::=--force-confold "$@"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "apt-get could not install $*"
    fi
    rm -f "$log"
}

find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$name"
            return
        fi
    done
    die "python3 >= 3.11 is needed and was not found"
}

# The virtual environment `.venv`, as the lock file says; a stamp tells when nothing has changed.
environment() {
    local stamp
    stamp=$(cat requirements/dev.lock pyproject.toml scripts/lib.sh | sha256sum | cut -d' ' -f1)
    if [ "$(cat .venv/.stamp 2>/dev/null)" = "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then
        return
    fi
    local python
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        packages python3-venv
    fi
    say "installing the Python packages into .venv"
    [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements/dev.lock
    .venv/bin/python -m pip install --quiet --no-deps -e .
    .venv/bin/python -m lambent.runtimes.libraries >&2
    echo "$stamp" >.venv/.stamp
}

# PostgreSQL's programs without Debian's own cluster: the node makes one in its data folder.
postgres() {
    if command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
        return
    fi
    as_root mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    packages postgresql
}

# What a benchmark's rivals and load generators need.
bench_tools() {
    local missing=()
    command -v wrk >/dev/null || missing+=(wrk)
    command -v bwrap >/dev/null || missing+=(bubblewrap)
    [ ${#missing[@]} = 0 ] || packages "${missing[@]}"
}

setup() {
    environment
    postgres
}
