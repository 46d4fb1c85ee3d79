#!/bin/bash
# SPDX-License-Identifier: MIT
# knock-client on the networks that people have: two families of which one does not serve, NAT, NAT64, addresses that are
# translated though they look public, names and literals in every form. Real ssh and sshd, tayga, nft's masquerade.
. "$(dirname "$0")/lib.sh"
begin networks
movable_clock
export RES_OPTIONS="timeout:1 attempts:1"
configure
ENROLL_HOST=both.example enroll anna robot --factor hmac
ENROLL_HOST=both.example enroll anna laptop --factor totp
ENROLL_HOST=server.example.net enroll ops jump --factor none
secret=$(cat "$D/etc/credentials/anna.laptop.otp")
sed -i '/otp_secret/d' "$(profile anna-laptop)"
code() { oathtool --totp -b "$secret"; }
start
start_sshd
for name in both.example jump; do
	printf '%s %s\n' "$name" "$(cut -d' ' -f1,2 "$D/ssh/host_key.pub")" >>"$D/ssh/known_hosts"
done
cat >"$D/hosts" <<-C
	127.0.0.1 localhost
	2001:db8::1 both.example
	192.0.2.1 both.example
	192.0.2.1 server.example.net server
C
# with_hosts NS COMMAND...: a host of that network, with names of its own.
with_hosts() { unshare -m sh -c "mount --bind '$D/hosts' /etc/hosts && exec \"\$@\"" _ nsenter --net="/run/netns/$1" "${@:2}"; }
client() { with_hosts "$CLI" "$CLIENT" "$@"; }
# shellcheck disable=SC2086,SC2016  # $SSH is words; the other shell expands the rest
ssh_by() { # NS PROFILE OPTIONS...: what sshd says of the connection
	with_hosts "$1" $SSH -o "ProxyCommand=$CLIENT proxy -v --profile $(profile "$2") ${*:3} -- %h %p" root@both.example 'echo $SSH_CONNECTION' 2>"$D/err"
}
none() { [ "$(grants)" = 0 ]; }
shut() { ctl close 0.0.0.0/0 >/dev/null; ctl close ::/0 >/dev/null; }
status_of() {
	local wanted=$1 what=$2 got=0
	shift 2
	"$@" >"$D/out" 2>"$D/err" </dev/null || got=$?
	[ "$got" = "$wanted" ] || cat "$D/err" >&2
	equal "$what" "$got" "$wanted"
}

say "nobody types: the knock goes first, and sshd sees one connection"
equal "ssh gets in" "$(ssh_by "$CLI" anna-robot | cut -d' ' -f3)" 2001:db8::1
contains "and the story says how" "$(cat "$D/err")" "knock to 2001:db8::1 from 2001:db8::2, bound to 2001:db8::2, slot"
equal "sshd saw one connection" "$(grep -c '^Connection from' "$D/ssh/log")" 1
shut
strace -f -qq -e trace=connect,sendto -o "$D/sent" nsenter --net="/run/netns/$CLI" "$CLIENT" open 192.0.2.1 ssh --profile anna-robot \
	--profiles "$D/profiles" 2>/dev/null
first=$(grep -m 1 -E 'htons\(22\)|sendto\(.*, 192, ' "$D/sent")
contains "nothing tries the port before the packet has left" "$first" sendto
shut

say "families"
for family in 4 6; do
	case $family in 4) wanted=192.0.2.1 ;; *) wanted=2001:db8::1 ;; esac
	equal "-$family" "$(ssh_by "$CLI" anna-robot -$family | cut -d' ' -f3)" $wanted
	shut
done
sed -i '$ a family: ipv4' "$(profile anna-robot)"
equal "family: in the profile" "$(ssh_by "$CLI" anna-robot | cut -d' ' -f3)" 192.0.2.1
lacks "knocks with no other" "$(cat "$D/err")" "knock to 2001"
equal "and the command line counts more" "$(ssh_by "$CLI" anna-robot -6 | cut -d' ' -f3)" 2001:db8::1
status_of 2 "both at once make no sense" client open both.example ssh --profile anna-robot -4 -6
sed -i 's/^family:.*/family: inet/' "$(profile anna-robot)"
status_of 78 "a family that is none" client open both.example ssh --profile "$(profile anna-robot)"
contains "is named" "$(cat "$D/err")" "write any, ipv4 or ipv6"
sed -i '/^family:/d' "$(profile anna-robot)"
shut

