#!/usr/bin/env bash
# minicondor.sh - a real one-machine HTCondor pool without root services,
# containers or host packages.
#
#   minicondor.sh install           download, unpack and patch HTCondor into the prefix
#   minicondor.sh up                install if needed, start the pool, wait until it takes jobs
#   minicondor.sh down              remove all jobs, stop every daemon and every job process
#   minicondor.sh status            exit 0 if up; daemons, slots and queue
#   minicondor.sh wait              wait until the pool takes jobs (after `kill`)
#   minicondor.sh kill DAEMON [SIG] SIGKILL one daemon (schedd, startd, ...); the master restarts it in 1 s
#   minicondor.sh pids [JOB]        processes: of the daemons, or the shadow, starter and payload of job 12.0
#   minicondor.sh env               print `export ...` lines: eval "$(minicondor.sh env)"
#   minicondor.sh run CMD...        run CMD with that environment, as the pool's identity
#
# Needs on the host: x86-64, bash, apt-get + dpkg-deb (Debian/Ubuntu), util-linux (unshare,
# setpriv), network access to a Debian mirror for the first `install` only.
#
# How: HTCondor's Debian packages of a newer suite, and the libraries they need (own
# glibc included), are unpacked into a prefix, and patchelf points the condor binaries
# at that glibc. Nothing is installed on the host. Jobs are started by the
# daemons with exec, so they run in the HOST's userland (host bash, python, venvs).
#
# Who: HTCondor refuses to submit or run jobs as uid 0. When called as root,
# everything runs in a user namespace which maps root to the (non-root) uid of
# MINICONDOR_USER: for HTCondor it is a "personal" pool of that user, for the file
# system it is still root, so jobs can read /root and write wherever root can. Where user
# namespaces are forbidden, falls back to really switching to that uid, keeping
# CAP_DAC_OVERRIDE, by setpriv. When called as non-root, just runs as that user.
set -euo pipefail

SUITE=${MINICONDOR_SUITE:-trixie}
MIRROR=${MINICONDOR_MIRROR:-}       # default: the Debian archive that this host's own apt uses
PREFIX=${MINICONDOR_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/minicondor/$SUITE}
POOL=${MINICONDOR_POOL:-${TMPDIR:-/tmp}/minicondor-$(id -u)}
CPUS=${MINICONDOR_CPUS:-16}         # virtual: how many 1-cpu jobs run at once
MEMORY=${MINICONDOR_MEMORY:-65536}  # virtual MiB
MCUSER=${MINICONDOR_USER:-daemon}   # non-root identity when called as root
MODE=${MINICONDOR_IDENTITY:-auto}   # auto: userns, else setpriv; setpriv: only that
EXTRA=${MINICONDOR_EXTRA_CONFIG:-}  # file appended to the config
OWNER=${MINICONDOR_OWNER:-}         # pid of a process: the pool stops when it ends, however it ends

PREFIX=$(realpath -m "$PREFIX") POOL=$(realpath -m "$POOL")
CFG=$POOL/condor_config
LIBS=$PREFIX/usr/lib/x86_64-linux-gnu
say() { echo "minicondor: $*" >&2; }
die() { say "$*"; exit 1; }

