#!/bin/bash
# SPDX-License-Identifier: MIT
# knockctl and the control socket: every verb, JSON, who may do what, and messages that are none.
. "$(dirname "$0")/lib.sh"
begin control
configure "control: {admin_group: 62010, read_group: 62011}"
enroll_everybody
start
listen 22
knock 192.0.2.1 anna-robot 2>/dev/null
SOCKET=$D/run/control.sock
export KNOCKCTL SOCKET

say "what it shows"
for verb in status grants users stats bans; do
	check "$verb for people" ctl "$verb"
	ctl "$verb" --json | python3 -m json.tool >"$D/json" || fail "$verb --json is no JSON"
	say "$verb --json is JSON"
done
contains "status: the mode of each interface" "$(ctl status)" "host0 (native), host1 (native)"
contains "status: the clock" "$(ctl status)" "clock        ok"
contains "grants: address, port, service and holder" "$(ctl grants | tr -s ' ')" "192.0.2.2 tcp/22 ssh "
contains "users: status" "$(ctl users | tr -s ' ')" "anna/robot hmac packet ssh, web, vpn ok 0 1 20"
contains "stats: what the filter saw" "$(ctl stats)" "candidate"

say "close and unlock"
refuse "closing for nobody" ctl close nobody
contains "is an error" "$(cat "$D/out")" '"nobody" is neither an address nor a user'
check "close an address" ctl close 192.0.2.2
equal "it is closed" "$(grants)" 0
refuse "in the kernel too" granted
knock 192.0.2.1 anna-robot 2>/dev/null
check "close a user" ctl close anna
refuse "the same" granted
wrong() { in_cli "$PACKET" send "$D/packet" --to 192.0.2.1; }
# As the client does when the port stays shut, each typed code is sealed three times: it is one wrong code.
for code in 1 2 3 4 5 6; do
	for _ in 1 2 3; do
		"$PACKET" make --profile "$(profile anna-laptop)" --code "00000$code" >"$D/packet"
		wrong
	done
	[ "$code" -ge 6 ] || reaches refused wrong-code $((3 * code))
done
reaches refused wrong-code 16
reaches refused locked 2
contains "six wrong codes lock the device" "$(ctl users)" "locked for "
contains "status counts it" "$(ctl status)" "3, 1 locked"
eventually 5 grep -q "refused anna/laptop from 192.0.2.2: wrong-code, locked for 30 s" "$D/log" ||
	fail "the log does not say it, with the time, however many refusals there were"
"$PACKET" make --profile "$(profile anna-laptop)" >"$D/packet"
wrong
reaches refused locked 3
say "even a right code is refused then"
check "the user's other device goes on" knock 192.0.2.1 anna-robot
ctl close anna >/dev/null
refuse "unlocking nobody" ctl unlock nobody
contains "is an error" "$(cat "$D/out")" 'there is no user or device "nobody"'
check "unlock" ctl unlock anna/laptop
unlocked() { ! ctl users | matches locked; }
eventually 5 unlocked || fail "it is still locked"
check "the code counts again" knock 192.0.2.1 anna-laptop

say "wrong words"
for words in "" "nothing" "ban" "ban 192.0.2.256" "ban 192.0.2.9 --for soon" "close" "clock" "keygen"; do
	code=0
	# shellcheck disable=SC2086
	ctl $words >"$D/out" 2>&1 || code=$?
	[ "$code" = 2 ] || [ "$code" = 1 ] || fail "knockctl $words ended with $code"
done
say "are refused"
code=0
"$KNOCKCTL" --socket "$D/none.sock" status >"$D/out" 2>&1 || code=$?
equal "no daemon: exit 1" "$code" 1
contains "with a hint" "$(cat "$D/out")" "is xknockd running?"
check "check: a good file" in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml"
is_json() { "$@" | python3 -c 'import json, sys; json.load(sys.stdin)'; }
check "check --json" is_json in_srv "$KNOCKCTL" check --json "$D/etc/xknock.yaml"
echo 'prot: 1' >"$D/bad.yaml"
code=0
"$KNOCKCTL" check "$D/bad.yaml" >"$D/out" 2>&1 || code=$?
equal "check: a bad file" "$code" 78
contains "with its faults" "$(cat "$D/out")" 'bad.yaml:1:1: unknown key "prot"'

