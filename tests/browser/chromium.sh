#!/bin/sh
# Runs $CHROMIUM without the pages that it keeps ready behind the address bar of every window: a
# process and half a second each. Of several --disable-features it takes the last, Playwright's.
set -eu
for argument; do
    shift
    case $argument in
        --disable-features=*) argument="$argument,WebUIOmniboxPopup,WebUIOmniboxAimPopup" ;;
    esac
    set -- "$@" "$argument"
done
exec "$CHROMIUM" "$@"