# ------------------------------------------------------------------ install
install_prefix() {
    [ -e "$PREFIX/.complete" ] && return 0
    mkdir -p "$(dirname "$PREFIX")"
    exec 9>"$PREFIX.lock"; flock 9
    if [ -e "$PREFIX/.complete" ]; then flock -u 9; exec 9>&-; return 0; fi
    [ ! -e "$PREFIX" ] || die "$PREFIX exists but is no complete minicondor install: remove it"
    [ "$(uname -m)" = x86_64 ] || die "only for x86-64, this is $(uname -m)"
    [ -n "$MIRROR" ] || MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 2>/dev/null | grep -m1 '/debian/\?$' || true)
    [ -n "$MIRROR" ] || die "no Debian archive among this host's apt sources: set MINICONDOR_MIRROR"
    local t=$PREFIX.tmp tl pk f n=0 opt key=()
    say "installing HTCondor from Debian $SUITE into $PREFIX"
    rm -rf "$t"; mkdir -p "$t"/apt/{lists/partial,cache/archives/partial} "$t"/debs "$t"/root
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] && key=("[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]")
    echo "deb ${key[*]} $MIRROR $SUITE main" > "$t/apt/sources.list"; : > "$t/apt/status"
    # a private apt: own sources, lists, cache, and an empty status, so that the whole
    # closure (libc6 too) is resolved; the host's apt state is neither read nor written
    opt=(-q -o "Dir::Etc::sourcelist=$t/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
         -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
         -o "Dir::State::lists=$t/apt/lists" -o "Dir::State::status=$t/apt/status"
         -o "Dir::Cache=$t/apt/cache" -o APT::Architecture=amd64 -o APT::Architectures=amd64
         -o APT::Install-Recommends=0 -o APT::Sandbox::User=root
         -o Acquire::Languages=none -o Acquire::Retries=3)
    apt-get "${opt[@]}" update >"$t/log" 2>&1 || { cat "$t/log" >&2; die "apt-get update failed"; }
    # of the closure, only shared libraries are needed (not perl, python, passwd, ...)
    pk=$(apt-get "${opt[@]}" install --print-uris -y minicondor patchelf 2>>"$t/log" |
         sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" |
         grep -E '^(condor|patchelf|zlib1g|lib.*)$' |
         grep -vE '^lib(perl|python|boost|js-|.*-perl$|.*-stdlib$|.*-common$|c-gconv)')
    grep -qx condor <<<"$pk" || { cat "$t/log" >&2; die "package condor not found in $SUITE"; }
    (cd "$t/debs" && apt-get "${opt[@]}" download $pk >>"$t/log" 2>&1) || { cat "$t/log" >&2; die "download failed"; }
    for f in "$t"/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$f" | tar -x -C "$t/root" --no-same-owner \
            --exclude='./usr/share/doc*' --exclude='./usr/share/man*' --exclude='./usr/share/locale*' \
            --exclude='./usr/share/javascript*' --exclude='./usr/lib/python3*' --exclude='*/gconv/*' \
            --exclude='./var*' --exclude='./usr/libexec/blahp*'
    done
    # point the programs at the libraries of the place where they will be
    tl=$t/root/usr/lib/x86_64-linux-gnu
    cp "$t/root/usr/bin/patchelf" "$t/patchelf"
    pe() { "$tl/ld-linux-x86-64.so.2" --library-path "$tl" "$t/patchelf" "$@"; }
    while IFS= read -r f; do
        [ "$(head -c4 "$f" | tr -d '\0')" = $'\177ELF' ] || continue
        pe --print-interpreter "$f" >/dev/null 2>&1 || continue
        pe --set-interpreter "$LIBS/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$LIBS:$PREFIX/usr/lib" "$f"
        n=$((n+1))
    done < <(find "$t"/root/usr/{bin,sbin,libexec} -type f)
    touch "$t/root/.complete"
    mv -T "$t/root" "$PREFIX"
    CONDOR_CONFIG=/dev/null "$PREFIX/usr/bin/condor_version" >"$PREFIX/.version" ||
        { rm -f "$PREFIX/.complete"; die "the patched condor_version does not run"; }
    rm -rf "$t"
    say "patched $n programs; $(head -1 "$PREFIX/.version"); $(du -sm "$PREFIX" | cut -f1) MiB"
    flock -u 9; exec 9>&-
}

