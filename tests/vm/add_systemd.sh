#!/bin/bash
# SPDX-License-Identifier: MIT
# Adds this machine's own systemd to a guest's file system, with udev and networkd, so that the guest boots as a Debian
# server does, and our unit as it is installed. What starts a program that is not there is left out.
#
#   add_systemd.sh ROOT CACHE    udev is fetched into CACHE where this machine has none
set -euo pipefail

: "${XK_BUILD:?the build directory}"
R=$1 CACHE=$2
LIBEXEC="systemd systemd-journald systemd-modules-load systemd-networkd systemd-sysctl"

# add FILE [FROM]: where it is here, or below FROM; with its libraries.
add() {
	mkdir -p "$R$(dirname "$1")"
	cp -L "${2:-}$1" "$R$1"
	ldd "${2:-}$1" | grep -oE '/[^ ]+' | while read -r library; do
		[ ! -e "$R$library" ] || continue
		mkdir -p "$R$(dirname "$library")"
		cp -L "$library" "$R$library"
	done
}
for program in $LIBEXEC; do add "/lib/systemd/$program"; done
for program in systemctl journalctl systemd-tmpfiles; do add "/bin/$program"; done

U= # where udev is
if [ ! -e /bin/udevadm ]; then
	U=$CACHE/udev
	exec {lock}>"$CACHE/.lock"
	flock "$lock"
	if [ ! -e "$U" ]; then
		W=$(mktemp -d "$CACHE/.udev.XXXXXX")
		(cd "$W" && apt-get -qq -o APT::Sandbox::User=root download udev && dpkg-deb -x udev_*.deb tree)
		mv "$W/tree" "$U" # whole or not at all
		rm -rf "$W"
	fi
fi
add /bin/udevadm "$U"
ln -s /bin/udevadm "$R/lib/systemd/systemd-udevd"
mkdir -p "$R"/lib/{udev,systemd}
cp -a "$U/lib/udev/rules.d" "$R/lib/udev/"

cp -a /lib/systemd/system "$R/lib/systemd/"
[ -z "$U" ] || cp -a "$U/lib/systemd/system/." "$R/lib/systemd/system/"
# The programs of the product and of the test are all in /bin.
for directory in bin sbin libexec; do ln -s ../bin "$R/usr/$directory"; done
for unit in "$R"/lib/systemd/system/*.service; do
	program=$(sed -n 's/^ExecStart=[-+!@:]*\([^ ]*\).*/\1/p' "$unit" | sed -n 1p)
	case $program in '' | /*) ;; *) program=/bin/$program ;; esac
	[ -z "$program" ] || [ -e "$R$program" ] || [ -L "$R$program" ] || rm "$unit"
done
mkdir -p "$R"/etc/systemd/{system,network} "$R/usr/lib/tmpfiles.d" "$R/var/log"
ln -s /lib/systemd/system/multi-user.target "$R/etc/systemd/system/default.target"
cp "$(dirname "$0")/../../systemd/xknock.tmpfiles" "$R/usr/lib/tmpfiles.d/xknock.conf"
cp "$XK_BUILD/systemd/xknockd.service" "$R/etc/systemd/system/"