say "a result that cannot be written is no success"
# unwritten COMMAND...: exit code 1 where standard output is full, and where it is closed; nothing else is written to.
unwritten() {
	local code=0
	"$@" 2>"$D/out" >/dev/full || code=$?
	equal "full: $(basename "$1") ${*:2:3}" "$code" 1
	contains "is said" "$(cat "$D/out")" "writing to standard output"
	code=0
	"$@" 2>"$D/out" >&- || code=$?
	equal "closed" "$code" 1
	contains "is said" "$(cat "$D/out")" "writing to standard output"
}
for words in status grants users stats bans 'ban 203.0.113.1' 'unban 203.0.113.1' 'close anna' 'unlock anna' reload; do
	# shellcheck disable=SC2086
	unwritten ctl $words
done
unwritten in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml"
unwritten "$KNOCKCTL" --version
enroll_unread() {
	rm -f "$D"/unread.yaml "$D"/etc/credentials/unread.* "$D/etc/users/unread.yaml"
	"$KNOCKCTL" keygen unread --factor hmac --host 192.0.2.1 -c "$D/etc/xknock.yaml" --out "$D/unread.yaml"
}
unwritten enroll_unread
rm -f "$D"/unread.yaml "$D"/etc/credentials/unread.* "$D/etc/users/unread.yaml"
unwritten in_cli "$CLIENT" status 192.0.2.1 --profile "$(profile anna-robot)"
unwritten "$XKNOCKD" --version

say "every verb speaks JSON"
for words in status grants users stats bans 'ban 203.0.113.1' 'unban 203.0.113.1' 'close anna' 'unlock anna' reload; do
	# shellcheck disable=SC2086
	check "$words" is_json ctl $words --json
done
check "a reason that is not UTF-8" ctl ban 203.0.113.1 --for 1h --reason $'caf\xe9'
check "is listed as far as it can be" is_json ctl bans --json
check "a ban for ever, as fail2ban says it" ctl ban 203.0.113.1 --for -1
contains "has no end" "$(ctl bans)" "for ever"
ctl unban 203.0.113.1 >/dev/null

say "the operator opens"
listen 80
refuse "web is shut for the stranger" can_connect "$STR" 198.51.100.1 80
contains "open" "$(ctl open 198.51.100.66 web --for 1h)" "opened web for 198.51.100.66 for 1h"
check "lets them in" can_connect "$STR" 198.51.100.1 80
contains "it is the operator's" "$(ctl grants | tr -s ' ')" "198.51.100.66 tcp/80 web 1h operator"
contains "nftables says so too" "$(in_srv nft list set inet xknock grants4)" 'comment "operator"'
check "a reload" ctl reload
check "leaves it" can_connect "$STR" 198.51.100.1 80
check "one port" is_json ctl open 198.51.100.67 tcp/22 --for 10s --json
refuse "a port of no service" ctl open 198.51.100.66 tcp/8022 --for 1h
contains "is told" "$(cat "$D/out")" "there is no service"
refuse "an address of this host" ctl open 198.51.100.1 web --for 1h
contains "is told" "$(cat "$D/out")" "198.51.100.1 is an address of this host"
refuse "one that is none" ctl open localhost web --for 1h
contains "is told" "$(cat "$D/out")" '"localhost" is not an IP address'
refuse "for no time" ctl open 198.51.100.66 web
contains "is told" "$(cat "$D/out")" "--for is required"
ctl ban 203.0.113.7 >/dev/null
refuse "who is banned" ctl open 203.0.113.7 web --for 1h
contains "is told why" "$(cat "$D/out")" "203.0.113.7 is banned"
ctl unban 203.0.113.7 >/dev/null
check "close" ctl close 198.51.100.66
refuse "shuts them out" can_connect "$STR" 198.51.100.1 80

