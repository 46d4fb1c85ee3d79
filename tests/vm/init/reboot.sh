# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Power cuts. Four boots, one after the other, with one disk; the clock goes on between them by as much as the host
# says, which is less than the 30 s that a knock is good for. Those that a later boot refuses are made by a clock that is
# 25 s ahead, and so are good for 55 s: a slow machine takes half a minute to boot. What the eavesdropper has lies on a
# disk of his own.
#   1  knocks are accepted; the power goes
#   2  a boot after a power cut; then a clean stop
#   3  a boot after a clean stop; then the power goes, and the battery of the clock too
#   4  a boot with a clock of years ago, which a time server then sets
boot=$(word boot)
mount_disks() {
	modprobe virtio_pci
	modprobe virtio_blk
	eventually 5 test -b /dev/vdb || fail "no disks"
	mkdir -p /disk /eavesdropper /var/lib/xknock /etc/xknock
	mount -t ext4 /dev/vda /disk || fail "the disk cannot be mounted"
	mount -t ext4 -o sync /dev/vdb /eavesdropper || fail "the eavesdropper's disk cannot be mounted"
	mkdir -p /disk/lib /disk/etc
	chown xknock:xknock /disk/lib
	mount -o bind /disk/lib /var/lib/xknock || fail "mount"
	mount -o bind /disk/etc /etc/xknock || fail "mount"
}
mount_disks
# shellcheck disable=SC2034  # for lib.sh
PROFILES=/etc/xknock
network
listen 22

# How many knocks were judged, in this boot and, where there is a copy of the state, before.
judged() { echo $(($(stat refused horizon) + $(stat refused replay) + $(stat refused stale) + $(stat accepted open))); }
judged_all() { [ "$(judged)" -ge "$1" ]; }
# replay_all DESCRIPTION: every knock that the eavesdropper has, sent again; none is accepted.
replay_all() {
	local accepted before count=0
	accepted=$(stat accepted open)
	before=$(judged)
	for file in /eavesdropper/k*; do
		send_capture "$file"
		count=$((count + 1))
	done
	# Not even looked at would prove nothing.
	eventually 5 judged_all $((before + count)) || fail "$1: not judged"
	equal "$1 ($count knocks)" "$(stat accepted open) $(grants)" "$accepted 0"
}

case $boot in
1)
	configure
	enroll
	sync
	start
	for i in 1 2 3; do
		capture /eavesdropper/k$i --clock 25
		accepted_as_new "knock ($i) is accepted" /eavesdropper/k$i
		knockctl close anna >/dev/null
	done
	capture /eavesdropper/k-held --clock 25
	say "a fourth one was held back; now the power goes"
	;;
2)
	start
	since=$(uptime)
	contains "after a power cut judgement begins with what it cannot trust" "$(knockctl status)" "refused"
	replay_all "every knock of before is refused"
	equal "by the horizon" "$(stat refused horizon)" 4
	refuse "a fresh knock has to wait" fresh_knock_opens
	# What counts is the clock of who knocks: half of the minute is skipped.
	date -s "@$(($(date +%s) + 30))" >/dev/null
	eventually 32 fresh_knock_opens || fail "a fresh knock is not accepted within a minute"
	say "it was accepted $((30 + ($(uptime) - since) / 100)) s after the start, by the wall clock"
	knockctl close anna >/dev/null
	capture /eavesdropper/k-after --clock 25
	accepted_as_new "one more is accepted" /eavesdropper/k-after
	stop
	umount /etc/xknock /var/lib/xknock /disk /eavesdropper || fail "umount"
	say "a clean stop"
	;;
3)
	start
	contains "after a clean stop judgement begins with all that it knew" "$(knockctl status)" "clean stop"
	rm /eavesdropper/k[123] /eavesdropper/k-held # too old by now
	capture /tmp/fresh
	accepted_as_new "a fresh knock is accepted at once" /tmp/fresh
	knockctl close anna >/dev/null
	# By the horizon where this start came after the knock's own clock, which is ahead, and as a replay where it came sooner.
	stale=$(stat refused stale)
	replay_all "the knock of before the stop is refused"
	equal "and not for its age" "$(stat refused stale)" "$stale"
	rm /eavesdropper/k-after
	capture /eavesdropper/k4
	accepted_as_new "one more is accepted, and the power goes" /eavesdropper/k4
	;;
4)
	start
	contains "with a clock of years ago nothing is let in" "$(cat "$LOG")" "the wall clock is wrong"
	date -s "@$(word clock)" >/dev/null
	eventually 5 grep -q "right again" "$LOG" || fail "the log does not say that the clock is right"
	say "a time server sets it right"
	replay_all "the knock of before the power cut is refused"
	;;
esac
