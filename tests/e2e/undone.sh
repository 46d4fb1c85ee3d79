#!/bin/bash
# SPDX-License-Identifier: MIT
# What others undo is put back at once: our table after a flush of the whole ruleset, a deleted table, chain, rule, set or
# element, or a rule of somebody's in it; the filter after its link was detached or its interface went and came back.
. "$(dirname "$0")/lib.sh"
begin undone
configure
leave_to_nftables
enroll_everybody
listen 22 80

say "where the kernel has it, the table is ours and cannot be touched"
start
if ctl status --json | matches '"owned": true'; then
	check "a grant" knock 192.0.2.1 anna-robot ssh
	repaired=$(grep -c 'as it was again' "$D/log" || true)
	exec 9> >(exec nsenter --net="/run/netns/$STR" "$PROBE" storm --to 198.51.100.1 >"$D/storm")
	for _ in $(seq 100); do
		in_srv nft flush ruleset
		sleep 0.0$((RANDOM % 3))
	done
	for what in "delete table inet xknock" "insert rule inet xknock prerouting accept" \
		"delete element inet xknock protected { tcp . 22 }"; do
		refuse "$what" in_srv nft "$what"
		contains "is not permitted" "$(cat "$D/out")" "Operation not permitted"
	done
	exec 9>&-
	eventually 5 test -s "$D/storm"
	equal "in a hundred flushes a stranger got in" "$(cut -d' ' -f2 "$D/storm")" 0
	check "and the grant stands" granted
	equal "nothing was to be repaired" "$(grep -c 'as it was again' "$D/log" || true)" "$repaired"
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2>/dev/null || true
	refuse "it outlives its owner" can_connect "$STR" 198.51.100.1 22
	start 9>&-
	contains "and the next daemon owns it" "$(ctl status --json)" '"owned": true'
	refuse "delete table" in_srv nft delete table inet xknock
	check "a reload changes nothing of that" ctl reload
	check "with the grant" granted
else
	refuse "an old kernel says no" in_srv nft 'add table inet other { flags owner, persist; }'
fi
stop

say "where it has not, or is told not to, what is undone is put back"
echo 'gate: {owned: false}' >>"$D/etc/xknock.yaml"
in_srv "$XKNOCKD" -c "$D/etc/xknock.yaml" --remove
start
ctl close anna >/dev/null
check "a grant" knock 192.0.2.1 anna-robot ssh --lifetime 20m
ctl ban 203.0.113.9 --for 1h --reason 'to stay' >/dev/null
ctl ban 203.0.113.128/25 >/dev/null
# Without the times of elements, which go on.
ruleset() { in_srv nft -s list ruleset | without_remembered | sed -E 's/ (timeout|expires) [0-9a-z]+//g'; }
before=$(ruleset)
# What was made anew stands behind what was not.
as_before() { [ "$(ruleset | grep . | sort)" = "$(printf '%s\n' "$before" | grep . | sort)" ]; }
# undone WHAT COMMAND...: somebody does this, and all is as it was.
undone() {
	local what=$1 lines
	shift
	lines=$(grep -c 'is as it was again' "$D/log" || true)
	in_srv "$@" || fail "$what: it cannot be done"
	eventually 5 as_before || fail "$what: the ruleset is not as before: $(diff <(printf '%s\n' "$before") <(ruleset))"
	eventually 5 said_again "$lines" || fail "$what: the log does not say it"
	refuse "$what: a stranger stays outside" can_connect "$STR" 198.51.100.1 22
	check "and whoever has a grant gets in" granted
}
said_again() { [ "$(grep -c 'is as it was again' "$D/log")" -gt "$1" ]; }
undone "flush ruleset" nft flush ruleset
contains "the log names the culprit" "$(grep 'as it was again' "$D/log")" "table inet xknock was changed by nft (pid "
contains "and says what was saved" "$(grep 'as it was again' "$D/log")" "with 1 grants and 2 bans"
undone "delete table" nft delete table inet xknock
undone "flush table" nft flush table inet xknock
undone "flush chain" nft flush chain inet xknock decide
handle() { in_srv nft -a list chain inet xknock decide | sed -n "s/.*$1.*handle \\([0-9]*\\)$/\\1/p" | sed -n 1p; }
undone "delete rule" nft delete rule inet xknock decide handle "$(handle protected)"
undone "a rule that lets everybody in" nft insert rule inet xknock prerouting accept
undone "a port is taken out" nft delete element inet xknock protected '{ tcp . 22 }'
undone "a ban is taken out" nft flush set inet xknock banned4
undone "the chain and a set go" nft 'flush table inet xknock; delete chain inet xknock prerouting; delete set inet xknock grants4'
printf '#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter { chain input { type filter hook input priority 0; policy accept; }; }\n' >"$D/nftables.conf"
before=$before$'\n'$(printf 'table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t}\n}')
undone "what \"systemctl restart nftables\" does" nft -f "$D/nftables.conf"
lacks "there was nothing that could not be repaired" "$(cat "$D/log")" "cannot be repaired"
equal "our own changes are none of somebody's" "$(grep -c 'was changed by xknockd' "$D/log" || true)" 0

