#!/usr/bin/env bash
# container.sh ROOT IMAGE VENV BASE RUN UID COMMAND...: run COMMAND as compose.yaml runs the gateway.
#
# In mount and process namespaces of its own: ROOT becomes the root folder, of which nothing but
# /tmp can be written. IMAGE is what the Dockerfile copies, VENV the environment and BASE its
# Python, RUN is /LocalRun. UID 0 stands for a user outside who has no other number to give.
set -euo pipefail
root=$1 image=$2 venv=$3 base=$4 run=$5 uid=$6
shift 6

show() {
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro,nosuid,nodev "$root$2"
}

mount --make-rprivate /
mount -t tmpfs -o mode=0755 image "$root"
for folder in /usr /bin /sbin /lib /lib64; do
    if [ -L "$folder" ]; then
        cp -P "$folder" "$root$folder"
    elif [ -d "$folder" ]; then
        show "$folder" "$folder"
    fi
done
case "$base/" in /usr/*) ;; *) show "$base" "$base" ;; esac
show "$venv" /opt/venv
show "$image" /opt/openai_api
show "$run" /LocalRun
mkdir -p "$root"/{etc,proc,dev,tmp}
for file in ld.so.cache hosts nsswitch.conf passwd group; do
    if [ -e "/etc/$file" ]; then cp "/etc/$file" "$root/etc/"; fi
done
for device in null zero random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc proc "$root/proc"
mount -t tmpfs -o size=256m,mode=1777,noexec,nosuid,nodev tmp "$root/tmp"
mount -o remount,bind,ro "$root"

cd "$root"
if [ "$uid" -eq 0 ]; then user=(); else user=(--reuid "$uid" --regid "$uid" --clear-groups); fi
exec chroot . setpriv "${user[@]}" --no-new-privs --bounding-set=-all --inh-caps=-all \
    sh -c 'cd /opt/openai_api && exec "$@"' sh "$@"
