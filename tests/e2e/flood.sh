#!/bin/bash
# SPDX-License-Identifier: MIT
# Floods with forged sources, as fast as a packet socket takes them: by somebody who has a device's key and leaves
# handshakes half open, among a million random and copied packets; and a scan of all ports. Nothing opens, the worker does
# not grow and is not woken by a scan, and others knock meanwhile in each way.
. "$(dirname "$0")/lib.sh"
begin flood
movable_clock
configure
FLOOD=$XK_BUILD/tests/tool/xk-flood
ENROLL_HOST=192.0.2.1 enroll eve stolen --factor none --service ssh
ENROLL_HOST=192.0.2.1 enroll bob phone --factor none --service ssh
sed -i '/^modes:/d' "$D"/etc/users/*.yaml
echo 'modes: [packet, handshake]' >>"$D/etc/users/eve.yaml"
echo 'modes: [packet, handshake, sequence]' >>"$D/etc/users/bob.yaml"
listen 22
start
worker=$(worker_pid)
mac_of() { ip -n "$1" link show "$2" | sed -n 's/.*link\/ether \([0-9a-f:]*\) .*/\1/p'; }
# Answers would find their way to the sources.
ip -n "$SRV" route add 198.18.0.0/15 via 198.51.100.66
ip -n "$SRV" neigh replace 198.51.100.66 lladdr "$(mac_of "$STR" str0)" dev host1 nud permanent
in_srv nft 'table inet answers {
	counter sent { }
	chain out { type filter hook output priority 300; ip daddr 198.18.0.0/15 udp sport 62201 counter name sent; }
}'
answers() { in_srv nft list counter inet answers sent | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }
flood() { background "$STR" "$FLOOD" "$@" --interface str0 --to 198.51.100.1 --mac "$(mac_of "$SRV" host1)" >"$D/sent"; }
flood_ends() { wait "$BACKGROUND" || fail "the flood ended badly"; say "sent: packets and ms: $(cat "$D/sent")"; }
shut() { ctl close 0.0.0.0/0 >/dev/null; }
# meanwhile: one knock of each way while the flood lasts; then it may end.
meanwhile() {
	local way
	for way in "open" "open --handshake" "sequence"; do
		# shellcheck disable=SC2086 # two words
		in_cli "$CLIENT" $way --profile "$(profile bob-phone)" 192.0.2.1 ssh 2>"$D/err" || fail "no way in by $way: $(cat "$D/err")"
		kill -0 "$BACKGROUND" 2>/dev/null || fail "the flood ended before"
		say "meanwhile $way opens for somebody else"
		shut
	done
	kill -TERM "$BACKGROUND"
}
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$worker/status"; }
wakes() { sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' "/proc/$worker/status"; }
records() { ctl stats --json | sed -n '/"filter": {/,/}/{s/ *"candidate": \([0-9]*\),*/\1/p;s/ *"sequence": \([0-9]*\),*/\1/p;s/ *"legacy": \([0-9]*\),*/\1/p}' | paste -sd+ | bc; }

say "hellos of a device from 100,000 sources, none with a request, among a million other packets"
begin_slot
in_cli "$CLIENT" open 192.0.2.1 ssh --handshake --profile "$(profile bob-phone)" 2>"$D/err" || fail "no handshake: $(cat "$D/err")"
shut
before=$(memory)
begun=$SECONDS
flood hellos --profile "$(profile eve-stolen)" --packets 1000000 --until-stopped
meanwhile
flood_ends
took=$((SECONDS - begun))
equal "nothing opened" "$(grants)" 0
[ "$(stat refused half-open)" -gt 0 ] || fail "no hello was one too many"
# Four are half open at a time, for fifteen seconds.
sent=$(answers)
[ "$sent" -ge 1 ] || fail "no hello was answered"
[ "$sent" -le $((4 * (1 + (took + 2) / 15))) ] || fail "$sent answers in $took s"
say "$sent of the hellos were answered in $took s"
[ $(($(memory) - before)) -le 1024 ] || fail "the worker has grown from $before to $(memory) kB"
say "the worker did not grow: $before kB before, $(memory) kB after"
equal "it is the same worker" "$(worker_pid)" "$worker"

say "a scan of all ports from 10,000 sources, by datagrams and SYNs"
ready=$(records) woken=$(wakes)
begun=$SECONDS
flood scan --sources 10000 --packets 140000 # each port once
flood_ends
took=$((SECONDS - begun))
equal "the filter passes nothing on to the worker" "$(records)" "$ready"
# A ping a second, and what follows from it.
woken=$(($(wakes) - woken))
[ $woken -le $((20 + 20 * took)) ] || fail "the worker was woken $woken times in $took s"
say "the worker was woken $woken times in $took s"
begin_slot
flood scan --sources 10000 --packets 140000 --until-stopped
meanwhile
flood_ends
equal "nothing opened" "$(grants)" 0
stop
pass