say "who may do what"
as() { setpriv --reuid="$1" --regid="$2" --groups="$3" "$KNOCKCTL" --socket "$SOCKET" "${@:4}"; }
check "the group of admins may reload" as 62020 62020 62010 reload
contains "the log says by whom" "$(cat "$D/log")" 'the operator (uid 62020) says "reload"'
check "and close" as 62020 62020 62010 close anna
contains "with the uid" "$(cat "$D/log")" "closed the grants of anna by the operator (uid 62020): 0"
check "the group of readers may look" as 62020 62011 62020 grants
for verb in "open 203.0.113.1 ssh --for 1h" "ban 203.0.113.1" "unban 203.0.113.1" "close anna" "reload" "unlock anna" "clock accept"; do
	# shellcheck disable=SC2086
	refuse "a reader may not $verb" as 62020 62020 62011 $verb
	contains "and is told" "$(cat "$D/out")" "you may look, but not"
done
for verb in status grants users stats bans reload; do
	refuse "others may not $verb" as 62020 62020 62020 $verb
	contains "and are told" "$(cat "$D/out")" "you may not talk to xknockd"
done
for file in "$D/run/state" "$D/run/lock" "$D/state/state" "$D/bpf/xknock/maps4/tags" "$D/etc/credentials/anna.robot.key" \
	"/proc/$DAEMON/environ" "/proc/$DAEMON/mem" "/proc/$(worker_pid)/maps" "/proc/$(worker_pid)/environ"; do
	refuse "nobody else reads ${file#"$D"}" setpriv --reuid=62020 --regid=62020 --clear-groups cat "$file"
done

say "messages that are none"
raw() { timeout 10 socat -t 5 - "UNIX-CONNECT:$SOCKET" | tail -c +5; }
frame() { printf "\\x00\\x00\\x$(printf %02x $((${#1} >> 8)))\\x$(printf %02x $((${#1} & 255)))%s" "$1"; }
contains "not JSON" "$(frame 'hello' | raw)" "the request is not JSON"
contains "no object" "$(frame '[1]' | raw)" "not a JSON object with a verb"
contains "no verb" "$(frame '{"a":1}' | raw)" "not a JSON object with a verb"
contains "an unknown verb" "$(frame '{"verb":"explode"}' | raw)" "there is no verb"
contains "a field of another type" "$(frame '{"verb":"ban","prefix":7}' | raw)" "wrong type"
for seconds in '"x"' -1 0 4294967296 1.5 null; do
	contains "a time that is none ($seconds), to ban" \
		"$(frame "{\"verb\":\"ban\",\"prefix\":\"192.0.2.9\",\"seconds\":$seconds}" | raw)" "not a number of seconds"
	contains "and to open" \
		"$(frame "{\"verb\":\"open\",\"address\":\"192.0.2.9\",\"service\":\"ssh\",\"seconds\":$seconds}" | raw)" \
		"not a number of seconds"
done
equal "nothing was opened by them" "$(ctl grants | grep -c 192.0.2.9 || true)" 0
contains "too long" "$(printf '\xff\xff\xff\xff' | raw)" "the request is too long"
deep=$(printf '[%.0s' $(seq 30000))
contains "very deep" "$(frame "$deep" | raw)" "nested too deeply"
contains "very deep in a field" \
	"$(frame "{\"verb\":\"ban\",\"prefix\":\"192.0.2.9\",\"ipv6_prefix\":$deep$(tr '[' ']' <<<"$deep")}" | raw)" "nested too deeply"
printf '\x00\x00\x00\x20{"verb"' | timeout 5 socat -t 0.2 - "UNIX-CONNECT:$SOCKET" >"$D/out" || true
equal "cut in the middle: no answer" "$(cat "$D/out")" ""
noise=()
for _ in $(seq 40); do
	head -c 3000 /dev/urandom | timeout 5 socat -t 0.1 - "UNIX-CONNECT:$SOCKET" >/dev/null 2>&1 &
	noise+=($!)
done
wait "${noise[@]}" 2>/dev/null || true
check "noise from many at once, and the daemon goes on" ctl status
say "a client that holds the line is dropped after a while"
background "$SRV" socat -u "UNIX-CONNECT:$SOCKET" "OPEN:$D/held,creat"
held=$BACKGROUND
gone() { ! kill -0 "$held"; }
eventually 15 gone || fail "an idle client keeps its place"
check "knocks count as before" knock 192.0.2.1 anna-robot

# Last: knocks have to wait for its horizon.
check "the clock can be accepted" is_json ctl clock accept --json
stop
pass
