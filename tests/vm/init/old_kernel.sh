# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# A kernel that is too old: a clear word, and nothing is changed. With a real one where there is one; else with one that
# answers like it (xk-old-kernel).
network
configure
enroll

old=
if [ "$(word real)" = 1 ]; then
	say "kernel $(uname -r)"
else
	say "kernel $(uname -r), which plays an older one"
	old=xk-old-kernel
	echo 37 >/tmp/cap_last_cap
	mount -o bind /tmp/cap_last_cap /proc/sys/kernel/cap_last_cap
fi
# The time-out is for a daemon that should not have started.
$old timeout 20 xknockd -c "$CONFIG" --worker /bin/xknock-worker >"$LOG" 2>&1
equal "xknockd ends with code 1" $? 1
contains "it says that the kernel is at fault" "$(cat "$LOG")" "kernel"
contains "and which one it needs" "$(grep hint "$LOG")" "Linux 5.10 or later"
equal "there is no table" "$(nft list tables)" ""
equal "no pin" "$(find /sys/fs/bpf -type f)" ""
equal "no filter on an interface" "$(ip link | grep xdp)" ""
equal "and no process" "$(pidof xknock-worker xknockd)" ""
