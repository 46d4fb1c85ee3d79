#!/bin/bash
# SPDX-License-Identifier: MIT
# A start that fails after a boot leaves the ports shut: the last good ruleset is put up before anything is looked at. The
# log and the service manager say so, and the way out. A gate that nobody confirmed, that was taken away, or that is to be
# open on failure does not come back.
. "$(dirname "$0")/lib.sh"
begin bad-start
configure "clock_skew: 2s" # a start that fails late leaves a memory that a reboot cannot trust, and so a horizon of so long
enroll_everybody
listen 22 80
cp -a "$D/etc" "$D/etc.good"
main() { sed -i "$1" "$D/etc/xknock.yaml"; }
mend() {
	rm -rf "${D:?}/etc"
	cp -a "$D/etc.good" "$D/etc"
}
# What a boot leaves: no table, no pins, nothing in /run.
power_cycle() {
	in_srv nft delete table inet xknock 2>/dev/null || true
	rm -rf "$D/bpf/xknock" "$D/run"
}
by_stranger() { can_connect "$STR" 198.51.100.1 22; }
KEPT=$D/state/last_good

# fails CODE WHAT [COMMAND...]: after a boot, with what was done to the configuration.
fails() {
	local code=$1 what=$2 got=0
	shift 2
	if [ $# -eq 0 ]; then set -- daemon_command; fi
	power_cycle
	"$@" >"$D/start" 2>&1 || got=$? # "check" has a file of its own
	equal "$what: exit $code" "$got" "$code"
}
is_shut() {
	fails "$@"
	refuse "$2: shut" by_stranger
	contains "$2: which is said" "$(cat "$D/start")" "critical: shut, judging nothing: "
	contains "$2: with the way out" "$(cat "$D/start")" '"xknockd --remove", which opens the ports'
	mend
}
is_open() {
	fails "$@"
	check "$2: open" by_stranger
	mend
}

say "before any good start there is nothing to put up"
main 's/ssh: tcp\/22/ssh: [tcp\/22/'
is_open 78 "the first start of all"
start
equal "a good start keeps its ruleset, for nobody else to read" "$(command stat -c %a:%u "$KEPT")" "600:$UID_DAEMON"
before=$(command stat -c %i "$KEPT")
check "reload" ctl reload
equal "and writes it anew only where it differs" "$(command stat -c %i "$KEPT")" "$before"
owned=$(ctl status --json | grep -c '"owned": true' || true)
stop

say "configurations"
main 's/ssh: tcp\/22/ssh: [tcp\/22/'
is_shut 78 "text that is no YAML"
main '$ a allow_generic: true'
is_shut 78 "an unknown key"
chmod 666 "$D/etc/xknock.yaml"
is_shut 78 "a file that others can write"
main "s/user: \"$UID_DAEMON\"/user: nobody-of-that-name/"
is_shut 78 "a user that does not exist"
rm "$D/etc/server_id"
is_shut 78 "no identity"
# The standard directory is this machine's; here it is ours.
# shellcheck disable=SC2016  # for the other shell
is_shut 78 "no file at all" unshare -m sh -c 'mount -t tmpfs none /var/lib && mkdir /var/lib/xknock && cp -a "$1" /var/lib/xknock/ &&
	chown -R --reference="$1" /var/lib/xknock && shift && exec "$@"' _ "$KEPT" nsenter --net="/run/netns/$SRV" "$XKNOCKD" \
	-c "$D/nothing.yaml"

say "and the host"
main 's/host0, host1/host9/'
is_shut 1 "no interface"
is_shut 1 "no worker" in_srv "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker /bin/false
is_shut 1 "no BPF" in_srv env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e trace=bpf \
	-e inject=bpf:error=EINVAL:when=1+ "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER"
mkdir -p "$D/run"
main "s#run: $D/run#run: /proc/xknock#"
is_shut 1 "nowhere to write"

long=$D/$(printf 'x%.0s' $(seq 120))
main "s#run: $D/run#run: $long#"
is_shut 78 "a control socket with too long a path, which shows last"

say "what is said to the service manager"
socat -u "UNIX-RECV:$D/notify" "CREATE:$D/said" &
listener=$!
eventually 5 test -S "$D/notify"
main '$ a allow_generic: true'
is_shut 78 "with NOTIFY_SOCKET" env NOTIFY_SOCKET="$D/notify" nsenter --net="/run/netns/$SRV" "$XKNOCKD" -c "$D/etc/xknock.yaml"
eventually 5 grep -aq 'STATUS=shut, judging nothing: .*unknown key "allow_generic"' "$D/said" || fail "no STATUS: $(cat "$D/said")"
say "it is the status"
if [ "$owned" = 1 ]; then
	refuse "who keeps its owner keeps it from others" in_srv nft delete table inet xknock
	contains "the owner of the table is kept for the next start" "$(tr '\n' ' ' <"$D/said")" "FDSTORE=1 FDNAME=nft"
	kill "$listener"
	wait "$listener" || true
	contains "and without it the table outlives its owner" "$(in_srv nft list tables)" "inet xknock"
fi

doctor() { in_srv "$KNOCKCTL" --socket "$D/run/control.sock" doctor -c "$D/etc/xknock.yaml" || true; }
main '$ a allow_generic: true'
said=$(doctor)
contains "doctor says it too" "$said" "problem  daemon: shut, judging nothing: "
contains "with the way out" "$said" '"xknockd --remove", which opens the ports'
mend
lacks "with a good configuration it is another finding" "$(doctor)" "judging nothing"

say "then a good start"
start
[ "$owned" = 0 ] || contains "owns the table" "$(ctl status --json)" '"owned": true'
check "a knock opens" knock 192.0.2.1 anna-robot
kill -KILL "$DAEMON"
wait "$DAEMON" || true

say "what others may have done to the file is not believed"
cp -p "$KEPT" "$D/kept"
main '$ a allow_generic: true'
for what in "sed -i \$d" "sed -i s/guard/gard/" "chmod 644" "chown 65534"; do
	$what "$KEPT"
	fails 78 "$what"
	contains "$what: is said" "$(cat "$D/start")" "the last good ruleset is not put up: \"$KEPT\""
	cp -p "$D/kept" "$KEPT"
done
fails 78 "a dry run" daemon_command --dry-run
equal "puts nothing up" "$(in_srv nft list tables)" ""
mend

say "in panic"
start
ctl panic >/dev/null
stop
main '$ a allow_generic: true'
is_shut 78 "a panic"
start
ctl panic --over >/dev/null
stop

say "on trial"
start_with --try 1h
refuse "nothing is kept" test -e "$KEPT"
kill -KILL "$DAEMON" "$(worker_pid)"
wait "$DAEMON" || true
main '$ a allow_generic: true'
is_open 78 "the power goes"
power_cycle
rm "$D/state/trial"
start
check "a gate that stands" test -e "$KEPT"
ctl try 1h >/dev/null
refuse "on trial is kept no more" test -e "$KEPT"
ctl confirm >/dev/null
check "until somebody confirms it" test -e "$KEPT"
stop

say "taken away"
daemon_command --remove >"$D/out" 2>&1
refuse "with it goes what is kept" test -e "$KEPT"
main '$ a allow_generic: true'
is_open 78 "a start after it"
start
stop
main 's/ssh: tcp\/22/ssh: [tcp\/22/'
in_srv "$XKNOCKD" --remove -c "$D/etc/xknock.yaml" >"$D/out" 2>&1
refuse "also with a configuration that is no YAML" test -e "$KEPT"
mend

say "open on failure"
start
echo 'gate: {on_failure: open}' >>"$D/etc/xknock.yaml"
check "a reload" ctl reload
refuse "nothing is kept" test -e "$KEPT"
contains "and doctor says what that means" "$(doctor)" "advice   config: gate.on_failure is open"
stop
rm "$D/etc/server_id"
is_open 78 "a bad start"
start
stop
in_srv nft -f - <<'N'
	table inet theirs {
		set four { type ipv4_addr . inet_proto . inet_service; flags timeout; }
		set six { type ipv6_addr . inet_proto . inet_service; flags timeout; }
	}
N
power_cycle
echo 'gate: {mode: external, external: {table: theirs, set4: four, set6: six}}' >>"$D/etc/xknock.yaml"
start
refuse "in mode external nothing is kept" test -e "$KEPT"
lacks "and no table of ours stands" "$(in_srv nft list tables)" "xknock"
stop
pass
