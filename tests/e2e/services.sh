#!/bin/bash
# SPDX-License-Identifier: MIT
# What a service may say of itself: ranges of ports, lifetimes, what becomes of sessions when their grant ends, how many
# connections there may be, and one that ends with the first of them. "all" for the client, panic for the operator.
. "$(dirname "$0")/lib.sh"
begin services
configure
leave_to_nftables
sed -i 's|^services:.*|services:|' "$D/etc/xknock.yaml"
sed -i '/^services:/r /dev/stdin' "$D/etc/xknock.yaml" <<-C
	  ssh: tcp/22
	  games: [tcp/6000-6010, udp/6000-6010]
	  cut: {ports: tcp/2001, after: cut}
	  idle: {ports: tcp/2002, after: idle, idle: 4s, lifetime: 3s}
	  few: {ports: tcp/2003, max_connections: 2}
	  once: {ports: tcp/2004, single: true}
	  short: {ports: tcp/2005, lifetime: 7s, max_lifetime: 20s}
	  other: tcp/2006
	  long: {ports: tcp/2007, after: idle, idle: 10m, lifetime: 4s}
C
sed -i 's/^	//' "$D/etc/xknock.yaml"
enroll anna robot --factor hmac
enroll bob phone --factor none --service ssh --service games --service once
start

for port in 22 2001 2002 2003 2004 2005 2006 2007 6000 6005 6010 6011; do
	background "$SRV" socat "TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0" EXEC:cat 2>/dev/null
	eventually 5 listening "$port"
done
open_only() { in_cli "$CLIENT" open "$1" --profile "$(profile anna-robot)" --no-wait "${@:2}" 2>/dev/null; }
has_grants() { [ "$(grants)" = "$1" ]; }
left() {
	ctl grants --json | python3 -c 'import json, sys
print(*[g["expires_in_s"] for g in json.load(sys.stdin)["grants"] if g["endpoint"] == sys.argv[1]])' "$1"
}

say "a range of ports"
refuse "is shut" can_connect "$CLI" 192.0.2.1 6005
check "a knock for the service" knock 192.0.2.1 anna-robot games --no-wait
eventually 5 has_grants 2 || fail "two ranges, but $(grants) grants"
for port in 6000 6005 6010; do check "opens port $port" can_connect "$CLI" 192.0.2.1 "$port"; done
refuse "for nobody else" can_connect "$STR" 198.51.100.1 6005
contains "grants name the whole of it" "$(ctl grants | tr -s ' ')" "192.0.2.2 tcp/6000-6010 games"
contains "nft lists it as one would write it" "$(in_srv nft list chain inet xknock grants)" \
	"tcp dport 6000-6010 ip saddr @grants4_tcp_6000_6010 goto granted"
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
equal "a new daemon knows both" "$(grants)" 2
check "a knock to close" in_cli "$CLIENT" close 192.0.2.1 games --profile "$(profile anna-robot)"
eventually 5 has_grants 0 || fail "it does not close"
refuse "shuts it" can_connect "$CLI" 192.0.2.1 6010
check "one port of it, over IPv6" open_only 2001:db8::1 tcp/6007
eventually 5 has_grants 1 || fail "no grant"
check "means the whole range" can_connect "$CLI" 2001:db8::1 6010
ctl close anna >/dev/null
sed -i 's|games: .*|games: tcp/6000-6005|' "$D/etc/xknock.yaml"
check "a shorter range, by a reload" ctl reload
lacks "takes the sets of the old one away" "$(in_srv nft list ruleset)" 6010

say "all"
check "open all" open_only 192.0.2.1 all
eventually 5 has_grants 9 || fail "all are $(grants) grants, not 9"
check "opens the first" can_connect "$CLI" 192.0.2.1 22
check "and the last" can_connect "$CLI" 192.0.2.1 2006
for name in ssh games cut idle few once short other long; do
	contains "the log names $name" "$(grep granted "$D/log" | tail -n 9)" " $name from 192.0.2.2 ("
done
check "close all" in_cli "$CLIENT" close 192.0.2.1 all --profile "$(profile anna-robot)"
eventually 5 has_grants 0 || fail "all does not close all"
in_cli "$CLIENT" open 192.0.2.1 all --profile "$(profile bob-phone)" --no-wait 2>/dev/null
eventually 5 has_grants 3 || fail "bob's all are $(grants) grants, not 3"
say "for another user, all means their own services"
ctl close bob >/dev/null

say "lifetimes of a service"
open_only 192.0.2.1 short
eventually 5 has_grants 1
at_most() { [ "$(left tcp/2005)" -le "$1" ]; }
check "its default" at_most 7
open_only 192.0.2.1 short --lifetime 1h
more_than() { [ "$(left tcp/2005)" -gt "$1" ]; }
eventually 5 more_than 10 || fail "a longer life was not given"
check "and no more than its most" at_most 20
ctl close anna >/dev/null

say "where there are no grants nobody gets in, also while the kernel is busy with somebody else's transactions"
{
	echo 'table inet load { set s { type ipv4_addr; }; }'
	echo 'flush set inet load s'
	echo "add element inet load s { $(seq -s, 1000000 1100000) }"
} >"$D/load"
(while in_srv nft -f "$D/load"; do :; done) >/dev/null 2>&1 &
loader=$!
for _ in $(seq 12); do
	ctl open 192.0.2.2 ssh --for 1s >/dev/null
	equal "no grants" "$(in_cli python3 "$E2E/after_grants.py" "$D/run/control.sock" 192.0.2.1 22)" shut