# ----------------------------------------------------------------- identity
# sets the array AS: the command prefix that turns root into the pool's identity
identity() {
    AS=()
    [ "$(id -u)" = 0 ] || return 0
    local u g caps=+dac_override,+fowner
    u=$(id -u "$MCUSER") g=$(id -g "$MCUSER")
    [ "$u" != 0 ] || die "MINICONDOR_USER must not be root"
    if [ "$MODE" != setpriv ] && unshare --user --map-user="$u" --map-group="$g" true 2>/dev/null; then
        AS=(unshare --user --map-user="$u" --map-group="$g" --)
    else
        # no_setuid_fixup: else access(2), i.e. test -x, ignores the capability
        AS=(setpriv --securebits +no_setuid_fixup --reuid "$u" --regid "$g" --clear-groups
            --inh-caps "$caps" --ambient-caps "$caps" --)
        "${AS[@]}" true || die "neither user namespaces nor setpriv work here"
    fi
}
tool() { CONDOR_CONFIG=$CFG "${AS[@]}" "$PREFIX/usr/bin/$1" "${@:2}"; }
literal() { sed 's/[][\.*^$]/\\&/g' <<<"$1"; }
with_env() { # pids of the processes whose environment has variable $1 = $2, or with $3: = a path below $2
    local f
    for f in $(grep -lzs -e "^$1=$(literal "$2")${3:+/}${3:-$}" /proc/[0-9]*/environ || true); do f=${f#/proc/}; echo "${f%/environ}"; done |
        sort -n
}
daemons() { # "NAME PID" of this pool's living processes of HTCondor, master, starters and shadows included
    local p exe
    for p in $(with_env CONDOR_CONFIG "$CFG"); do
        exe=$(readlink "/proc/$p/exe" 2>/dev/null) || continue
        case $exe in "$PREFIX"/usr/sbin/* | "$PREFIX"/usr/libexec/*) exe=${exe##*/}; echo "${exe#condor_} $p" ;; esac
    done
}
daemon_pid() { daemons | awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }'; }
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; } # when: tells a pid from its reuse
alive() { [ -d "/proc/$1" ] && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }
master_pid() { # pid of this pool's living master
    local p; p=$(cat "$POOL/master.pid" 2>/dev/null) || return 1
    [ -n "$p" ] && grep -qzsxF "CONDOR_CONFIG=$CFG" "/proc/$p/environ" && echo "$p"
}
payloads() { with_env _CONDOR_SCRATCH_DIR "$POOL/execute" .; } # pids of the processes of all jobs
sweep() { # kill what is left, until nothing is
    local p
    for _ in 1 2 3 4 5; do
        p=$(daemons | cut -d' ' -f2; payloads)
        [ -n "$p" ] || return 0
        say "killing leftovers:" $p
        kill -9 $p 2>/dev/null || true
        sleep 0.3
    done
    die "these processes do not die:" $p
}