say "names and literals"
P=(--profiles "$D/profiles")
status_of 0 "a name with the dot of a complete one" client open server.example.net. ssh "${P[@]}"
shut
status_of 0 "a name that the resolver completes" client open server ssh "${P[@]}"
shut
sed -i 's/"server.example.net"/"server.example.net", "192.0.2.1", "2001:db8::1"/' "$(profile ops-jump)"
for literal in 192.0.513 0xc0000201 '[2001:db8::1]' 2001:DB8:0::1 ::ffff:192.0.2.1; do
	status_of 0 "$literal" client open "$literal" ssh "${P[@]}"
	shut
done
printf 'nameserver 127.0.0.1\nsearch dept.example.net example.net\n' >"$D/resolv.conf"
background "$CLI" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file \
	--listen-address=127.0.0.1 --bind-interfaces --local=/dept/example.net/ --host-record=gate.dept.example.net,192.0.2.1 \
	--cname=alias.example.net,gate.dept.example.net 2>/dev/null
answers() { in_cli ss -Hlun 'sport = :53' | matches .; }
eventually 5 answers || fail "no name server"
with_dns() { unshare -m sh -c "mount --bind '$D/resolv.conf' /etc/resolv.conf && exec \"\$@\"" _ nsenter --net="/run/netns/$CLI" "$@"; }
sed -i 's/"192.0.2.1"/"192.0.2.1", "gate.dept.example.net"/' "$(profile ops-jump)"
for name in gate gate.dept GATE.Dept gate.dept.example.net.; do
	status_of 0 "$name, by DNS" with_dns "$CLIENT" open "$name" ssh "${P[@]}"
	shut
done
status_of 78 "an alias with a dot is another host" with_dns "$CLIENT" open alias.example.net ssh "${P[@]}"
zone=$(ip -n "$SRV" -6 -o addr show dev host0 scope link | sed -n 's/.*inet6 \([^/]*\).*/\1/p')%cli0
sed -i "s/\"192.0.2.1\"/\"192.0.2.1\", \"$zone\"/" "$(profile ops-jump)"
status_of 1 "a link-local address cannot be knocked at" client open "$zone" ssh "${P[@]}"
contains "and that is said, with the zone" "$(cat "$D/err")" "$zone: no server opens a port for a link-local address"
background "$SRV" socat TCP6-LISTEN:2222,fork,reuseaddr SYSTEM:'echo hello' 2>/dev/null
eventually 5 listening 2222
equal "a port that answers there is reached" "$(client proxy "$zone" 2222 "${P[@]}" </dev/null)" hello

status_of 1 "nor blindly" client open "$zone" ssh --no-wait "${P[@]}"
contains "for the same reason" "$(cat "$D/err")" "no server opens a port for a link-local address"

say "one code closes what was opened by both families"
for family in 4 6; do
	next_step
	status_of 0 "opened by -$family" client open both.example ssh --profile "$(profile anna-laptop)" -$family --otp "$(code)"
done
equal "two grants" "$(grants)" 2
next_step
# The first knock behind a jump of the clock is refused (horizon); let it be another one.
client open both.example tcp/80 --profile "$(profile anna-robot)" --no-wait 2>/dev/null
status_of 0 "closed" client close both.example ssh --profile "$(profile anna-laptop)" --otp "$(code)"
none_of_ssh() { ! ctl grants | matches tcp/22; }
eventually 5 none_of_ssh || fail "$(ctl grants)"
say "none is left"
shut