say "a grant that the operator takes out by hand is closed"
in_srv nft delete element inet xknock grants4 '{ 192.0.2.2 . tcp . 22 }'
closed() { [ "$(grants)" = 0 ]; }
eventually 5 closed || fail "the book still has it"
refuse "and the port is shut" granted
check "until the next knock" knock 192.0.2.1 anna-robot ssh

say "a grant for one connection is not put back when it has had its one"
ctl close anna >/dev/null
check "such a grant" knock 192.0.2.1 anna-robot ssh --lifetime 10m --single --no-wait
eventually 5 granted || fail "it lets nobody in"
lines=$(grep -c 'is as it was again' "$D/log")
in_srv nft flush ruleset
eventually 5 said_again "$lines" || fail "the ruleset does not come back"
refuse "lets nobody else in after a flush" granted
check "another knock" knock 192.0.2.1 anna-robot ssh --lifetime 20m

say "a hundred flushes while a stranger tries every millisecond"
exec 9> >(exec nsenter --net="/run/netns/$STR" "$PROBE" storm --to 198.51.100.1 >"$D/storm")
for _ in $(seq 100); do
	in_srv nft flush ruleset
	sleep 0.0$((RANDOM % 3))
done
eventually 5 granted || fail "the grant is gone"
exec 9>&-
eventually 5 test -s "$D/storm"
say "they got in $(cut -d' ' -f2 "$D/storm") times of $(cut -d' ' -f1 "$D/storm")"
refuse "and not any more" can_connect "$STR" 198.51.100.1 22
equal "the grant is still there" "$(grants)" 1

say "the filter"
attached() { in_srv ip link show "$1" 2>/dev/null | matches xdp; }
bpftool link detach pinned "$D/bpf/xknock/link-host0"
eventually 10 attached host0 || fail "a detached filter stays detached"
contains "is attached again, and the log says so" "$(cat "$D/log")" "host0: the filter was not attached any more and is again"
rm "$D/bpf/xknock/link-host0"
eventually 10 test -e "$D/bpf/xknock/link-host0" || fail "a lost pin stays lost"
check "also when its pin was removed" attached host0
rm -r "$D"/bpf/xknock/maps*
check "a reload finds no pin of a map" ctl reload
ctl close anna >/dev/null
check "and knocks are heard as before: the maps were kept" knock 192.0.2.1 anna-robot ssh
test -e "$(echo "$D"/bpf/xknock/maps*/tags)" || fail "the maps are not pinned again"
ip -n "$SRV" link set host0 down
ip -n "$SRV" link set host0 up
check "an interface that goes down and up keeps it" attached host0
rename() { # FROM TO; its addresses of IPv6 go when it is down
	ip -n "$SRV" link set "$1" down
	ip -n "$SRV" link set "$1" name "$2"
	ip -n "$SRV" link set "$2" up
	ip -n "$SRV" addr replace 2001:db8::1/64 dev "$2" nodad
}
rename host0 lan0
renamed() { ctl status | grep 'host0 (native, on lan0)' >/dev/null; }
eventually 10 renamed || fail "status does not say that an interface has another name"
check "it is said, and under its new name it keeps the filter" attached lan0
ctl close anna >/dev/null
check "which hears knocks" knock 192.0.2.1 anna-robot ssh
rename lan0 host0
back() { ctl status | grep 'host0 (native)' >/dev/null; }
eventually 10 back || fail "an interface that has its name again is not taken up"
ctl close anna >/dev/null
check "with its old name knocks are heard again" knock 192.0.2.1 anna-robot ssh
exchange() {
	ip -n "$SRV" link set host0 down
	ip -n "$SRV" link set host1 down
	ip -n "$SRV" link set host0 name other0
	ip -n "$SRV" link set host1 name host0
	ip -n "$SRV" link set other0 name host1
	ip -n "$SRV" link set host0 up
	ip -n "$SRV" link set host1 up
}
# Each pin holds the link of the interface that has the name, and it is the link of before.
link_of() { bpftool -j link show pinned "$D/bpf/xknock/link-$1" | sed -n 's/.*"id":\([0-9]*\),.*/\1/p'; }
links="$(link_of host0) $(link_of host1)"
matches -x '[0-9]* [0-9]*' <<<"$links" || fail "there are no two links: $links"
exchange
exchanged() { [ "$(link_of host1) $(link_of host0)" = "$links" ]; }
eventually 10 exchanged || fail "interfaces that exchange their names do not keep their links: $(link_of host0), $(link_of host1), before $links"
ctl close anna >/dev/null
check "interfaces that exchange their names keep the filter, and knocks are heard" knock 192.0.2.1 anna-robot ssh
exchange
again_as_before() { [ "$(link_of host0) $(link_of host1)" = "$links" ]; }
eventually 10 again_as_before || fail "they do not keep them when they change back"
ip -n "$SRV" link del host0
gone() { ctl status | matches 'host0 (missing since '; }
eventually 10 gone || fail "status does not say that the interface is gone"
eventually 5 grep -q 'host0 has no filter, and knocks are not heard there: there is no interface' "$D/log" ||
	fail "the log does not say that the interface is gone"
