#!/bin/bash
# SPDX-License-Identifier: MIT
# Tests that need another kernel, another clock or a power cut: real programs in a virtual machine, under qemu's own
# interpreter, so that they run where there is no KVM.
#
#   XK_BUILD=DIR run.sh CASE...
#     debian12    the main job on Debian 12's kernel (6.1)
#     floor       the same on the oldest kernel that we support (5.10)
#     backports   the same on 6.12
#     boot        booted by systemd: a SYN every 10 ms from power-on, with a good configuration, a bad one, interfaces that
#                 come late or get another name
#     clock       the wall clock is set back and forth
#     coexist     beside other XDP programs, through libxdp's dispatcher; coexist_floor: on the oldest kernel
#     reboot      power cuts and clean stops
#     reboot_ways a power cut and a clean stop, and what was heard of every other way of knocking
#     snapshot    the machine goes on from a live snapshot: its clock is set right, or its generation id has changed
#     doctor      what "knockctl doctor" finds only with another kernel, other network cards and a clock of its own
#     ways        ways past the rules that need a VRF or IPVS; ways_floor: on the oldest kernel
#     links       VLAN and bond devices; links_floor: on the oldest kernel
#     old_kernel  a kernel that is too old. XK_VM_OLD_KERNEL=/DIR names one below 5.8, as fetch_kernels.sh lays it
#                 out; without it the floor's kernel plays the part.
#
# Exit code 0: all passed; 77: this machine cannot (no qemu, no kernel to be had). XK_KEEP=1 keeps the console of a
# failure.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
: "${XK_BUILD:?the build directory}"
export XK_BUILD
CACHE=${XK_VM_CACHE:-$TOP/build/vm-cache}
WATCHDOG=300 # seconds for one boot; only a test that fails takes so long

say() { printf '%s\n' "-- $*"; }
skip() {
	printf '%s\n' "SKIPPED: $*" >&2
	exit 77
}
fail() {
	printf '%s\n' "FAILED: $*" >&2
	exit 1
}

QEMU=
power_off() {
	[ -n "$QEMU" ] || return 0
	kill -TERM "$QEMU" 2>/dev/null || true # of timeout, which passes it on
	wait "$QEMU" 2>/dev/null || true
	QEMU=
}
finish() {
	local code=$?
	trap - EXIT INT TERM HUP
	power_off
	if [ -n "${XK_KEEP:-}" ] && [ $code -ne 0 ] && [ $code -ne 77 ]; then
		printf '%s\n' "kept: $D" >&2
	else
		rm -rf "$D"
	fi
	exit $code
}

