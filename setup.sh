# Set up the pipeline's environment.  Source it, from bash or zsh:
#
#     source setup.sh [--venv DIR]
#
# The first time it creates a virtual environment (default: .venv beside this file) from the
# pinned requirements and makes law's index of tasks; later it only sets variables.  An environment that is
# already active (venv or conda, not conda's "base") is used instead if it holds the pinned packages.
#
# Variables a user may set before: TAUML_STORE (folder of all outputs, default: store beside this
# file), TAUML_WORKERS (branches at a time, default: number of cores).

_tauml_say() { printf 'setup.sh: %s\n' "$*" >&2; }

_tauml_find_python() {
    # Prints a Python 3.11 that can make environments.
    local candidate
    for candidate in python3.11 python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

_tauml_install() {
    # _tauml_install ENVIRONMENT: the pinned packages; uv is fast, pip is the fallback (which would leave law
    # without a list of its files, were it not told to build as uv does).
    local uv_pin
    uv_pin="$(grep -E '^uv==' "$TAUML_BASE/requirements/bootstrap.txt")"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check "$uv_pin" || return 1
    if "$1/bin/python" -m uv pip install --python "$1/bin/python" --require-hashes --compile-bytecode \
        -r "$TAUML_BASE/requirements/lock.txt"; then
        return 0
    fi
    _tauml_say "uv could not install; trying pip"
    "$1/bin/python" -m pip install --disable-pip-version-check --use-pep517 --require-hashes -r "$TAUML_BASE/requirements/lock.txt"
}

_tauml_create() {
    # _tauml_create ENVIRONMENT: a new virtual environment with the pinned packages.
    local python
    if [ ! -x "$1/bin/python" ]; then
        if command -v uv >/dev/null 2>&1; then
            uv venv --quiet --seed --python 3.11 "$1" || return 1
        elif python="$(_tauml_find_python)"; then
            "$python" -m venv "$1" || return 1
        else
            _tauml_say "no Python 3.11 with venv found. Install it (Debian: python3.11 and python3.11-venv),"
            _tauml_say "or install uv, or use conda: conda env create -f environment.yml && conda activate taumltools"
            return 1
        fi
    fi
    _tauml_say "installing the pinned packages into $1 (once, a few minutes, about 4.5 GB)"
    _tauml_install "$1" || {
        _tauml_say "the installation did not finish; see the message above, then source setup.sh again to resume"
        return 1
    }
}

_tauml_environment() {
    # Decide on the environment, make it complete, activate it.
    local wanted="$1" stamp lock_sum
    lock_sum="$(sha256sum "$TAUML_BASE/requirements/lock.txt" | cut -c1-16)"
    if [ -z "$wanted" ] && [ -n "${VIRTUAL_ENV:-}" ] && [ -x "$VIRTUAL_ENV/bin/python" ]; then
        wanted="$VIRTUAL_ENV"
        _tauml_active=1
    elif [ -z "$wanted" ] && [ -n "${CONDA_PREFIX:-}" ] && [ "${CONDA_DEFAULT_ENV:-base}" != base ]; then
        wanted="$CONDA_PREFIX"
        _tauml_active=1
    fi
    wanted="${wanted:-$TAUML_BASE/.venv}"
    stamp="$wanted/.taumltools-$lock_sum"
    if [ ! -e "$stamp" ]; then
        if [ -n "${_tauml_active:-}" ]; then
            "$wanted/bin/python" "$TAUML_BASE/requirements/check.py" || return 1
        else
            _tauml_create "$wanted" || return 1
        fi
        touch "$stamp" 2>/dev/null || true
    fi
    if [ -z "${_tauml_active:-}" ]; then
        wanted="$(cd "$wanted" && pwd)"
        # shellcheck disable=SC1091
        . "$wanted/bin/activate"
    fi
}

_tauml_variables() {
    if [ -n "${TAUML_STORE:-}" ] && [ "$TAUML_STORE" != "$TAUML_BASE/store" ]; then
        _tauml_say "outputs go to $TAUML_STORE (TAUML_STORE was set before)"
    fi
    export TAUML_STORE="${TAUML_STORE:-$TAUML_BASE/store}"
    case ":${PYTHONPATH:-}:" in
        *":$TAUML_BASE:"*) ;;
        *) export PYTHONPATH="$TAUML_BASE${PYTHONPATH:+:$PYTHONPATH}" ;;
    esac
    export LAW_HOME="$TAUML_BASE/.law" LAW_CONFIG_FILE="$TAUML_BASE/law.cfg"
    export LAW__luigi_core__workers="${TAUML_WORKERS:-$(nproc 2>/dev/null || echo 1)}"
    export KERAS_BACKEND="${KERAS_BACKEND:-tensorflow}" TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"
    export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
}

_tauml_index() {
    # law's index of tasks, renewed only when a task module or law.cfg is newer.
    local index="$LAW_HOME/index"
    if [ ! -s "$index" ] || [ -n "$(find "$TAUML_BASE/tasks" "$TAUML_BASE/law.cfg" -name '*.py' -newer "$index" -o \
        -name law.cfg -newer "$index" 2>/dev/null | head -n 1)" ]; then
        mkdir -p "$LAW_HOME"
        law index --quiet >&2 || return 1
    fi
    if [ -n "${BASH_VERSION:-}" ] && [ -n "${PS1:-}" ]; then
        local completion="${VIRTUAL_ENV:-${CONDA_PREFIX:-}}/lib/python3.11/site-packages/law/cli/completion.sh"
        # shellcheck disable=SC1090
        [ -r "$completion" ] && . "$completion" "" 2>/dev/null
    fi
    return 0
}

_tauml_setup() {
    local venv=""
    while [ $# -gt 0 ]; do
        case "$1" in
            --venv)
                if [ -z "${2:-}" ]; then _tauml_say "--venv needs a directory"; return 2; fi
                venv="$2"; shift 2 ;;
            --venv=*) venv="${1#--venv=}"; shift ;;
            *)
                # a script that sources this file hands on its own arguments; those are not meant for us
                if [ "$_tauml_depth" -gt 1 ]; then shift; continue; fi
                _tauml_say "unknown option '$1'; usage: source setup.sh [--venv DIR]"
                return 2 ;;
        esac
    done
    if [ -n "${BASH_SOURCE:-}" ]; then
        TAUML_BASE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
    else
        TAUML_BASE="$(cd "$(dirname "${(%):-%x}")" && pwd)"
    fi
    export TAUML_BASE
    _tauml_environment "$venv" && _tauml_variables && _tauml_index
}

_tauml_depth=${#BASH_SOURCE[@]}
_tauml_setup "$@"
_tauml_status=$?
unset -f _tauml_say _tauml_find_python _tauml_install _tauml_create _tauml_environment _tauml_variables _tauml_index _tauml_setup
unset _tauml_active _tauml_depth
(exit $_tauml_status)
