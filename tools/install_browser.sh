#!/bin/sh
# Provide a headless browser for the tests: one that is installed; else Debian's chromium with the
# libraries that the machine lacks, unpacked into a folder; else Playwright's own download.
set -eu
folder=$1

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then
        echo "browser: $(command -v "$name")"
        exit 0
    fi
done

unpack_debian_packages() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq || return 1
    fi
    packages=$(apt-get install -s --no-install-recommends chromium fonts-dejavu-core |
        awk '/^Inst/ {print $2}')
    [ -n "$packages" ] || return 1
    mkdir -p "$folder/packages"
    # shellcheck disable=SC2086
    (cd "$folder/packages" && apt-get download -qq $packages) 2>&1 | grep -v unsandboxed || true
    for package in "$folder"/packages/*.deb; do
        dpkg -x "$package" "$folder/unpacked" || { rm -rf "$folder"; return 1; }
    done
    rm -r "$folder/packages"
    test -x "$folder/unpacked/usr/lib/chromium/chromium"
}

if unpack_debian_packages; then
    echo "browser: Debian's chromium in $folder/unpacked"
else
    echo "browser: downloading Playwright's"
    PLAYWRIGHT_BROWSERS_PATH="$folder/playwright" .venv/bin/playwright install chromium-headless-shell
fi
