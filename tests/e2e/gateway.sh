#!/bin/bash
# SPDX-License-Identifier: MIT
# Services of hosts behind the server: addressed themselves and only forwarded, or through a public port of the server that
# is translated. IPv4 and IPv6; grants are for this source, this target and this port.
#
#   client 192.0.2.2 -- 192.0.2.1 server 203.0.113.1 -- 203.0.113.7 and .8 (one host of two addresses) "inside"
. "$(dirname "$0")/lib.sh"
begin gateway
IN=xk$$-in
MORE_NS=$IN
ip netns add "$IN"
ip -n "$IN" link set lo up
pair "$SRV" host2 203.0.113.1/24 2001:db8:7::1/64 "$IN" in0 203.0.113.7/24 2001:db8:7::7/64
ip -n "$IN" addr add 203.0.113.8/24 dev in0
ip -n "$IN" addr add 2001:db8:7::8/64 dev in0 nodad
ip -n "$IN" route add default via 203.0.113.1
ip -n "$IN" -6 route add default via 2001:db8:7::1
in_srv sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

configure
leave_to_nftables
sed -i 's|^services:.*|services:|' "$D/etc/xknock.yaml"
sed -i '/^services:/r /dev/stdin' "$D/etc/xknock.yaml" <<'C'
  ssh: tcp/22
  nas: {target: [203.0.113.7, "2001:db8:7::7"], ports: [tcp/22, udp/5353], after: cut}
  second: {target: "203.0.113.8:22", max_connections: 1}
  inside: {target: ["203.0.113.7:80", "[2001:db8:7::7]:80"], public: tcp/8080}
  once: {target: "203.0.113.7:2004", single: true}
C
enroll anna robot --factor hmac --host 203.0.113.7
enroll bob phone --factor none --service ssh
contains "the profile knows where what is" "$(cat "$D/profiles/anna-robot.yaml")" "tcp/22@203.0.113.7"
contains "and the public port" "$(cat "$D/profiles/anna-robot.yaml")" "tcp/8080"
start
for port in 22 80 2004 9; do
	background "$IN" socat "TCP6-LISTEN:$port,fork,reuseaddr,ipv6only=0" EXEC:'cat' 2>/dev/null
done
inside_listens() { nsenter --net="/run/netns/$IN" ss -Hltn "sport = :9" | grep . >/dev/null; }
eventually 5 inside_listens
open_at() { in_cli "$CLIENT" open "$1" "$2" --profile "$(profile anna-robot)" --no-wait "${@:3}" 2>/dev/null; }
has_grants() { [ "$(grants)" = "$1" ]; }
reached() { eventually 5 can_connect "$@" || fail "$2 port $3 is not reached"; }

say "what is behind is shut, and nothing else is"
for address in 203.0.113.7 203.0.113.8 2001:db8:7::7; do refuse "$address port 22" can_connect "$CLI" "$address" 22; done
check "a port of no service" can_connect "$CLI" 203.0.113.7 9
check "ssh of another host" can_connect "$CLI" 2001:db8:7::8 22
refuse "the public port" can_connect "$CLI" 192.0.2.1 8080
refuse "the target behind it, addressed itself" can_connect "$CLI" 203.0.113.7 80

say "a service, by its name"
check "knock at the gateway" open_at 192.0.2.1 nas
eventually 5 has_grants 2 || fail "a target of two ports has $(grants) grants"
reached "$CLI" 203.0.113.7 22
say "opens it"
refuse "not the other target" can_connect "$CLI" 203.0.113.8 22
refuse "not the gateway's own port" can_connect "$CLI" 192.0.2.1 22
refuse "not for IPv6" can_connect "$CLI" 2001:db8:7::7 22
refuse "not for others" can_connect "$STR" 203.0.113.7 22
contains "the list names the target" "$(ctl grants | tr -s ' ')" "192.0.2.2 tcp/22 of 203.0.113.7 nas"
contains "so does nftables" "$(in_srv nft list set inet xknock forward4)" "192.0.2.2 . 203.0.113.7 . tcp . 22"
check "over IPv6" open_at 2001:db8::1 nas
reached "$CLI" 2001:db8:7::7 22
say "the target is the one of its family"
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
check "without a daemon they stand" can_connect "$CLI" 203.0.113.7 22
start
equal "a new one knows them" "$(grants)" 4
ctl close anna >/dev/null
refuse "and closes them" can_connect "$CLI" 203.0.113.7 22

