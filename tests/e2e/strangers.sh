#!/bin/bash
# SPDX-License-Identifier: MIT
# The sets hold what the book holds. Elements that nobody was granted (loaded from a ruleset that was saved, or put in by
# hand) are taken out and named at a start, a reload, a repair, a close and a panic; grants of ours stay.
. "$(dirname "$0")/lib.sh"
begin strangers
# Where the table is owned nobody else can put anything into it while the daemon lives.
configure 'gate: {owned: false}'
sed -i 's|vpn: udp/51820|vpn: udp/51820, games: tcp/6000-6010, nas: {target: 203.0.113.7, ports: tcp/22}|' "$D/etc/xknock.yaml"
enroll_everybody
listen 22
start
check "a grant of ours" knock 192.0.2.1 anna-robot ssh --lifetime 10m
SETS="grants4 once4 grants4_tcp_6000_6010 forward4 grants6"
put() { # into each kind of set
	in_srv nft -f - <<-'N'
		add element inet xknock grants4 { 198.51.100.66 . tcp . 22 timeout 1h comment "by hand" }
		add element inet xknock once4 { 198.51.100.66 . tcp . 80 timeout 1h }
		add element inet xknock grants4_tcp_6000_6010 { 198.51.100.66 timeout 1h }
		add element inet xknock forward4 { 198.51.100.66 . 203.0.113.7 . tcp . 22 timeout 1h }
		add element inet xknock grants6 { 2001:db8:66::66 . tcp . 22 timeout 1h }
	N
}
strangers() { for set in $SETS; do in_srv nft list set inet xknock "$set"; done | grep -c '198.51.100.66\|2001:db8:66::66' || true; }
none() { [ "$(strangers)" = 0 ]; }
named() { # WHEN LINES_BEFORE: all five are gone, and the log says which
	eventually 5 none || fail "$1: elements of nobody's stay"
	local new
	new=$(tail -n "+$(($2 + 1))" "$D/log" | grep 'it belongs to no grant')
	equal "$1: five are taken out and named" "$(printf '%s\n' "$new" | wc -l)" 5
	contains "$1: with address, port and what was written beside it" "$new" '198.51.100.66 to tcp/22 (by hand) in set grants4'
	contains "$1: and the range" "$new" "198.51.100.66 to tcp/6000-6010 in set"
	contains "$1: and the host behind" "$new" "198.51.100.66 to tcp/22 of 203.0.113.7 in set forward4"
	equal "$1: what was granted stays" "$(grants)" 1
	check "$1: and is open" granted
	refuse "$1: the stranger stays outside" can_connect "$STR" 198.51.100.1 22
}
lines() { wc -l <"$D/log"; }

before=$(lines)
put
named "put in by hand, while it runs" "$before"

# The daemon stopped: nobody sees it.
hidden() {
	kill -STOP "$DAEMON"
	put
	kill -CONT "$DAEMON"
}
say "when many changes at once were not all heard of, the next of these finds them"
for verb in reload "close 192.0.2.99"; do
	before=$(lines)
	hidden
	# shellcheck disable=SC2086
	ctl $verb >/dev/null
	named "$verb" "$before"
done

stop
put
before=$(lines)
start
named "a start" "$before"
before=$(lines)
hidden
ctl panic --yes >/dev/null
eventually 5 none || fail "panic: elements of nobody's stay"
equal "a panic: five are taken out and named" "$(tail -n "+$((before + 1))" "$D/log" | grep -c 'it belongs to no grant')" 5
ctl panic --over >/dev/null
check "after it" knock 192.0.2.1 anna-robot ssh --lifetime 10m

say "a ruleset that was saved, and is loaded at boot"
in_srv nft list ruleset >"$D/saved"
contains "it holds the grant" "$(cat "$D/saved")" '192.0.2.2 . tcp . 22'
stop
daemon_command --remove 2>/dev/null
in_srv nft -f "$D/saved"
before=$(lines)
start
equal "nobody has a grant of yesterday" "$(grants)" 0
refuse "the port is shut" granted
contains "and the log says whose it was" "$(tail -n "+$((before + 1))" "$D/log")" "192.0.2.2 to tcp/22 (anna/robot) in set grants4: it belongs to no grant"
stop
pass