say "one code and one request test both families"
next_step
client open both.example tcp/80 --profile "$(profile anna-robot)" --no-wait 2>/dev/null # the jump of the clock, as above
sleep 4 # a probe is only logged within the budget of one a second
status_of 0 "tested" client test both.example ssh --profile "$(profile anna-laptop)" --otp "$(code)"
probed() { grep -q "probe by anna/laptop.* from $1$" "$D/log"; }
for address in 192.0.2.2 2001:db8::2; do
	eventually 5 probed $address || fail "no probe from $address"
	say "from $address, too"
done
equal "no code was used twice" "$(stat refused code-used) $(stat refused request-reused)" "0 0"
shut

say "a port that cannot be tried is opened for both families"
status_of 0 "UDP" client open both.example vpn --profile "$(profile anna-robot)"
vpn_for() { ctl grants | matches "^$1 .*udp/51820"; }
for address in 192.0.2.2 2001:db8::2; do
	eventually 5 vpn_for $address || fail "no grant for $address: $(ctl grants)"
	say "for $address"
done
shut
status_of 0 "but a grant for one connection" client open both.example ssh --single --profile "$(profile anna-robot)"
one() { [ "$(grants)" = 1 ]; }
check "is one grant" eventually 5 one
shut

say "AAAA where only IPv4 serves: sshd listens on one family"
kill "$(cat "$D/ssh/sshd.pid")"
not_listening() { ! listening 22; }
eventually 5 not_listening
echo "ListenAddress 0.0.0.0" >>"$D/ssh/sshd_config"
background "$SRV" /usr/sbin/sshd -D -e -f "$D/ssh/sshd_config" 2>>"$D/ssh/log"
eventually 10 listening 22
rm -rf "$XDG_STATE_HOME"
equal "a machine gets in" "$(ssh_by "$CLI" anna-robot | cut -d' ' -f3)" 192.0.2.1
contains "the reset was understood" "$(cat "$D/err")" "2001:db8::1: reset"
lacks "and the next address had its turn at once" "$(cat "$D/err")" "the same packet again to 2001:db8::1"
equal "the family is remembered, and nobody else can read that" "$(command stat -c %a "$XDG_STATE_HOME/xknock/families")" 600
shut
equal "it gets in again" "$(ssh_by "$CLI" anna-robot | cut -d' ' -f3)" 192.0.2.1
lacks "and the dead family is not tried first" "$(cat "$D/err")" "2001:db8::1 tried"
shut
rm -rf "$XDG_STATE_HOME"
next_step
equal "a person with one code gets in" "$(ssh_by "$CLI" anna-laptop --otp "$(code)" | cut -d' ' -f3)" 192.0.2.1
contains "though the first address took a knock with it" "$(cat "$D/err")" "knock to 2001:db8::1"
shut
rm -rf "$XDG_STATE_HOME"
in_srv nft 'table inet own { chain input { type filter hook input priority 0; meta nfproto ipv6 tcp dport 22 drop; }; }'
next_step
equal "also where IPv6 is silent" "$(ssh_by "$CLI" anna-laptop --otp "$(code)" | cut -d' ' -f3)" 192.0.2.1
in_srv nft delete table inet own
shut