# kernel NAME [CACHE]: fetched if need be, with a guest's file system made for it; K is its directory.
kernel() {
	case $1 in
	/*) K=$1 ;;
	*)
		K=$CACHE/$1
		"$HERE/fetch_kernels.sh" "$1"
		;;
	esac
	INITRD=$D/initrd
	"$HERE/make_initrd.sh" "$K" "$INITRD" "${@:2}"
}

# Words before qemu's command.
AROUND=()
# boot WORDS [qemu options]: one life of a machine, until it tells its result; then the power is cut. NOW is the guest's
# wall clock at that moment.
boot() {
	local words=$1 result='' line
	shift
	mkfifo "$D/report"
	# Without cx16: qemu 7.2 gets it wrong, and a kernel's allocator is what finds out.
	timeout -k 1 $((WATCHDOG + 30)) "${AROUND[@]}" qemu-system-x86_64 -accel tcg -cpu qemu64,-cx16 -m 512 -smp 1 -nodefaults \
		-display none -no-reboot -kernel "$K/vmlinuz" -initrd "$INITRD" -serial "file:$D/console" -serial stdio "$@" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off xk.watchdog=$WATCHDOG $words" \
		</dev/null >"$D/report" 2>"$D/qemu" &
	QEMU=$!
	while IFS= read -r line; do
		case $line in
		RESULT*)
			read -r _ result NOW <<<"$line"
			break
			;;
		SNAPSHOT)
			take_snapshot
			result=passed
			break
			;;
		FAILED*) printf '%s\n' "$line" >&2 ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$D/report"
	power_off
	rm "$D/report"
	[ "$result" != passed ] || return 0
	printf '%s\n' "   the console's last lines:" >&2
	tail -q -n 20 "$D/qemu" "$D/console" >&2
	[ -n "$result" ] || fail "the guest ended without a result"
	exit 1
}

# The guest as it is now, in a file; its life ends here. It has a monitor at $D/monitor.
take_snapshot() {
	monitor "migrate -d \"exec:cat >$D/snapshot\"" >/dev/null
	local end=$((SECONDS + 60))
	until [[ $(monitor "info migrate") == *"status: completed"* ]]; do
		[ $SECONDS -lt $end ] || fail "no snapshot is made"
		sleep 0.2
	done
}
monitor() { printf '%s\n' "$1" | socat -t 2 - "UNIX-CONNECT:$D/monitor"; }

# qemu's option for a wall clock that shows this Unix time at power on.
rtc() { date -u -d "@$1" +base=%Y-%m-%dT%H:%M:%S; }
# The guests live in tomorrow, so that an hour back is not before the release that a build of today says it is.
tomorrow() { echo $(($(date +%s) + 86400)); }

main_job() {
	kernel "$1"
	boot "xk.case=kernel"
}
case_debian12() { main_job debian12; }
case_floor() { main_job floor; }
case_backports() { main_job backports; }

case_boot() {
	local n
	kernel debian12 "$CACHE"
	mke2fs -q -t ext4 "$D/disk" 16M >"$D/mke2fs" 2>&1 || fail "$(cat "$D/mke2fs")"
	for n in 1 2 3; do
		say "boot $n"
		boot "xk.case=boot xk.boot=$n" -m 1024 -drive "file=$D/disk,if=virtio,format=raw,cache=unsafe"
	done
}

case_clock() {
	kernel debian12
	boot "xk.case=clock" -rtc "$(rtc "$(tomorrow)")"
}

coexist() {
	kernel "$1"
	local WATCHDOG=600 # it starts the daemon many times
	boot "xk.case=coexist"
}
case_coexist() { coexist debian12; }
case_coexist_floor() { coexist floor; }

case_reboot() {
	local disks=() disk n
	kernel debian12
	for disk in a b; do
		mke2fs -q -t ext4 "$D/disk-$disk" 16M >"$D/mke2fs" 2>&1 || fail "$(cat "$D/mke2fs")"
		# What the guest has not written to its disk is lost with it; what it has is safe in the host's memory.
		disks+=(-drive "file=$D/disk-$disk,if=virtio,format=raw,cache=unsafe")
	done
	NOW=$(tomorrow)
	for n in 1 2 3; do
		say "boot $n"
		boot "xk.case=reboot xk.boot=$n" -rtc "$(rtc $((NOW + 1)))" "${disks[@]}"
	done
	say "boot 4"
	boot "xk.case=reboot xk.boot=4 xk.clock=$((NOW + 5))" -rtc "$(rtc 978307200)" "${disks[@]}"
}

# The eavesdropper's disk has the packets of capyknock's client, for each half minute in which the guest may be; the server's
# has that device's secrets. Both are made here, because the guest has no Python.
case_reboot_ways() {
	local disks=() at n udpkey otpkey
	kernel debian12
	NOW=$(tomorrow)
	udpkey=$(head -c 32 /dev/urandom | base64 -w0 | tr +/ -_)
	otpkey=$(head -c 20 /dev/urandom | base32 -w0)
	mkdir -p "$D/server/seed" "$D/heard/capyknock"
	printf '%s\n' "$udpkey" >"$D/server/seed/key"
	printf '%s\n' "$otpkey" >"$D/server/seed/otp"
	for ((at = NOW - NOW % 30; at < NOW + 600; at += 30)); do
		"$TOP/tests/e2e/capyknock_client.py" bobsname "$udpkey" "$otpkey" - 0 192.0.2.1 22 "$at" >"$D/heard/capyknock/$at"
	done
	for n in server heard; do
		mke2fs -q -t ext4 -d "$D/$n" "$D/disk-$n" 16M >"$D/mke2fs" 2>&1 || fail "$(cat "$D/mke2fs")"
		disks+=(-drive "file=$D/disk-$n,if=virtio,format=raw,cache=unsafe")
	done
	for n in 1 2 3; do
		say "boot $n"
		boot "xk.case=reboot_ways xk.boot=$n" -rtc "$(rtc $((NOW + 1)))" "${disks[@]}"
	done
}

# snapshot [qemu options]: one life until a snapshot is taken, and another one from there.
snapshot() {
	local machine=(-monitor "unix:$D/monitor,server=on,wait=off" -rtc "base=utc,clock=host")
	boot "xk.case=snapshot" "${machine[@]}" "$@"
	say "a snapshot was taken; meanwhile time goes on"
	sleep 6 # of the machine's clock, which is the guest's (clock=host)
	boot "xk.case=snapshot" "${machine[@]}" "$@" -incoming "exec:cat $D/snapshot"
}
case_snapshot() {
	kernel debian12
	snapshot
	snapshot -device vmgenid,guid=auto # another one in each life
}

case_doctor() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	kernel debian12
	# A tap hands over large packets as they are, so that the card has hardware GRO; it is in a namespace that ends with qemu.
	AROUND=(unshare --net)
	boot "xk.case=doctor" -netdev tap,id=tap,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=tap \
		-netdev hubport,id=hub,hubid=0 -device vmxnet3,netdev=hub
	AROUND=()
}

case_ways() {
	kernel debian12
	boot "xk.case=ways"
}
case_ways_floor() {
	kernel floor
	boot "xk.case=ways"
}

case_links() {
	kernel debian12
	boot "xk.case=links"
}
case_links_floor() {
	kernel floor
	boot "xk.case=links"
}

case_old_kernel() {
	if [ -n "${XK_VM_OLD_KERNEL:-}" ]; then
		kernel "$XK_VM_OLD_KERNEL"
		boot "xk.case=old_kernel xk.real=1"
	else
		kernel floor
		boot "xk.case=old_kernel xk.real=0"
	fi
}

[ $# -gt 0 ] || { sed -n '6,23s/^# \?//p' "$0" >&2 && exit 2; }
PATH=$PATH:/usr/sbin:/sbin
for tool in qemu-system-x86_64 busybox cpio ethtool modprobe depmod ip socat nft mke2fs dash strip setpriv xdp-loader \
	xdp-filter ipvsadm tcpdump fwknop; do
	command -v "$tool" >/dev/null || skip "there is no $tool"
done
D=$(mktemp -d /tmp/xk-vm.XXXXXX)
trap finish EXIT
trap 'exit 1' INT TERM HUP
for name in "$@"; do
	declare -F "case_$name" >/dev/null || fail "'$name' is not a case"
	begin=$SECONDS
	"case_$name"
	say "$name passed in $((SECONDS - begin)) s"
done