say "an interface that goes is told of"
check "the others are served" in_str "$CLIENT" open 198.51.100.1 ssh --profile "$(profile anna-robot)"
pair "$SRV" host0 192.0.2.1/24 2001:db8::1/64 "$CLI" cli0 192.0.2.2/24 2001:db8::2/64
eventually 10 attached host0 || fail "an interface that comes back has no filter"
ctl close anna >/dev/null
check "one that comes back gets the filter, and knocks are heard there" knock 192.0.2.1 anna-robot ssh
refuse "--remove is refused while the daemon would put all back" daemon_command --remove
contains "and says what to do" "$(cat "$D/out")" "systemctl stop xknockd"
stop

say "gate mode external: grants come back with the administrator's sets"
XK_TABLE='table inet mine {
	set knock4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
	set knock6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }
	chain input { type filter hook input priority 0; policy accept;
		ct state established,related accept
		ip saddr . meta l4proto . th dport @knock4 accept
		ip6 saddr . meta l4proto . th dport @knock6 accept
		tcp dport 22 drop
	}
}'
printf 'flush ruleset\n%s\n' "$XK_TABLE" >"$D/mine.nft"
in_srv "$XKNOCKD" -c "$D/etc/xknock.yaml" --remove
in_srv nft -f "$D/mine.nft"
sed -i '/^gate:/d' "$D/etc/xknock.yaml"
echo 'gate: {mode: external, external: {table: mine, set4: knock4, set6: knock6}}' >>"$D/etc/xknock.yaml"
start
check "a grant" knock 192.0.2.1 anna-robot ssh --lifetime 10m
in_srv nft -f "$D/mine.nft"
eventually 5 granted || fail "the grant did not come back"
say "after their ruleset was loaded anew"
in_srv nft delete table inet mine
eventually 5 grep -q 'cannot be repaired' "$D/log" || fail "the log does not say that the sets are gone"
in_srv nft -f "$D/mine.nft"
eventually 5 granted || fail "the grant did not come back after the table was gone for a while"
say "and after it was gone for a while"
check "IPv6 has its own set" in_cli "$CLIENT" open 2001:db8::1 ssh --profile "$(profile anna-robot)"
contains "with the grant in it" "$(in_srv nft list set inet mine knock6)" '2001:db8::2 . tcp . 22'
repaired=$(grep -c 'the [0-9]* grants are in its sets' "$D/log" || true)
in_srv nft add element inet mine knock4 '{ 203.0.113.5 . tcp . 22 timeout 1h }'
in_srv nft delete element inet mine knock4 '{ 192.0.2.2 . tcp . 22 }'
only_v6() { [ "$(grants)" = 1 ]; }
eventually 5 only_v6 || fail "an element that they took away still counts"
refuse "elements are the administrator's: what they took away stays away" granted
contains "and what they added stays" "$(in_srv nft list set inet mine knock4)" 203.0.113.5
equal "there was nothing to be put back" "$(grep -c 'the [0-9]* grants are in its sets' "$D/log" || true)" "$repaired"
lacks "nobody says that their table is as it was" "$(grep "inet mine" "$D/log")" 'as it was again'
stop
pass