say "NAT: a host behind the client's own router"
NAT=xk$$-nat
MORE_NS=$NAT
ip netns add "$NAT"
ip -n "$NAT" link set lo up
pair "$CLI" nat0 10.9.0.1/24 fd00:9::1/64 "$NAT" in0 10.9.0.2/24 fd00:9::2/64
ip -n "$NAT" route add default via 10.9.0.1
in_cli sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
in_cli nft 'table inet nat { chain post { type nat hook postrouting priority srcnat; oifname cli0 ip saddr 10.9.0.0/24 masquerade; oifname cli0 ip saddr 203.0.113.0/24 masquerade; }; }'
equal "ssh gets in from a private address" "$(ssh_by "$NAT" anna-robot -4 | cut -d' ' -f1)" 192.0.2.2
contains "by the source that the server sees" "$(cat "$D/err")" "from 10.9.0.2, for the source that the server sees"
shut
sed -i '$ a nat: never' "$(profile anna-robot)"
sed -i '$ a wait: 2s' "$(profile anna-robot)"
status_of 255 "nat: never names it, and the server refuses" ssh_by "$NAT" anna-robot -4
reaches refused source 1
sed -i '/^nat:/d; /^wait:/d' "$(profile anna-robot)"
ip -n "$NAT" addr del 10.9.0.2/24 dev in0
ip -n "$NAT" addr add 203.0.113.2/24 dev in0
ip -n "$CLI" addr add 203.0.113.1/24 dev nat0
ip -n "$NAT" route replace default via 203.0.113.1
equal "an address that looks public and is translated: auto finds out" "$(ssh_by "$NAT" anna-robot -4 | cut -d' ' -f1)" 192.0.2.2
contains "after a knock that named it" "$(cat "$D/err")" "from 203.0.113.2, bound to 203.0.113.2"
shut
next_step
equal "a person with one code too" "$(ssh_by "$NAT" anna-laptop -4 --otp "$(code)" | cut -d' ' -f1)" 192.0.2.2
shut
from_outside() { ctl grants | matches "^192.0.2.2 .*$1"; }
unwatched() { with_hosts "$NAT" "$CLIENT" "$@" -4 --profile "$(profile anna-robot)"; }
status_of 0 "a port that is not tried" unwatched open both.example ssh --no-wait
check "opens there too" eventually 5 from_outside tcp/22
status_of 0 "and one of UDP" unwatched open both.example vpn -v
contains "by a knock that names the address" "$(cat "$D/err")" "knock to 192.0.2.1 from 203.0.113.2, bound to 203.0.113.2"
contains "and one that names none" "$(cat "$D/err")" "knock to 192.0.2.1 from 203.0.113.2, for the source that the server sees"
check "opens" eventually 5 from_outside udp/51820
status_of 0 "a close" unwatched close both.example all
check "closes both" eventually 5 none
probes=$(grep -c "probe by anna/robot.* from 192.0.2.2$" "$D/log" || true)
sleep 4 # as above
status_of 0 "a test" unwatched test both.example ssh
tested() { [ "$(grep -c "probe by anna/robot.* from 192.0.2.2$" "$D/log")" -gt "$probes" ]; }
check "is seen" eventually 5 tested
sed -i '$ a nat: never' "$(profile anna-robot)"
status_of 0 "nat: never" unwatched open both.example vpn -v
lacks "names it in every packet" "$(cat "$D/err")" "for the source that the server sees"
sed -i '/^nat:/d' "$(profile anna-robot)"
shut
sed -i '$ a nat: always' "$(profile anna-robot)"
equal "nat: always names no address" "$(ssh_by "$NAT" anna-robot -4 | cut -d' ' -f1)" 192.0.2.2
lacks "in no packet" "$(cat "$D/err")" "bound to"
sed -i '/^nat:/d' "$(profile anna-robot)"
shut
ip -n "$CLI" addr del 203.0.113.1/24 dev nat0

say "STUN: a server elsewhere says which address it sees"
ip -n "$NAT" addr flush dev in0
ip -n "$NAT" addr add 10.9.0.2/24 dev in0
ip -n "$NAT" route replace default via 10.9.0.1
ip -n "$STR" route replace default via 198.51.100.1
in_srv sysctl -qw net.ipv4.ip_forward=1
background "$STR" turnserver --stun-only --listening-ip 198.51.100.66 --listening-port 3478 --no-tls --no-dtls --no-cli \
	--no-stdout-log --log-file /dev/null --pidfile "$D/turn.pid" --userdb "$D/turn.db" -c /dev/null >/dev/null 2>&1
