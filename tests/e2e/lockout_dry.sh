#!/bin/bash
# SPDX-License-Identifier: MIT
# xknockd --dry-run judges and says what it would do, and nothing else: the ruleset stays as it is byte for byte, strangers
# get the same answers, bans drop nothing, and when it ends, or is killed, nothing of it is left.
. "$(dirname "$0")/lib.sh"
begin lockout-dry
configure
enroll_everybody
listen 22 80
open_to_all() { can_connect "$STR" 198.51.100.1 22; }
in_srv nft -f - <<'N'
table inet filter {
	set his { type ipv4_addr; flags timeout; }
	chain input { type filter hook input priority filter; policy accept; tcp dport 9999 drop; }
}
N
rules() { in_srv nft list ruleset; }
before=$(rules)
V4=198.51.100.1
scan() { in_str nmap -n -Pn --reason --max-retries 2 -T4 --host-timeout 30s -sS -sU -p T:22,80,443,9999,U:62200,62201 $V4 | grep -E '^[0-9]+/'; }
in_srv sysctl -qw net.ipv4.icmp_ratelimit=0
scanned=$(scan)
contains "the knock port is a closed one" "$scanned" "62201/udp closed"

say "knocks are judged, and nothing opens or shuts"
start_with --dry-run
contains "the log says what it is" "$(cat "$D/log")" "a dry run: knocks are judged and logged, and nothing is shut or opened"
contains "and so does status" "$(ctl status)" "dry run      knocks are judged and logged"
contains "in JSON too" "$(ctl status --json)" '"dry_run": true'
check "everybody gets in, as before" open_to_all
equal "the ruleset is what it was" "$(rules)" "$before"
check "a knock" knock_only 192.0.2.1 anna-laptop ssh
reaches accepted open 1
logs() { grep -q "$1" "$D/log"; }
eventually 5 logs 'would grant anna/laptop ssh from 192.0.2.2 (tcp/22) for 30s' || fail "it does not say so"
say "it would have been granted"
lacks "nothing was" "$(cat "$D/log")" " granted "
contains "knockctl shows the grant that would be open" "$(ctl grants)" anna/laptop
contains "and who knocked" "$(ctl users --json)" '"last_address": "192.0.2.2"'
check "a knock for IPv6" knock_only 2001:db8::1 anna-robot web
reaches accepted open 2
check "closing them" in_cli "$CLIENT" close 2001:db8::1 web --profile "$(profile anna-robot)"
eventually 5 logs 'would close web ' || fail "no closing is logged"
check "a grant of the operator" ctl open 203.0.113.9 ssh --for 10m
contains "would be one" "$(tail -n 1 "$D/log")" "would grant ssh for 203.0.113.9 by the operator"
check "a ban" ctl ban 198.51.100.66
contains "would be one" "$(tail -n 1 "$D/log")" "would ban 198.51.100.66"
check "and drops nothing" open_to_all
reaches filter banned 1
check "of a network neither" ctl ban 198.51.100.64/26
check "the stranger gets in" open_to_all
equal "and sees what they saw, of the knock port too" "$(scan)" "$scanned"
equal "the ruleset is what it was" "$(rules)" "$before"
in_srv nft add element inet filter his '{ 203.0.113.1 timeout 1h }'
in_srv nft flush set inet filter his
lacks "what others do with theirs is none of its business" "$(cat "$D/log")" "was changed by"
check "a reload" ctl reload
check "a knock after it" knock_only 192.0.2.1 anna-robot ssh
reaches accepted open 3
check "the stranger gets in" open_to_all
refuse "it is no second daemon beside" daemon_command --dry-run
refuse "nor is there a trial" ctl try 5m
stop

nothing_is_left() {
	lacks "no program at the interfaces" "$(in_srv ip link)" xdp
	equal "no pins" "$(find "$D/bpf/xknock" -mindepth 1)" ""
	equal "the ruleset is what it was" "$(rules)" "$before"
}
say "it ends"
nothing_is_left
"$PACKET" make --profile "$(profile anna-robot)" >"$D/packet"
start_with --dry-run
in_cli "$PACKET" send "$D/packet" --to 192.0.2.1
reaches accepted open 4
kill -INT "$DAEMON"
wait "$DAEMON" || fail "SIGINT ends it with $?"
nothing_is_left

say "in gate mode external without the sets"
echo 'gate: {mode: external, external: {table: none, set4: a, set6: b}}' >>"$D/etc/xknock.yaml"
start_with --dry-run
knock_only 192.0.2.1 anna-robot ssh
eventually 5 logs 'would grant anna/robot ssh' || fail "no grant is logged"
stop
lacks "no error" "$(cat "$D/log")" " error: "
nothing_is_left
sed -i "/mode: external/d" "$D/etc/xknock.yaml"

say "beside the real one, and after it"
start_with --dry-run
kill -KILL "$DAEMON"
wait "$DAEMON" || true
start
refuse "the real one starts over what a killed one left, and shuts" open_to_all
equal "nothing of that is left" "$(find "$D/bpf/xknock" -name dry-run)" ""
in_cli "$PACKET" send "$D/packet" --to 192.0.2.1
reaches refused replay 1
say "a knock of a dry run does not count again"
refuse "no dry run beside it" daemon_command --dry-run
contains "it says why" "$(cat "$D/out")" "another xknockd runs"
stop
refuse "nor where its filter stands" daemon_command --dry-run
contains "it says what to do" "$(cat "$D/out")" "xknockd --remove"
refuse "the gate stands all the same" open_to_all
daemon_command --remove >"$D/out" 2>&1


say "a killed one, and one that fails"
start_with --dry-run
kill -KILL "$DAEMON"
wait "$DAEMON" || true
check "killed: everybody gets in" open_to_all
check "--remove" daemon_command --remove
nothing_is_left
start_with --dry-run
worker=$(worker_pid)
kill -KILL "$worker"
wait "$DAEMON" && fail "it lives without its worker"
nothing_is_left
start_with --dry-run
kill -KILL "$DAEMON"
wait "$DAEMON" || true
mv "$D/etc/server_id" "$D/etc/server_id.good"
refuse "a bad configuration" daemon_command --dry-run
cp -p "$D/etc/server_id.good" "$D/etc/server_id"
refuse "no worker" in_srv "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker /bin/false --dry-run
nothing_is_left

say "one that fails takes away what is its own"
start
check "a ban" ctl ban 203.0.113.66
kill -KILL "$DAEMON"
wait "$DAEMON" || true
find "$D/bpf/xknock" -name 'link-*' -delete # its filter is gone; its maps stand
pins=$(find "$D/bpf/xknock" -mindepth 1 | sort)
refuse "no worker" in_srv "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker /bin/false --dry-run
equal "the other pins stay" "$(find "$D/bpf/xknock" -mindepth 1 | sort)" "$pins"
daemon_command --remove >"$D/out" 2>&1

pass