say "a port and a target, as one writes it"
check "knock" open_at 192.0.2.1 tcp/22@203.0.113.8
reached "$CLI" 203.0.113.8 22
equal "one grant" "$(grants)" 1
before=$(stat refused service)
open_at 192.0.2.1 tcp/9@203.0.113.8
reaches refused service $((before + 1))
say "a port of no service is refused"
in_cli "$CLIENT" open 192.0.2.1 tcp/22@203.0.113.8 --profile "$(profile bob-phone)" --no-wait 2>/dev/null
reaches refused service $((before + 2))
say "and so is somebody else's service"

say "the connections of one are counted for each target"
session one "$CLI" 203.0.113.8 22
refuse "a second is not let in" can_connect "$CLI" 203.0.113.8 22
hang_up one
ctl close anna >/dev/null

say "single, for a host behind"
check "knock" open_at 192.0.2.1 once
eventually 5 has_grants 1
check "one connection" can_connect "$CLI" 203.0.113.7 2004
refuse "no second" can_connect "$CLI" 203.0.113.7 2004

say "the client's way: the host is behind a gateway"
{
	grep -v '^hosts:\|^server:' "$D/profiles/anna-robot.yaml"
	printf 'hosts: [203.0.113.7, 203.0.113.8, "2001:db8:7::7"]\nserver: 192.0.2.1\ngateway: true\n'
} >"$D/profiles/behind.yaml"
chmod 600 "$D/profiles/behind.yaml"
ctl close anna >/dev/null
equal "as a ProxyCommand" \
	"$(echo there and back | in_cli "$CLIENT" proxy 203.0.113.8 22 --profile "$D/profiles/behind.yaml")" "there and back"
equal "opens that one target" "$(ctl grants --json | grep -c '"tcp/22 of 203.0.113.8"')" 1
check "open, by a port" in_cli "$CLIENT" open 203.0.113.7 tcp/22 --profile "$D/profiles/behind.yaml"
check "close" in_cli "$CLIENT" close 203.0.113.7 tcp/22 --profile "$D/profiles/behind.yaml"
only_second() { [ "$(ctl grants | grep -c 'of 203.0.113.7')" = 0 ]; }
eventually 5 only_second || fail "it is not closed"
refuse "a target without an address of the server's family" in_cli "$CLIENT" open 2001:db8:7::7 tcp/22 \
	--profile "$D/profiles/behind.yaml"
contains "is told" "$(cat "$D/out")" "family"
ctl close anna >/dev/null

say "a public port"
check "knock" open_at 192.0.2.1 inside
eventually 5 has_grants 1
equal "leads inside" "$(echo through | in_cli socat -t 2 - TCP:192.0.2.1:8080)" through
refuse "for nobody else" can_connect "$STR" 198.51.100.1 8080
refuse "and not past the published port" can_connect "$CLI" 203.0.113.7 80
check "over IPv6" open_at 2001:db8::1 inside
eventually 5 has_grants 2
equal "likewise" "$(echo through | in_cli socat -t 2 - 'TCP:[2001:db8::1]:8080')" through
contains "the client waits for it as for any port" "$(in_cli "$CLIENT" open 192.0.2.1 inside --profile "$(profile anna-robot)" 2>&1)" \
	"tcp/8080 of 192.0.2.1"

say "a session of \"after: cut\" through the gateway"
open_at 192.0.2.1 nas --lifetime 3s
eventually 5 can_connect "$CLI" 203.0.113.7 22
session two "$CLI" 203.0.113.7 22
check "lives while the grant does" talks two
no_grant() { ! ctl grants | grep 'of 203.0.113.7' >/dev/null; }
eventually 10 no_grant
sleep 1.5 # xknockd looks for such sessions once a second
refuse "and ends with it" talks two

say "without gateways again"
sed -i '/^  nas:/d; /^  second:/d; /^  inside:/d; /^  once:/d' "$D/etc/xknock.yaml"
sed -i 's/^services: .*/services: [ssh]/' "$D/etc/users/anna.yaml"
check "a reload" ctl reload
lacks "leaves nothing of them" "$(in_srv nft list ruleset)" "forward4"
lacks "nor a chain of nat" "$(in_srv nft list ruleset)" "nat hook"
check "and what was shut behind is not any more" can_connect "$CLI" 203.0.113.7 22
stop
pass
