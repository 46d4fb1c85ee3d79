#!/bin/bash
# SPDX-License-Identifier: MIT
# The knock port as the source port of flows that leave this host: a client's behind it whose address it translates, and its
# own sockets'. Their answers come to the knock port, and arrive. Whatever answers nothing is as silent as ever.
. "$(dirname "$0")/lib.sh"
begin flows
configure
enroll anna robot --factor hmac
listen 22
background "$STR" socat UDP6-RECVFROM:53,fork,ipv6only=0 EXEC:cat 2>/dev/null
answers() { in_str ss -Hlun 'sport = :53' | grep .; }
eventually 5 answers || fail "nobody listens on udp/53"
# ask.py own ADDRESS...: questions of both lengths from the knock port, each from a socket of its own, and their answers.
# ask.py unasked ADDRESS...: datagrams to the knock port, and to one that nobody has; says what came back.
cat >"$D/ask.py" <<-'P'
	import os, socket, sys, time
	what, addresses = sys.argv[1], sys.argv[2:]
	def open_socket(to, own):
	    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
	    s.bind(("", own))
	    return s
	def asks(to, size, connected):
	    s, text = open_socket(to, 62201), os.urandom(size)
	    s.settimeout(3)
	    if connected: s.connect((to, 53))
	    s.send(text) if connected else s.sendto(text, (to, 53))
	    try: return s.recv(2000) == text
	    except OSError: return False
	def hears(s):
	    try: return "data" if s.recv(2000) else ""
	    except BlockingIOError: return "silent"
	    except ConnectionRefusedError: return "closed"
	if what == "own":
	    bad = [(to, size, c) for to in addresses for size in (100, 192) for c in (False, True) if not asks(to, size, c)]
	    sys.exit("no answer: %s" % bad if bad else 0)
	sockets = []
	for to in addresses:
	    for port, size in (62201, 7), (62201, 192), (9, 7):
	        s = open_socket(to, 53053 + len(sockets))
	        s.connect((to, port))
	        s.send(bytes(size))
	        s.setblocking(False)
	        sockets.append((to, port, size, s))
	time.sleep(0.7)  # for an answer that must not come
	for to, port, size, s in sockets: print(to, port, size, hears(s))
P
OURS="198.51.100.1 2001:db8:66::1" THEIRS="198.51.100.66 2001:db8:66::66"
# shellcheck disable=SC2086  # lists of addresses
ask() { nsenter --net="/run/netns/$1" python3 "$D/ask.py" "$2" $3; }
# What answers nothing: from the stranger, of 7 bytes and of a knock's length.
unasked() {
	ask "$STR" unasked "$OURS" >"$D/unasked"
	equal "$1: what nobody asked for gets no answer" "$(grep -c ' 62201 .*silent' "$D/unasked")" 4
	equal "where another port says that it is closed" "$(grep -c ' 9 7 closed' "$D/unasked")" 2
	refuse "and leaves no entry of connection tracking" grep -E "sport=5305[0-9] dport=62201" "/proc/$DAEMON/net/nf_conntrack"
}
passed() { in_srv nft list chain inet xknock decide | sed -n 's/.*packets \([0-9]*\) .*"knock port".*/\1/p'; }
own_answers() { check "$1: questions of this host's own" ask "$SRV" own "$THEIRS"; }
through() { check "$1: questions of a client behind it" ask "$CLI" own "$THEIRS"; }
in_srv sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
start

say "this host's own sockets at the knock port"
own_answers "bound and connected sockets"
equal "their answers were not taken for noise" "$(passed)" 0
unasked "without a socket there"
equal "noise ends in the filter" "$(passed)" 0
background "$SRV" socat -u UDP6-RECV:62201,ipv6only=0 "OPEN:$D/received,creat"
bound() { in_srv ss -Hlun 'sport = :62201' | grep .; }
eventually 5 bound || fail "nobody is bound to the knock port"
unasked "with one"
equal "a socket that waits there hears nothing of it" "$(wc -c <"$D/received")" 0
[ "$(passed)" -gt 0 ] || fail "no rule has dropped it"
before=$(stat accepted open)
check "a knock opens beside it" knock 192.0.2.1 anna-robot
equal "once" "$(stat accepted open)" $((before + 1))
equal "which the socket does not hear either" "$(wc -c <"$D/received")" 0
kill "$BACKGROUND"
ctl close anna >/dev/null

say "a gateway"
in_srv nft 'table inet nat { chain out { type nat hook postrouting priority srcnat; oifname "host1" masquerade; }; }'
before=$(passed)
# The daemon is told of it: no reload, no restart.
in_srv sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
through "forwarding was switched on under a running daemon"
contains "the gateway uses the same port" "$(grep dport=62201 "/proc/$DAEMON/net/nf_conntrack")" \
	"dst=198.51.100.1 sport=53 dport=62201"
own_answers "beside it"
unasked "a gateway"
[ "$(passed)" -gt "$before" ] || fail "noise does not reach the rule"
check "a knock opens there" knock 192.0.2.1 anna-robot
ctl close anna >/dev/null
say "networks that need no knock hear nothing either"
echo 'gate: {allow: [198.51.100.0/24, "2001:db8:66::/64"]}' >>"$D/etc/xknock.yaml"
check "reload" ctl reload
check "they get to the port" can_connect "$STR" 198.51.100.1 22
unasked "from there"
through "after a reload"
say "kill -9, and the next daemon"
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
through "without a daemon"
start
through "with the next one"
in_srv sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
head -c 7 /dev/zero >"$D/noise"
ends_in_filter() {
	local from before
	from=$(passed)
	before=$(stat filter length)
	in_str "$PACKET" send "$D/noise" --to 198.51.100.1 --size 7
	eventually 1 at_least filter length $((before + 1)) && [ "$(passed)" = "$from" ]
}
eventually 5 ends_in_filter || fail "noise goes on to the rules where nothing is forwarded any more"
unasked "forwarding is off"
stop
pass
