#!/usr/bin/env bash
# container.sh ROOT HOME VENV LIBRARIES BASE RUN UID COMMAND...: run COMMAND as compose.yaml runs the
# gateway.
#
# In mount and process namespaces of its own: ROOT becomes the root folder, of which nothing but
# /tmp can be written. HOME is the image's /opt/openai_api, VENV its environment with the LIBRARIES
# and the Python of BASE, RUN is /LocalRun. UID 0 stands for a user outside who has no other number
# to give.
set -euo pipefail
root=$1 home=$2 venv=$3 libraries=$4 base=$5 run=$6 uid=$7
shift 7

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
# Wherever they are outside: what is below /tmp would not be seen.
show "$libraries" /opt/libraries
show "$home" /opt/openai_api
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
