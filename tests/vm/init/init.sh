# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The first process of the guest: what a system has, then the case that the kernel's command line names. What is proved
# goes to the second serial port, one line each; the first one is the console.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
exec </dev/null >/dev/console 2>&1
stty -F /dev/ttyS1 raw
exec 3>/dev/ttyS1

word() { sed -n "s/.*xk\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

# Whatever hangs, hangs no longer than this; the host's time-out is only for a kernel that does not get here.
(
	sleep "$(word watchdog)"
	echo "FAILED: the guest's watchdog" >&3
	echo "RESULT failed" >&3
) &

# The accounts that the package makes.
cat >/etc/passwd <<-P
	root:x:0:0::/:/bin/sh
	xknock:x:990:990::/:/bin/false
	xknock-worker:x:991:991::/:/bin/false
P
cat >/etc/group <<-G
	root:x:0:
	xknock:x:990:
	xknock-worker:x:991:
G
sysctl -q -w kernel.printk=3

# shellcheck source=/dev/null
. /test/lib.sh
# A case that systemd boots: this prepares it, and a unit of the case's own gives the result.
if [ -e /lib/systemd/systemd ]; then
	# shellcheck disable=SC1090  # one of the cases
	if (. "/test/$(word case).sh"); then exec /lib/systemd/systemd 3>&-; fi
	echo "RESULT failed" >&3
fi
# In a shell of its own: "fail" ends it, and the first process must not end. With the result, the host takes the power
# away.
# shellcheck disable=SC1090  # one of the cases
if (. "/test/$(word case).sh"); then
	echo "RESULT passed $(date +%s)" >&3
else
	echo "RESULT failed" >&3
fi
while :; do sleep 60; done
