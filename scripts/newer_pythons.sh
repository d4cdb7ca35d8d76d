#!/usr/bin/env bash
# A sample of the tests on every Python of this machine that is newer than the environment's own, each in an
# environment of its own under build/, with the same pins.  scripts/newer_pythons.sh [path of uv]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${1:-uv}
own=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
sample="tests/check tests/coursekit tests/data_sets tests/lecture tests/grading/border tests/grading/wire"

# The interpreter's own path, also where pyenv's shims stand before it; nothing where there is none.
interpreter() {
    PYENV_VERSION=$(pyenv latest "$1" 2>/dev/null || true) "python$1" -c 'import sys; print(sys.executable)' 2>/dev/null ||
        "$uv" python find --no-project --no-python-downloads "$1" 2>/dev/null
}

tried=
for version in 3.12 3.13 3.14; do
    if [ "$(printf '%s\n' "$own" "$version" | sort -V | tail -1)" = "$own" ]; then continue; fi
    python=$(interpreter "$version") || continue
    environment=build/python$version
    test -x "$environment/bin/python" || "$uv" venv --quiet --python "$python" "$environment"
    "$uv" pip sync --quiet --python "$environment/bin/python" requirements.lock
    "$uv" pip install --quiet --python "$environment/bin/python" --no-deps --editable .
    echo "Python $version"
    # shellcheck disable=SC2086  # one word a folder
    OMP_NUM_THREADS=1 "$environment/bin/python" -m pytest -q -n 2 --dist worksteal -m "not notebooks" $sample
    tried="$tried $version"
done
echo "newer Pythons tried:${tried:- none is here}"