stun_listens() { in_str ss -Hlun 'sport = :3478' | matches .; }
eventually 10 stun_listens || fail "the STUN server does not come up"
sed -i '$ a stun: 198.51.100.66' "$(profile anna-robot)"
equal "ssh gets in from a private address" "$(ssh_by "$NAT" anna-robot -4 | cut -d' ' -f1)" 192.0.2.2
contains "by a knock that names the address that the server sees" "$(cat "$D/err")" "from 10.9.0.2, bound to 192.0.2.2"
shut
echo 'binding: match' >>"$D/etc/users/anna.yaml"
ctl reload >/dev/null
equal "also where the server wants it named" "$(ssh_by "$NAT" anna-robot -4 | cut -d' ' -f1)" 192.0.2.2
shut
status_of 0 "also for a port that is not tried" unwatched open both.example vpn
check "it opens" eventually 5 from_outside udp/51820
shut
contains "status says which address it is" "$(unwatched status both.example ssh)" "192.0.2.1 from 10.9.0.2, seen from outside as 192.0.2.2"
contains "also to programs" "$(unwatched status both.example ssh --json)" '"seen": "192.0.2.2"'
sed -i '/^binding:/d' "$D/etc/users/anna.yaml"
ctl reload >/dev/null
sed -i 's/^stun:.*/stun: "198.51.100.66:9"/' "$(profile anna-robot)"
equal "without an answer it is as without STUN" "$(ssh_by "$NAT" anna-robot -4 | cut -d' ' -f1)" 192.0.2.2
contains "and that is said" "$(cat "$D/err")" "STUN server 198.51.100.66:9 from 10.9.0.2: no answer"
sed -i '/^stun:/d' "$(profile anna-robot)"
shut

say "UDP and TCP leave the network by two addresses"
ip -n "$CLI" addr add 192.0.2.5/24 dev cli0
in_cli nft 'table inet two { chain post { type nat hook postrouting priority srcnat - 1; oifname cli0 ip saddr 10.9.0.0/24 meta l4proto udp snat ip to 192.0.2.5; }; }'
sed -i '$ a wait: 2s' "$(profile anna-robot)"
status_of 1 "the port does not open" unwatched open both.example ssh
check "though the knock was granted, for the address of UDP" grep -q "granted anna/robot .*from 192.0.2.5" "$D/log"
contains "what is likely is said" "$(cat "$D/err")" "do UDP and TCP leave this network by two addresses"
in_cli nft delete table inet two
status_of 0 "by one address it opens" unwatched open both.example ssh
lacks "and nothing of it is said" "$(cat "$D/err")" "two addresses"
sed -i '/^wait:/d' "$(profile anna-robot)"
ip -n "$CLI" addr del 192.0.2.5/24 dev cli0
shut

say "NAT64: a network without IPv4, and a name of which a DNS64 made IPv6"
ip -n "$NAT" addr flush dev in0
ip -n "$NAT" addr add 2001:db8:c::2/64 dev in0 nodad
ip -n "$CLI" addr add 2001:db8:c::1/64 dev nat0 nodad
ip -n "$NAT" -6 route add default via 2001:db8:c::1
cat >"$D/tayga.conf" <<-C
	tun-device nat64
	ipv4-addr 203.0.113.1
	ipv6-addr 2001:db8:64:ffff::1
	prefix 2001:db8:64::/96
	dynamic-pool 203.0.113.0/24
	data-dir $D/tayga
