#!/usr/bin/env bash
# Put nginx and HAProxy into the folder $1 unless they are on PATH: from the packages of Debian or
# Ubuntu, with those of their libraries that this machine lacks. Needs no root and installs nothing.
set -euo pipefail
folder=$1
rm -rf "$folder"
mkdir -p "$folder"
if command -v nginx >/dev/null && command -v haproxy >/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "The tests behind proxies need nginx and haproxy on PATH: install them as your system does." >&2
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
if ! { "${apt[@]}" update && "${apt[@]}" install --download-only --no-install-recommends nginx haproxy; } >"$work/log" 2>&1; then
    tail -n 3 "$work/log" >&2
    echo "The tests behind proxies need nginx and haproxy, and apt-get cannot fetch them: install them." >&2
    exit 2
fi
for package in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
done
