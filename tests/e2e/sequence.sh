#!/bin/bash
# SPDX-License-Identifier: MIT
# Knocks by sequences of ports, from the client to an open port: by datagrams and SYNs, over both families, by the line that
# --print gives, once in a slot whoever sends them, beside scans, and over reloads and kills.
. "$(dirname "$0")/lib.sh"
begin sequence
movable_clock
configure
ENROLL_HOST=192.0.2.1 enroll bob phone --factor none --service ssh
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
may_send_ports() { sed -i '/^modes:/d' "$D/etc/users/bob.yaml" && echo 'modes: [packet, sequence]' >>"$D/etc/users/bob.yaml"; }
may_send_ports
listen 22
P=$(profile bob-phone)
sequence() { in_cli "$CLIENT" sequence "${@:2}" "$1" ssh --profile "$P"; }
fresh_slot() { shut && begin_slot; }
shut() { ctl close 0.0.0.0/0 >/dev/null && ctl close ::/0 >/dev/null; }
# ports_now: those of this slot
ports_now() { in_cli "$CLIENT" sequence 192.0.2.1 --profile "$P" --print -v 2>&1 >/dev/null | sed -n 's/.*ports \([0-9 ]*\)$/\1/p'; }
# send_from NS PORT...: datagrams from bash, 10 ms apart
# shellcheck disable=SC2016 # bash there expands it
send_from() { nsenter --net="/run/netns/$1" bash -c 'for p; do echo >"/dev/udp/192.0.2.1/$p"; sleep 0.01; done' - "${@:2}" 2>/dev/null || true; }
start

say "over IPv4 and IPv6, by datagrams and by SYNs"
for way in "192.0.2.1 --udp" "2001:db8::1 --udp" "192.0.2.1 --tcp" "2001:db8::1 --tcp"; do
	fresh_slot
	refuse "shut before $way" can_connect "$CLI" "${way% *}" 22
	# shellcheck disable=SC2086
	sequence $way >"$D/out" 2>&1 || fail "no sequence opens by $way: $(cat "$D/out" "$D/log")"
	check "open by $way" can_connect "$CLI" "${way% *}" 22
done
contains "for the device whose sequence it is" "$(ctl grants)" bob/phone
contains "and the log has it" "$(cat "$D/log")" "granted bob/phone ssh from 2001:db8::2"
equal "each was reported once" "$(stat filter sequence)" 4
refuse "and nobody else is in" can_connect "$STR" 198.51.100.1 22

say "once in a slot, whoever sends it"
fresh_slot
ports=$(ports_now)
# shellcheck disable=SC2086
set -- $ports
equal "the client says six ports" $# 6
send_from "$CLI" "$@"
check "any program can send them" eventually 5 granted
shut
seen=$(stat filter seen)
send_from "$STR" "$@"
reaches filter seen $((seen + 1))
equal "who heard them gets nothing" "$(grants)" 0
killed() { kill -KILL "$DAEMON" && { wait "$DAEMON" 2>/dev/null || true; }; }
killed
start
send_from "$STR" "$@"
reaches filter seen $((seen + 2))
say "nor after the daemon was killed"
killed
rm "$D/bpf/xknock/maps4/sequence_steps" # the filter forgets it; the worker's own memory does not
start
replays=$(stat refused replay)
send_from "$STR" "$@"
reaches refused replay $((replays + 1))
equal "nor where the filter has forgotten it" "$(grants)" 0

say "the order counts"
fresh_slot
# shellcheck disable=SC2046
set -- $(ports_now)
send_from "$CLI" "$2" "$1" "$3" "$4" "$5" "$6"
sleep 0.3 # for what must not happen
equal "two that changed places open nothing" "$(grants)" 0
send_from "$CLI" "$@"
check "and the right order does, in the same slot" eventually 5 granted

say "the line of --print"
fresh_slot
line=$(in_cli "$CLIENT" sequence 192.0.2.1 --profile "$P" --print)
in_cli bash -c "$line" >/dev/null 2>&1 || true
check "opens" eventually 5 granted

say "beside scans of all ports"
cat >"$D/scan.py" <<'C'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for port in range(24576, 32768):
        try:
            s.sendto(b"", ("198.51.100.1", port))
        except OSError:
            pass
C
fresh_slot
before=$(stat filter sequence)
background "$STR" python3 "$D/scan.py" 6
scan=$BACKGROUND
sequence 192.0.2.1 2>"$D/out" || fail "a scan keeps a sequence out: $(cat "$D/out")"
say "a sequence opens"
wait "$scan"
equal "and the scan completes none" "$(stat filter sequence)" $((before + 1))

say "rights"
fresh_slot
sed -i '/^modes:/d' "$D/etc/users/bob.yaml"
check "a reload takes them away" ctl reload
# shellcheck disable=SC2046
set -- $(ports_now)
equal "the client still says its ports" $# 6
send_from "$CLI" "$@"
knock_only 192.0.2.1 bob-phone
check "a packet opens" eventually 5 granted
equal "and nobody follows ports" "$(stat filter sequence)" $((before + 1))
may_send_ports
check "a reload gives them back" ctl reload
fresh_slot
sequence 192.0.2.1 2>"$D/out" || fail "no sequence opens: $(cat "$D/out")"
say "a sequence opens again"
sed -i 's/^modes:.*/modes: [sequence]/' "$D/etc/users/bob.yaml"
check "packets may be taken away too" ctl reload
shut
tags=$(stat filter tag)
knock_only 192.0.2.1 bob-phone
check "then their tags are unknown" eventually 5 at_least filter tag $((tags + 1))
equal "and open nothing" "$(grants)" 0
code=0
in_cli "$CLIENT" sequence 192.0.2.1 ssh --profile "$(profile anna-laptop)" 2>"$D/out" || code=$?
equal "who needs a code is told so" "$code" 78
contains "by the client" "$(cat "$D/out")" "second factor"

say "odds that nobody accepted"
echo 'sequence: {ports: 5, max_guess_odds: 1e-9}' >>"$D/etc/xknock.yaml"
refuse "are refused" ctl reload
contains "with their number" "$(ctl reload 2>&1 || true)" "odds of 6.8e-07"
stop
pass