C
mkdir "$D/tayga"
in_cli tayga --mktun -c "$D/tayga.conf" >/dev/null
ip -n "$CLI" link set nat64 up
ip -n "$CLI" route add 203.0.113.0/24 dev nat64
ip -n "$CLI" -6 route add 2001:db8:64::/96 dev nat64
background "$CLI" tayga --nodetach -c "$D/tayga.conf" >"$D/tayga.log" 2>&1
ip -n "$SRV" route add 203.0.113.0/24 via 192.0.2.2
synthesized() { # what the DNS64 answers, with or without the server's own IPv4 address
	printf '127.0.0.1 localhost\n2001:db8:64::c000:201 both.example\n'
	[ $# = 0 ] || printf '%s\n' "$@"
}
# hosts_are LINE...: /etc/hosts of that network
hosts_are() { synthesized "$@" >"$D/hosts"; }
hosts_are '192.0.2.1 both.example'
equal "ssh gets in" "$(ssh_by "$NAT" anna-robot | cut -d' ' -f3)" 192.0.2.1
contains "the NAT64 was known by the host's IPv4 address" "$(cat "$D/err")" "2001:db8:64::c000:201, by a NAT64"
lacks "so no knock named our address" "$(cat "$D/err")" "bound to"
shut
hosts_are '2001:db8:64::c000:aa ipv4only.arpa'
equal "known by ipv4only.arpa" "$(ssh_by "$NAT" anna-robot | cut -d' ' -f3)" 192.0.2.1
lacks "no knock named our address either" "$(cat "$D/err")" "bound to"
shut
hosts_are '192.0.2.1 both.example' '2001:db8:64::c633:6442 stun.example'
sed -i '$ a stun: stun.example' "$(profile anna-robot)"
equal "by the STUN server behind the same NAT64" "$(ssh_by "$NAT" anna-robot | cut -d' ' -f3)" 192.0.2.1
contains "the knock names the IPv4 address that the server sees" "$(cat "$D/err")" "from 2001:db8:c::2, bound to 192.0.2.2"
sed -i '/^stun:/d' "$(profile anna-robot)"
shut
sed -i '$ a nat: never' "$(profile anna-robot)"
sed -i '$ a wait: 2s' "$(profile anna-robot)"
before=$(stat refused source)
status_of 255 "nat: never names our address, and the server refuses" ssh_by "$NAT" anna-robot
lacks "in every packet" "$(cat "$D/err")" "for the source that the server sees"
reaches refused source $((before + 1))
sed -i '/^wait:/d' "$(profile anna-robot)"
hosts_are
sed -i 's/^nat:.*/nat: always/' "$(profile anna-robot)"
equal "nat: always names none, though nothing tells that there is a NAT64" "$(ssh_by "$NAT" anna-robot | cut -d' ' -f3)" 192.0.2.1
lacks "in no packet" "$(cat "$D/err")" "bound to"
sed -i '/^nat:/d' "$(profile anna-robot)"
shut
next_step
equal "where nothing tells it, one code is enough all the same" "$(ssh_by "$NAT" anna-laptop --otp "$(code)" | cut -d' ' -f3)" 192.0.2.1
contains "after a knock that named our address" "$(cat "$D/err")" "bound to"
shut

say "what is said where nothing opens"
printf '127.0.0.1 localhost\n192.0.2.1 both.example\n' >"$D/hosts"
sed -i '$ a wait: 1s' "$(profile anna-robot)"
tries() { client open both.example ssh --profile "$(profile anna-robot)"; }
in_srv nft 'table inet own { chain input { type filter hook input priority 0; tcp dport 22 reject with icmpx host-unreachable; }; }'
status_of 1 "the way is shut by somebody who says so" tries
contains "unreachable" "$(cat "$D/err")" "192.0.2.1: 2 knocks, then unreachable (No route to host)"
contains "is no question of codes" "$(cat "$D/err")" "hint: is this machine's network up?"
sed -i 's/^wait:.*/wait: 1h/' "$(profile anna-robot)"
# How many of the attempts are answered so is for the server's limit of ICMP errors to say.
status_of 1 "it ends when the retries are over, though there would be an hour" tries
contains "with the same words" "$(cat "$D/err")" " knocks, then unreachable (No route to host)"
printf '#!/bin/sh\necho asked >>%s\noathtool --totp -b %s\n' "$D/asked" "$secret" >"$D/askpass"
chmod 700 "$D/askpass"
# person COMMAND...: types the right code
person() { env SSH_ASKPASS="$D/askpass" SSH_ASKPASS_REQUIRE=force nsenter --net="/run/netns/$CLI" "$@"; }
next_step
status_of 1 "a person" person "$CLIENT" open 192.0.2.1 ssh --profile "$(profile anna-laptop)"
equal "is not asked for another code" "$(grep -c asked "$D/asked")" 1
rm "$D/asked"

say "the network changes in the midst of a knock"
# midst: begins to knock, and goes on where the first attempts are over.
midst() {
	shut
	: >"$D/err"
	client open both.example ssh -v --profile "$(profile anna-robot)" 2>"$D/err" &
	MIDST=$!
	tried() { [ "$(grep -c "192.0.2.1 tried" "$D/err")" -ge 7 ]; }
	eventually 20 tried || fail "it does not knock: $(cat "$D/err")"
}
opens_at_last() {
	wait "$MIDST" || fail "it does not get in: $(cat "$D/err")"
	say "it gets in"
}
in_srv nft flush chain inet own input
in_srv nft add rule inet own input tcp dport 22 drop
midst
ip -n "$CLI" addr add 192.0.2.3/24 dev cli0
ip -n "$CLI" addr del 192.0.2.2/24 dev cli0
ip -n "$CLI" addr replace 192.0.2.3/24 dev cli0
ip -n "$CLI" route replace default via 192.0.2.1
in_srv nft flush chain inet own input
opens_at_last
contains "from the new address" "$(cat "$D/err")" "knock to 192.0.2.1 from 192.0.2.3, bound to 192.0.2.3"
ip -n "$CLI" addr add 192.0.2.2/24 dev cli0
ip -n "$CLI" addr del 192.0.2.3/24 dev cli0
ip -n "$CLI" addr replace 192.0.2.2/24 dev cli0
ip -n "$CLI" route replace default via 192.0.2.1
in_srv nft add rule inet own input tcp dport 22 drop
midst
ip -n "$CLI" link set cli0 down
shut
in_srv nft flush chain inet own input
ip -n "$CLI" link set cli0 up
ip -n "$CLI" route replace default via 192.0.2.1
opens_at_last
contains "when the network is back" "$(cat "$D/err")" "the network of this machine has changed"
sed -i 's/^wait:.*/wait: 1s/' "$(profile anna-robot)"
shut
in_srv nft flush chain inet own input
in_srv nft add rule inet own input tcp dport 22 drop
status_of 1 "by somebody who says nothing" tries
contains "silence" "$(cat "$D/err")" "192.0.2.1: 2 knocks, then silence"
contains "may have many causes" "$(cat "$D/err")" "may this credential open it? does the network let UDP out?"
in_srv nft delete table inet own
kill "$(cat "$D/ssh/sshd.pid")"
eventually 5 not_listening
shut
attempted() { in_cli ss -Htn state syn-sent | matches .; }
# tries_unheard: of its attempts one is silent, for the grant waits for it.
tries_unheard() {
	local trying code=0
	kill -STOP "$DAEMON"
	tries &
	trying=$!
	eventually 5 attempted || fail "no attempt: $(cat "$D/err")"
	kill -CONT "$DAEMON"
	wait "$trying" || code=$?
	return $code
}
status_of 1 "nobody listens" tries_unheard
contains "the clock is spoken of" "$(cat "$D/err")" "this machine's clock is"
contains "a reset" "$(cat "$D/err")" "192.0.2.1: 2 knocks, then reset: it is open and nobody listens"
contains "asks for the service" "$(cat "$D/err")" "hint: does the service run there? the knock did its work"
sed -i 's/^wait:.*/wait: 5m/' "$(profile anna-robot)"
shut
status_of 1 "and where there would be a lot of time" tries_unheard
contains "it ends when the retries are over" "$(cat "$D/err")" "192.0.2.1: 3 knocks, then reset"
lacks "the knock opened what was silent before" "$(cat "$D/err")" "answers as closed"
next_step
client open both.example tcp/80 --profile "$(profile anna-robot)" --no-wait 2>/dev/null # the jump of the clock, as above
shut
status_of 1 "a person" person "$CLIENT" open 192.0.2.1 ssh --profile "$(profile anna-laptop)"
equal "is not asked for another code" "$(grep -c asked "$D/asked")" 1
contains "because the code was right" "$(cat "$D/err")" "the knock did its work"
shut
ip -n "$CLI" route add unreachable 192.0.2.1/32
status_of 1 "no way out" tries
contains "is told before anything is sent" "$(cat "$D/err")" "192.0.2.1: no way to 192.0.2.1: "
lacks "with no story of a knock" "$(cat "$D/err")" "did not open"
stop
pass
