# Sourced by the scripts: puts in place what they need, and says nothing where it is there already.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONDONTWRITEBYTECODE  # hundreds of interpreters are started; each would compile all that it imports

say() {
    if [ -t 2 ]; then
        printf '\033[2m%s\033[0m\n' "$*" >&2
    else
        printf '%s\n' "$*" >&2
    fi
}

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

# Runs a command and shows what it said only when it failed.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "this failed: $*"
    fi
    rm -f "$log"
}

# Installs Debian packages. Existing configuration files win, so that nothing ever asks.
install_packages() {
    command -v apt-get >/dev/null || die "please install: $* (there is no apt-get here)"
    say "installing $*"
    quietly as_root apt-get -qq update
    quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@"
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
install_environment() {
    local stamp
    stamp=$(cat requirements/dev.lock pyproject.toml scripts/lib.sh | sha256sum | cut -d' ' -f1)
    if [ "$(cat .venv/.stamp 2>/dev/null)" = "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then
        return
    fi
    local python
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        install_packages python3-venv
    fi
    say "installing the Python packages into .venv"
    .venv/bin/python -m pip --version >/dev/null 2>&1 || quietly "$python" -m venv --clear .venv
    quietly .venv/bin/python -m pip install --quiet --require-hashes -r requirements/dev.lock
    quietly .venv/bin/python -m pip install --quiet --no-deps -e .
    quietly .venv/bin/python -m lambent.runtimes.libraries
    .venv/bin/python -m compileall -q .venv/lib src >/dev/null || true # as pip does, also for what it does not
    echo "$stamp" >.venv/.stamp
}

# PostgreSQL's programs without Debian's own cluster: the node makes one in its data folder.
install_postgres() {
    if type -P postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
        return
    fi
    as_root mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    install_packages postgresql
}

# What a benchmark's rivals and load generators need.
install_bench_tools() {
    local missing=()
    command -v wrk >/dev/null || missing+=(wrk)
    command -v bwrap >/dev/null || missing+=(bubblewrap)
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

setup() {
    install_environment
    install_postgres
    PATH=$PATH:/usr/sbin:/sbin type -P mkfs.ext4 >/dev/null || install_packages e2fsprogs # the sandboxes' /tmp
}