done
kill "$loader"
wait "$loader" 2>/dev/null || true
in_srv nft delete table inet load

say "sessions live on when their grant ends, unless the service says otherwise"
for service in other cut; do open_only 192.0.2.1 "$service" --lifetime 3s; done
eventually 5 has_grants 2
session kept "$CLI" 192.0.2.1 2006
session cut "$CLI" 192.0.2.1 2001
eventually 10 has_grants 0
check "one of \"keep\" does" talks kept
ended() { ! talks "$1"; }
eventually 5 ended cut || fail "a session of \"cut\" lives on after its grant"
sleep 1.5 # xknockd looks for such sessions once a second
refuse "one of \"cut\" does not, and the server's own packets do not bring it back" talks cut
open_only 192.0.2.1 cut --lifetime 30s
eventually 5 has_grants 1
session again "$CLI" 192.0.2.1 2001
check "until the next knock" talks again
stop
start
check "a restart cuts nobody" talks again
sleep 1.5 # as above
check "nor the look after it" talks again
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
in_srv nft -f - <<-N
	flush set inet xknock grants4
N
start
eventually 5 ended again || fail "a session whose grant ended while no daemon was there lives on"
say "what ended while nobody was there is cut at the start"

say "after: idle"
open_only 192.0.2.1 idle
eventually 5 has_grants 1
session idle "$CLI" 192.0.2.1 2002
sleep 6 # longer than its idle time, which the kernel counts
equal "the grant lives while a session does" "$(grants)" 1
check "and lets a second one in" can_connect "$CLI" 192.0.2.1 2002
hang_up idle
eventually 15 has_grants 0 || fail "the grant outlives its last session"
say "and ends after the last one"
refuse "then it is shut" can_connect "$CLI" 192.0.2.1 2002

open_only 192.0.2.1 long
eventually 5 has_grants 1
sleep 1.5 # it was looked at, and in half a minute will be again
session long "$CLI" 192.0.2.1 2007
more_than_a_minute() { [ "$(left tcp/2007)" -gt 60 ]; }
eventually 10 more_than_a_minute || fail "a session did not keep a grant that ends before the next look"
say "a short grant is kept by its session, however seldom a long one is looked for"
hang_up long
ctl close anna >/dev/null

say "max_connections"
open_only 192.0.2.1 few --lifetime 1m
eventually 5 has_grants 1
session one "$CLI" 192.0.2.1 2003
session two "$CLI" 192.0.2.1 2003
refuse "a third is not let in" can_connect "$CLI" 192.0.2.1 2003
check "the two live" talks one
hang_up one
eventually 10 can_connect "$CLI" 192.0.2.1 2003 || fail "no new one after one ended"
say "after one ended another is"
ctl close anna >/dev/null

say "single"
open_only 192.0.2.1 once --lifetime 1m
eventually 5 has_grants 1
in_srv nft flush ruleset 2>/dev/null
eventually 5 has_grants 1
session first "$CLI" 192.0.2.1 2004
for _ in $(seq 20); do
	can_connect "$CLI" 192.0.2.1 2004 && fail "a second connection by a grant for one"
	true
done
say "the first connection shuts the grant behind it: twenty more are refused"
check "and lives" talks first
eventually 5 has_grants 0 || fail "the book still has it"
open_only 192.0.2.1 once --lifetime 1m
eventually 5 has_grants 1
hang_up first
session third "$CLI" 192.0.2.1 2004
# Put back by the repair of a table that is not owned, it would let another one in.
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
refuse "nor does a new daemon open it again" can_connect "$CLI" 192.0.2.1 2004
check "a request for one connection, of any service" open_only 192.0.2.1 other --single
eventually 5 has_grants 1
check "lets one in" can_connect "$CLI" 192.0.2.1 2006
refuse "and no second" can_connect "$CLI" 192.0.2.1 2006
check "open --single does not use it up by trying the port" knock 192.0.2.1 anna-robot ssh --single
eventually 5 has_grants 1
check "it is for who comes then" can_connect "$CLI" 192.0.2.1 22
refuse "and for them alone" can_connect "$CLI" 192.0.2.1 22
check "the operator's likewise" ctl open 192.0.2.2 other --for 1m --single
check "one" can_connect "$CLI" 192.0.2.1 2006
refuse "no second" can_connect "$CLI" 192.0.2.1 2006
check "of two requests the one for any number of connections counts" ctl open 192.0.2.2 other --for 1m --single
open_only 192.0.2.1 other
in_plain() { in_srv nft list set inet xknock grants4 | grep '2006' >/dev/null; }
eventually 5 in_plain || fail "the grant stays one for one connection"
for _ in 1 2 3; do check "any number" can_connect "$CLI" 192.0.2.1 2006; done

say "panic"
session before "$CLI" 192.0.2.1 2006
check "panic" ctl panic
contains "says what it did" "$(cat "$D/out")" "and ended"
equal "no grant is left" "$(grants)" 0
sleep 1 # the service goes on speaking, as it would for hours
refuse "no session is left, and the server's own packets bring none back" talks before
refuse "the session from the very beginning is gone too" talks kept
contains "status says it" "$(ctl status)" "IN PANIC since"
open_only 192.0.2.1 other
reaches refused panic 1
equal "a knock opens nothing" "$(grants)" 0
check "the end of it" ctl panic --over
lacks "and status says so" "$(ctl status)" "IN PANIC"
open_only 192.0.2.1 other
eventually 5 can_connect "$CLI" 192.0.2.1 2006 || fail "a knock does not open after a panic"
say "a knock opens again"
stop
pass