# --------------------------------------------------------------- pool files
write_pool() {
    mkdir -p "$POOL"/{log,spool,execute,lock,run,bin,tokens,passwords}
    chmod 755 "$POOL"; chmod 700 "$POOL"/{tokens,passwords}
    # with the setpriv fallback the daemons own their directories
    if [ "${AS[0]:-}" = setpriv ]; then
        chown -R "$MCUSER:" "$POOL"/{log,spool,execute,lock,run,tokens,passwords}
    fi
    cat >"$CFG" <<CONF
use ROLE:Personal
RELEASE_DIR = $PREFIX/usr
LIB = \$(RELEASE_DIR)/lib/condor
LIBEXEC = \$(RELEASE_DIR)/libexec/condor
SHARE = \$(RELEASE_DIR)/share/condor
ETC = $PREFIX/etc/condor
LOCAL_DIR = $POOL
RUN = \$(LOCAL_DIR)/run
LOG = \$(LOCAL_DIR)/log
LOCK = \$(LOCAL_DIR)/lock
SPOOL = \$(LOCAL_DIR)/spool
EXECUTE = \$(LOCAL_DIR)/execute
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
USER_CONFIG_FILE =
SEC_PASSWORD_DIRECTORY = \$(LOCAL_DIR)/passwords
SEC_TOKEN_DIRECTORY = \$(LOCAL_DIR)/tokens
SEC_TOKEN_SYSTEM_DIRECTORY = \$(LOCAL_DIR)/tokens
MASTER_ADDRESS_FILE = \$(LOG)/.master_address
COLLECTOR_ADDRESS_FILE = \$(LOG)/.collector_address
SCHEDD_ADDRESS_FILE = \$(LOG)/.schedd_address
MAIL = /bin/true
SENDMAIL = /bin/true

# loopback only, every port ephemeral: several pools can live on one machine
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
NO_DNS = True
DEFAULT_DOMAIN_NAME = minicondor
UID_DOMAIN = minicondor
FILESYSTEM_DOMAIN = minicondor
TRUST_UID_DOMAIN = True
USE_SHARED_PORT = False

# everyone who can authenticate by the file system (i.e. is on this machine) may do all
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
SEC_DEFAULT_ENCRYPTION = OPTIONAL
SEC_DEFAULT_INTEGRITY = OPTIONAL
# not AES: for UDP it falls back to Blowfish, which OpenSSL 3 seeks in its legacy provider at a
# path of the host, and where that is missing condor_submit crashes after having submitted
SEC_DEFAULT_CRYPTO_METHODS = 3DES
SEC_KNOWN_HOSTS = \$(LOCAL_DIR)/known_hosts
SEC_SYSTEM_KNOWN_HOSTS = \$(LOCAL_DIR)/known_hosts
# let newer clients (pip htcondor >= 25.1x) talk to daemons older than that FS check
SEC_FS_ENFORCE_CHANNEL_BINDING = False
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_NEGOTIATOR = *
ALLOW_ADMINISTRATOR = *

# one partitionable slot with more virtual cores than the machine has
NUM_CPUS = $CPUS
MEMORY = $MEMORY
NUM_SLOTS = 1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
JOB_DEFAULT_REQUESTCPUS = 1
JOB_DEFAULT_REQUESTMEMORY = 128
JOB_DEFAULT_REQUESTDISK = 1024
# as on most sites: a job that uses more memory than it asked for is held
MODIFY_REQUEST_EXPR_REQUESTMEMORY = RequestMemory
START = True
SUSPEND = False
KILL = False
RANK = 0
PREEMPT = False
use POLICY : HOLD_IF_MEMORY_EXCEEDED
DOCKER =
SINGULARITY =
STARTD_DETECT_GPUS =
RunBenchmarks = 0
# as at CERN: "+MaxRuntime = <seconds>" in a submit file is enforced
SYSTEM_PERIODIC_REMOVE_NAMES = Runtime
SYSTEM_PERIODIC_REMOVE_Runtime = JobStatus == 2 && MaxRuntime =!= undefined && time() - EnteredCurrentStatus > MaxRuntime
SYSTEM_PERIODIC_REMOVE_Runtime_REASON = strcat("runtime over ", MaxRuntime, " s")

# fast: a job starts 0.2 to 2 s after its submission, and is held 2 s after it used too much memory
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 2
POLLING_INTERVAL = 1
STARTER_UPDATE_INTERVAL = 2
STARTER_INITIAL_UPDATE_INTERVAL = 1
SHADOW_QUEUE_UPDATE_INTERVAL = 2
PERIODIC_EXPR_INTERVAL = 2
PID_SNAPSHOT_INTERVAL = 1
PROCD_MAX_SNAPSHOT_INTERVAL = 1
JOB_START_DELAY = 0
JOB_START_COUNT = 100
KILLING_TIMEOUT = 5
MachineMaxVacateTime = 5
# a job whose starter vanished is restarted after this long (default 2400 s)
JOB_DEFAULT_LEASE_DURATION = 20
SHUTDOWN_GRACEFUL_TIMEOUT = 10
MAX_DEFAULT_LOG = 5 Mb
# a daemon that was killed is back after 1 s
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 1
CONDOR_Q_DASH_BATCH_IS_DEFAULT = False
CONDOR_Q_ONLY_MY_JOBS = False
CONF
    [ -z "$EXTRA" ] || cat "$EXTRA" >>"$CFG"
    # command line tools for the host: $POOL/bin on PATH is all a client needs
    local f
    for f in "$PREFIX"/usr/bin/condor_* "$PREFIX"/usr/sbin/condor_*; do
        printf '#!/bin/sh\nexport CONDOR_CONFIG=%q\nexec %s %q "$@"\n' "$CFG" "${AS[*]}" "$f" >"$POOL/bin/${f##*/}"
    done
    chmod 755 "$POOL"/bin/*
}

# ------------------------------------------------------------------ actions
ready() {
    [ -s "$POOL/log/.schedd_address" ] && [ -s "$POOL/log/.collector_address" ] &&
        tool condor_q -af ClusterId >/dev/null 2>&1 &&
        [ -n "$(tool condor_status -af Name 2>/dev/null)" ] &&
        [ -n "$(tool condor_status -schedd -af Name 2>/dev/null)" ]
}
wait_ready() {
    for _ in $(seq 1 300); do
        master_pid >/dev/null || { cat "$POOL/log/master.out" >&2; tail -20 "$POOL"/log/MasterLog >&2; die "condor_master died"; }
        if ready; then return 0; fi
        sleep 0.2
    done
    die "pool not ready after 60 s; see $POOL/log"
}

# The daemons must not inherit the lock (8) nor a pipe of the caller (stdin, stdout).
start_master() {
    sweep
    write_pool
    rm -rf "$POOL"/log/.*_address "$POOL"/run/* "$POOL"/lock/* "$POOL"/execute/dir_*
    # -f: stay in the foreground, so that the pid is the master's (unshare and
    # setpriv exec); setsid: a Ctrl-C at the caller's terminal must not stop the pool
    CONDOR_CONFIG=$CFG setsid "${AS[@]}" "$PREFIX/usr/sbin/condor_master" -f \
        </dev/null >"$POOL/log/master.out" 2>&1 8>&- &
    echo $! >"$POOL/master.pid"
    # unshare sets up the namespace before it turns into the master
    for _ in $(seq 1 50); do if master_pid >/dev/null; then break; fi; sleep 0.1; done
    if [ -n "$OWNER" ]; then
        MINICONDOR_POOL=$POOL MINICONDOR_PREFIX=$PREFIX setsid "$0" follow "$OWNER" </dev/null >"$POOL/log/owner.out" 2>&1 8>&- &
    fi
}

up() {
    install_prefix; identity
    if master_pid >/dev/null; then say "already up: $POOL"; else start_master; fi
    wait_ready
    say "up: $POOL ($(head -1 "$PREFIX/.version")); as: ${AS[*]:-$(id -un)}"
}

follow() { # stop the pool when process $1 has ended
    local master begun; master=$(master_pid) || exit 0
    begun=$(started "$1")
    while alive "$1" && [ "$(started "$1")" = "$begun" ]; do
        [ "$(master_pid)" = "$master" ] || exit 0 # somebody else stopped it
        sleep 1
    done
    say "process $1, for which this pool was made, has ended"
    lock; down
}

down() {
    identity
    local p; p=$(master_pid) || { sweep; say "not up"; rm -f "$POOL/master.pid"; return 0; }
    timeout 10 "${AS[@]}" env CONDOR_CONFIG="$CFG" "$PREFIX/usr/bin/condor_rm" -all >/dev/null 2>&1 || true
    kill -QUIT "$p" 2>/dev/null || true # fast shutdown
    for _ in $(seq 1 100); do if ! alive "$p"; then break; fi; sleep 0.1; done
    sweep
    rm -f "$POOL/master.pid"
    say "down"
}

status() {
    identity
    local p; p=$(master_pid) || { say "not up ($POOL)"; return 1; }
    echo "master pid $p, $(head -1 "$PREFIX/.version"), pool $POOL, config $CFG"
    tool condor_status && tool condor_q
}

kill_() {
    local p; p=$(daemon_pid "$1") || die "no daemon '$1'; there are:" $(daemons | cut -d' ' -f1 | sort -u)
    kill "-${2:-KILL}" $p
    echo $p
}

# of job $1: "shadow PID", "starter PID", "top PID" (what the starter started), "payload PID" (its descendants)
pids_of_job() {
    local id=$1.0 ad cluster proc starter p kind
    cluster=${id%%.*} proc=${id#*.} proc=${proc%%.*}
    for p in $(daemon_pid shadow || true); do
        if grep -qzsxF "$cluster.$proc" "/proc/$p/cmdline"; then echo "shadow $p"; fi
    done
    for ad in "$POOL"/execute/dir_*/.job.ad; do
        grep -qsx "ClusterId = $cluster" "$ad" && grep -qsx "ProcId = $proc" "$ad" || continue
        starter=${ad%/.job.ad} starter=${starter##*/dir_}
        if alive "$starter"; then echo "starter $starter"; fi
        for p in $(with_env _CONDOR_SCRATCH_DIR "$POOL/execute/dir_$starter"); do
            kind=payload
            if grep -qsx "PPid:[[:space:]]*$starter" "/proc/$p/status"; then kind=top; fi
            echo "$kind $p"
        done
    done
}

env_() { echo "export CONDOR_CONFIG=$(printf %q "$CFG")"; echo "export PATH=$(printf %q "$POOL/bin"):\$PATH"; }

# one up/down of a pool at a time
lock() { mkdir -p "$POOL"; exec 8>"$POOL/.lock"; flock 8; }

main() {
    case ${1:-} in
        install) install_prefix ;;
        up) lock; up ;;
        down) lock; down ;;
        status) status ;;
        wait) identity; wait_ready ;;
        kill) kill_ "${2:?which daemon?}" "${3:-}" ;;
        pids) if [ -n "${2:-}" ]; then pids_of_job "$2"; else daemons; fi ;;
        env) env_ ;;
        run) shift; identity; eval "$(env_)"; exec "${AS[@]}" "$@" ;;
        follow) follow "$2" ;;
        *) sed -n '2,13p' "$0"; exit 2 ;;
    esac
}

# one line: bash must not read on in a file that may have changed meanwhile
main "$@"; exit
