#!/usr/bin/env bash
# Sets the project up: a virtual environment in .venv with the pinned Python
# packages, and the system packages that sound and score pictures need. What is
# there already is left alone, so a second run takes a moment.
#
#   tools/setup.sh [--retry]     --retry: ask apt again for what it couldn't bring
#
#   PYTHON        the interpreter, 3.11 or newer; by default the first one found
#   TORCH_INDEX   where PyTorch's CPU build comes from; empty: pip's ordinary
#                 index, which on Linux brings the CUDA build, several GB
set -euo pipefail
cd "$(dirname "$0")/.."
trap 'exit 130' INT
trap 'exit 143' TERM

VENV=.venv
VENV_PYTHON=$VENV/bin/python
STAMP=$VENV/.set-up            # what the environment was made from
UNFINISHED=$VENV/.unfinished   # pip was killed half-way
REFUSED=$VENV/.not-installed   # what apt couldn't bring the last time
TORCH_INDEX=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}
SYSTEM_PACKAGES=(fluidsynth libcsnd-dev csound fluid-soundfont-gm libcairo2)
PIP=("$VENV_PYTHON" -m pip --quiet --disable-pip-version-check --no-input)
export PIP_USER=0

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# ---------------------------------------------------------------- Python

# Prints 3.11 or the like; fails for an older one, or none.
version_of() {
    "$1" -c 'import sys
if sys.version_info < (3, 11): sys.exit(1)
print(*sys.version_info[:2], sep=".")' 2>/dev/null
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        version_of "$PYTHON" >/dev/null ||
            fail "PYTHON=$PYTHON is not a Python 3.11 or newer; name another one"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if version_of "$candidate" >/dev/null; then
            PYTHON=$candidate
            return
        fi
    done
    fail "Python 3.11 or newer is needed, and none was found; name one: make run PYTHON=/path/to/python3"
}

venv_works() { [ -x "$VENV_PYTHON" ] && "$VENV_PYTHON" -m pip --version >/dev/null 2>&1; }

# ---------------------------------------------------------------- apt

not_installed() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            printf '%s ' "$package"
    done
}

# How root's commands are run here; fails where they can't be without a password.
become_root() {
    if [ "$(id -u)" = 0 ]; then
        ROOT=(env)
    elif sudo -n true 2>/dev/null; then
        ROOT=(sudo -n env)
    else
        return 1
    fi
}

apt() {
    "${ROOT[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15 \
        -o DPkg::Lock::Timeout=60 "$@" >/dev/null
}

apt_install() {
    local package
    if ! become_root; then
        say "not root, and sudo asks for a password: going on without system packages"
        return
    fi
    say "apt installs $* (the SoundFont alone is 130 MB)"
    apt update || say "apt can't refresh its lists; going on with the ones it has"
    apt install --no-install-recommends "$@" && return
    # One unknown name must not keep the others out.
    for package in "$@"; do
        apt install --no-install-recommends "$package" || say "apt can't install $package"
    done
}

purpose() {
    case $1 in
        fluidsynth) echo "FluidSynth's sound" ;;
        libcsnd-dev) echo "Csound's sound" ;;
        csound) echo "playing exported .csd files" ;;
        fluid-soundfont-gm) echo "the piano, a SoundFont" ;;
        libcairo2) echo "score pictures as PNG and PDF" ;;
        *) echo "virtual environments" ;;
    esac
}

apt_command() {
    local sudo="sudo "
    [ "$(id -u)" != 0 ] || sudo=
    echo "${sudo}apt-get install --no-install-recommends $*"
}

