#!/usr/bin/env bash
# Put programs into the folder $1 unless all of "$2" are on PATH: from the packages of Debian or
# Ubuntu that follow, with those of their libraries that this machine lacks. Needs no root and
# installs nothing.
set -euo pipefail
folder=$1 programs=$2
shift 2
rm -rf "$folder"
mkdir -p "$folder"
# A list of words, meant to be split.
# shellcheck disable=SC2086
if command -v $programs | wc -l | grep -qx "$(wc -w <<<"$programs")"; then
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "The tests need on PATH: $programs; install them as your system does." >&2
    exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
apt=(
    apt-get -qq -y
    -o Dir::State::Lists="$work/lists"
    -o Dir::Cache="$work/cache"
    -o Debug::NoLocking=true
    -o APT::Sandbox::User=
    -o APT::Update::Pre-Invoke=
    -o APT::Update::Post-Invoke=
    -o APT::Update::Post-Invoke-Success=
)
if ! { "${apt[@]}" update && "${apt[@]}" install --download-only --no-install-recommends "$@"; } >"$work/log" 2>&1; then
    tail -n 3 "$work/log" >&2
    echo "The tests need on PATH: $programs; apt-get cannot fetch them: install them." >&2
    exit 2
fi
for package in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
done
