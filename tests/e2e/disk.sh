#!/bin/bash
# SPDX-License-Identifier: MIT
# Real file systems that are full or read-only under the daemon's two directories: what runs goes on and lets people in,
# what cannot start says why and leaves the ruleset as it was, and nothing of a failed write stays behind.
. "$(dirname "$0")/lib.sh"
begin disk
configure
# disk DIRECTORY SIZE MODE: a file system of its own for it, which lib.sh takes away.
disk() {
	mkdir -p "$D/$1"
	mount -t tmpfs -o "size=$2,nr_inodes=32,uid=$UID_DAEMON,gid=$UID_DAEMON,mode=$3" "xk-$1" "$D/$1"
}
disk state 4m 700
for i in 1 2 3 4 5 6 7 8 9 10; do enroll "user$i" key --factor hmac; done
listen 22
fill() { ! dd if=/dev/zero of="$D/$1/filler" bs=4k oflag=append conv=notrunc status=none 2>/dev/null; }
# The directory alone, so that files which are open do not forbid it.
read_only() {
	mount --bind "$D/$1" "$D/$1"
	mount -o remount,bind,ro "$D/$1"
}
writable() { umount "$D/$1"; }
kill_it() {
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2>/dev/null || true
}
knocks=0
# lets_in DESCRIPTION: a knock of somebody who has not knocked yet is accepted.
lets_in() {
	knocks=$((knocks + 1))
	local before
	before=$(stat accepted open)
	knock_only 192.0.2.1 "user$knocks-key" ssh 2>/dev/null
	reaches accepted open $((before + 1))
	check "$1: knocks are let in" granted
	ctl close 192.0.2.2 >/dev/null
}
# does_not_start DESCRIPTION PART: exit code 1, with this in the message.
does_not_start() {
	local code=0
	timeout 20 nsenter --net="/run/netns/$SRV" "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER" >"$D/out" 2>&1 || code=$?
	equal "$1: it does not start" "$code" 1
	contains "$1: and says why" "$(cat "$D/out")" "$2"
}

say "the directory of the running state"
disk run 64k 755
does_not_start "too small" "No space left on device"
contains "with what is to be done" "$(cat "$D/out")" "hint: "
equal "nothing was changed" "$(in_srv nft list ruleset)" ""
umount "$D/run"
disk run 64m 755
start
lets_in "with room"
ctl ban 203.0.113.9 --for 1h --reason first >/dev/null
fill run
lets_in "full"
check "full: bans count" ctl ban --stdin --for 1h --reason "more than a page of text" \
	<<<"$(python3 -c 'for i in range(200): print(f"203.0.113.{i}")')"
contains "full: what a restart will not know is said" "$(cat "$D/log")" "a restart would not know whose bans these are"
kill_it
start
lets_in "full, and after a kill"
equal "full, and after a kill: all bans hold" "$(ctl bans --json | grep -c '"prefix"')" 200
ctl unban --all >/dev/null
kill_it
rm "$D/run/filler"
read_only run
refuse "nobody runs: the port is shut" granted
does_not_start "read-only" "Read-only file system"
refuse "and the ruleset stands" granted
writable run

say "the directory of the copy"
start
fill state
lets_in "full"
eventually 5 grep -q "writing \"$D/state/state\": No space left on device" "$D/log" || fail "full: the log does not say so"
say "full: the log says so"
equal "nothing is left of what could not be written" "$(find "$D/state" -name 'state.*')" ""
kill_it
fill state # the daemon held a page: of the copy that it had found at its start
start
contains "full at the start: told, with what it means" "$(grep 'No space left' "$D/log")" "the copy of judgement's memory cannot be written"
lets_in "full at the start"
rm "$D/state/filler"
refuse "the copy, which could not be revoked, was removed" test -e "$D/state/state"
lets_in "with room again"
eventually 40 test -e "$D/state/state" || fail "with room again: nothing is written"
say "with room again: the copy is written again"

# Every fsync takes a minute, in whichever thread; what opens grants meanwhile has not waited for one.
say "a disk that is slow"
strace -qq -f -o "$D/syncs" -p "$DAEMON" -e trace=fsync -e inject=fsync:delay_enter=60000000 2>"$D/strace" &
STRACE=$!
traced() { grep -q '^TracerPid:.[1-9]' "/proc/$DAEMON/status"; }
eventually 10 traced || fail "no strace: $(cat "$D/strace")"
syncing() { knock_only 192.0.2.1 user1-key ssh 2>/dev/null && grep -q fsync "$D/syncs"; }
eventually 45 syncing || fail "no accepted knock of a new slot goes to the disk"
lets_in "slow"
refuse "slow: it was open before the disk was ready" grep -q ' = 0' "$D/syncs"
kill $STRACE
wait $STRACE || true

read_only state
lets_in "read-only"
echo 'gate: {allow: [203.0.113.77]}' >>"$D/etc/xknock.yaml"
check "read-only: a reload counts" ctl reload
contains "read-only: what a failed start would put up is told" "$(cat "$D/log")" "the last good ruleset cannot follow the configuration yet: "
writable state
kept() { grep -q '^allow 203.0.113.77' "$D/state/last_good"; }
eventually 10 kept || fail "the last good ruleset is not written again"
say "and it is written when that is possible"
read_only state
kill_it
start
contains "read-only at the start: told" "$(cat "$D/log")" "Read-only file system; after a reboot knocks of before are refused"
lets_in "read-only at the start"
kill_it
writable state
start
stop
# A copy that says "clean" would, after a power cut, let in again what was accepted until then.
read_only state
does_not_start "a clean copy that cannot be revoked" "Read-only file system"
refuse "and the ruleset stands" granted
writable state
start
lets_in "writable again"
stop
pass