system_packages() {
    local missing package
    local wanted=("${SYSTEM_PACKAGES[@]}")
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || return 0
    if ! venv_works && ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        wanted+=("python$(version_of "$PYTHON")-venv")
    fi
    read -ra missing <<<"$(not_installed "${wanted[@]}")"
    if [ ${#missing[@]} -gt 0 ] && [ "${missing[*]}" != "$(cat "$REFUSED" 2>/dev/null)" ]; then
        apt_install "${missing[@]}"
        read -ra missing <<<"$(not_installed "${wanted[@]}")"
    fi
    MISSING=("${missing[@]}")
}

report_missing() {
    local package
    if [ ${#MISSING[@]} -eq 0 ]; then
        rm -f "$REFUSED"
        return
    fi
    echo "${MISSING[*]}" >"$REFUSED"
    say "missing; all else works:"
    for package in "${MISSING[@]}"; do
        say "    $package: $(purpose "$package")"
    done
    say "this command brings them:  $(apt_command "${MISSING[@]}")"
}

# ---------------------------------------------------------------- pip

fingerprint() {
    { pwd -P; "$VENV_PYTHON" -V; cat pyproject.toml constraints.txt; } 2>&1 | cksum
}

make_venv() {
    local version
    if [ ! -e "$UNFINISHED" ] && venv_works; then
        version=$(version_of "$VENV_PYTHON") || version=
        # A PYTHON that was asked for must be the one that runs.
        if [ -n "$version" ] && { [ -z "$ASKED" ] || [ "$version" = "$(version_of "$ASKED")" ]; }; then
            return
        fi
    fi
    [ -n "${PYTHON:-}" ] || find_python
    say "making the virtual environment $VENV with $PYTHON ($(version_of "$PYTHON"))"
    "$PYTHON" -m venv --clear "$VENV" || fail "$PYTHON can't make a virtual environment; on Debian \
and Ubuntu this helps: $(apt_command "python$(version_of "$PYTHON")-venv")"
}

# Whether an index answers within 5 s. The thread bounds a hanging name server too.
answers() {
    "$VENV_PYTHON" - "$1" <<'PROBE'
import os, sys, threading, urllib.request

ok = []

def probe():
    with urllib.request.urlopen(sys.argv[1].rstrip("/") + "/torch/", timeout=5) as reply:
        reply.read(1)
    ok.append(True)

threading.excepthook = lambda args: None
thread = threading.Thread(target=probe, daemon=True)
thread.start()
thread.join(5)
os._exit(0 if ok else 1)
PROBE
}

# PyTorch's own index has its CPU build; on Linux the ordinary one has CUDA's.
install_torch() {
    local torch
    torch=$(grep '^torch==' constraints.txt)
    if [ -z "$TORCH_INDEX" ] || [ "$(uname -s)" != Linux ]; then
        say "PyTorch comes from pip's ordinary index"
        return
    fi
    "$VENV_PYTHON" -c "import sys
from importlib.metadata import version
sys.exit('torch==' + version('torch').partition('+')[0] != '$torch')" 2>/dev/null && return
    if ! answers "$TORCH_INDEX"; then
        say "TORCH_INDEX=$TORCH_INDEX doesn't answer: PyTorch comes from pip's ordinary index"
        return
    fi
    say "PyTorch: the CPU build from $TORCH_INDEX"
    "${PIP[@]}" install --no-deps --timeout 15 --retries 1 --index-url "$TORCH_INDEX" "$torch" ||
        say "that failed: PyTorch comes from pip's ordinary index"
}

python_packages() {
    if [ ! -e "$UNFINISHED" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$(fingerprint)" ]; then
        return
    fi
    rm -f "$STAMP"
    touch "$UNFINISHED"
    say "installing the Python packages into $VENV (a minute or two)"
    local status=0
    "${PIP[@]}" install -c constraints.txt --upgrade setuptools &&
        install_torch &&
        "${PIP[@]}" install -c constraints.txt --no-build-isolation --editable '.[dev]' || status=$?
    rm -f "$UNFINISHED"
    [ "$status" = 0 ] || fail "pip couldn't install the packages (is there a network?); see above"
    fingerprint >"$STAMP"
    command -v apt-get >/dev/null ||
        say "no apt here: \`$VENV_PYTHON -m coconet doctor\` tells which sound is missing"
    say "done"
}

# ---------------------------------------------------------------- all of it

# One set-up at a time: a second one waits, then finds everything done.
if command -v flock >/dev/null; then
    exec 9<tools/setup.sh
    flock 9
fi
if [ "${1:-}" = --retry ]; then
    rm -f "$REFUSED"
fi
ASKED=${PYTHON:-}
MISSING=()
if [ -n "$ASKED" ] || ! venv_works; then
    find_python
fi
system_packages
make_venv
python_packages
report_missing
