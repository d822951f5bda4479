# What a job does where no file system is shared; bootstrap.py writes the beginning of the script.
#
# In the scratch folder are the bundles, the specification and the products that the branch
# reads, below their paths in the store: the scratch folder is the job's store.
# Set before: repository, repository_sha256, environment, environment_sha256 (empty: no
# environment travels), python (of the site), specification, inputs (empty: they lie in their
# folders already), branch, attempt; the function fail.

check() {
    # check FILE SHA256: the file that was sent is the one that is here
    local found
    [ -f "$1" ] || fail 21 "$1 is not in the scratch folder; is it among the files to transfer?"
    found="$(sha256sum "$1")"
    [ "${found%% *}" = "$2" ] || fail 22 "$1 has checksum ${found%% *}, expected $2: the transfer damaged it"
}

unpack() {
    # unpack FILE FOLDER: times of the files are not kept; afterwards the file is not needed any more
    mkdir -p "$2" && tar --no-same-owner -xzmf "$1" -C "$2" ||
        fail 23 "$1 cannot be unpacked into $2 ($(df -Pm . | awk 'NR == 2 {print $4}') MB are free)"
    rm -f "$1"
}

try_python() {
    # try_python CANDIDATE VERSION [FOLDER]: prints the Python behind the candidate if it has that version,
    # is whole, and uses no libpython from outside of FOLDER; else prints why not.  The last line counts
    "$1" -I -c '
import sys
found = "%d.%d" % sys.version_info[:2]
if found != sys.argv[1]:
    sys.exit("it is Python " + found)
import bz2, ctypes, lzma, os, sqlite3, ssl, zlib
for line in open("/proc/self/maps") if sys.argv[2:] else ():
    library = line.split()[-1]
    if "/libpython" in library and not library.startswith(sys.argv[2] + "/"):
        sys.exit("it takes the library of another Python, " + library)
print(os.path.join(sys.base_prefix, "bin", "python" + found))' "$2" ${3:+"$3"} 2>&1
}

try_named() {
    # try_named CANDIDATE VERSION [FOLDER]: sets answer if it can be used, else adds why not to tried
    case "$tried" in *"; $1: "*) return 1 ;; esac
    command -v "$1" >/dev/null || return 1
    answer="$(try_python "$@")" && return 0
    tried="$tried; $1: ${answer##*$'\n'}"
    return 1
}

try_packed() {
    # try_packed VERSION: the Python that travelled; some look for their library only where they were installed
    local packed libraries
    packed="$(pwd -P)/env/python"
    try_named "$packed/bin/python$1" "$1" "$packed" && return 0
    [ -x "$packed/bin/python$1" ] || return 1
    libraries="$packed/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    answer="$(LD_LIBRARY_PATH="$libraries" try_python "$packed/bin/python$1" "$1" "$packed")" || return 1
    export LD_LIBRARY_PATH="$libraries"
}

find_python() {
    # find_python VERSION: sets answer; first a path named by the site, then the Python that travelled, then names
    local path="" name="$python"
    tried=""
    case "$python" in */*) path="$python" name="python$1" ;; esac
    try_named "$path" "$1" || try_packed "$1" || try_named "$name" "$1" || try_named "python$1" "$1" ||
        try_named python3 "$1" ||
        fail 24 "no Python $1 on $HOSTNAME${tried:-; none is on the PATH ($PATH)}. Name one in the site's settings (python)"
    answer="${answer##*$'\n'}"
}

make_environment() {
    # make_environment BASE VERSION: what python -m venv would make, around the packages that were sent
    local name
    mkdir -p env/bin
    for name in python python3 "python$2"; do ln -sf "$1" "env/bin/$name"; done
    ln -sfn lib env/lib64
    printf 'home = %s\ninclude-system-site-packages = false\n' "${1%/*}" >env/pyvenv.cfg
    env/bin/python -I -c 'import sys; sys.exit(sys.prefix != sys.argv[1])' "$scratch/env" ||
        fail 25 "$1 does not work as the Python of an environment in $scratch/env"
}

for tool in sha256sum tar gzip; do
    command -v "$tool" >/dev/null || fail 29 "$tool is not on the PATH ($PATH)"
done

scratch="$PWD"
check "$repository" "$repository_sha256"
[ -z "$environment" ] || check "$environment" "$environment_sha256"
[ -f "$specification" ] || fail 21 "$specification is not in the scratch folder; is it among the files to transfer?"

if [ -n "$inputs" ]; then
    [ -f "$inputs" ] || fail 21 "$inputs is not in the scratch folder; is it among the files to transfer?"
    tar --no-same-owner -xmf "$inputs" || fail 23 "$inputs cannot be unpacked"
    rm -f "$inputs"
fi
unpack "$repository" repo
if [ -n "$environment" ]; then
    unpack "$environment" env
    for folder in env/lib/python*.*; do version="${folder##*/python}"; done
    find_python "$version"
    make_environment "$answer" "$version"
    python="$scratch/env/bin/python"
else
    python="$(command -v "$python")" || fail 24 "the site's Python is not on $HOSTNAME, PATH is $PATH"
    "$python" -P -c '' || fail 24 "$python on $HOSTNAME is too old"
fi

export PATH="${python%/*}:$PATH" PYTHONPATH="$scratch/repo" TAUML_BASE="$scratch/repo" TAUML_STORE="$scratch"
export TAUML_DELIVERY="$scratch/delivery.tar" LAW_CONFIG_FILE="$scratch/repo/law.cfg"
echo "environment ready after $SECONDS s, $("$python" -V) of ${answer:-$python}"
exec "$python" -P -m tasks.job "$scratch/$specification" "$branch" "$attempt"
