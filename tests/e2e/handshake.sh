#!/bin/bash
# SPDX-License-Identifier: MIT
# Knocks by handshake, from the client to an open port: with every factor, by a client whose clock is a day off, behind
# NAT, by one that has lost its state, and beside somebody who sends what they heard again.
. "$(dirname "$0")/lib.sh"
begin handshake
movable_clock
configure
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
ENROLL_HOST=192.0.2.1 enroll bob phone --factor none --service ssh
ENROLL_HOST=192.0.2.1 enroll carl phone --factor none --service ssh # by packets alone
for user in anna bob; do
	sed -i '/^modes:/d' "$D/etc/users/$user.yaml" && echo 'modes: [packet, handshake]' >>"$D/etc/users/$user.yaml"
done
listen 22
printf '%s\n' 'legacy: {capyknock: {port: 62201}, fwknop: {port: 62201}}' >>"$D/etc/xknock.yaml"
start
# by_handshake VERB PROFILE OPTIONS...: from $FROM (the client), by its own clock.
set_clock "$D/client-clock" 0
client_clock() { set_clock "$D/client-clock" $((AHEAD + $1 * 1000000000)); }
by_handshake() {
	XK_CLOCK=$D/client-clock nsenter --net="/run/netns/${FROM:-$CLI}" "$CLIENT" "$1" 192.0.2.1 "${@:3}" --handshake -v \
		--profile "$(profile "$2")" 2>"$D/err"
}
opens() { by_handshake open "$1" ssh || fail "$1 does not get in: $(cat "$D/err")"; }
shut() { ctl close 0.0.0.0/0 >/dev/null && ctl close ::/0 >/dev/null; }
none_left() { [ "$(grants)" = 0 ]; }
state_of() { printf '%s\n' "$XDG_STATE_HOME/xknock/hello-$(sed -n 's/^credential: "\(.*\)"/\1/p' "$(profile "$1")")"; }

for off in 0 86400 -86400; do
	say "a clock that is $off seconds off"
	client_clock "$off"
	for device in bob-phone anna-robot; do
		opens "$device"
		contains "$device is in" "$(ctl grants)" "192.0.2.2 "
		contains "and knows its address" "$(cat "$D/err")" "the server sees you as 192.0.2.2 port "
		[ "$off" = 0 ] || contains "and by how much its clock is wrong" "$(cat "$D/err")" "this machine's clock is "
		check "close" by_handshake close "$device" ssh
		check "closes it" eventually 5 none_left
	done
	next_step # a code counts once
	client_clock "$off"
	# The clock was moved, so the server does not know the knocks of the moment before. A handshake does not mind.
	opens anna-laptop
	contains "the code is for the server's clock" "$(ctl grants)" anna/laptop
	shut
done
client_clock 0

say "a packet with a wrong clock"
client_clock 86400
XK_CLOCK=$D/client-clock in_cli "$CLIENT" open 192.0.2.1 ssh --no-wait --profile "$(profile bob-phone)" 2>"$D/err"
sleep 0.3 # for what must not happen
equal "opens nothing" "$(grants)" 0
client_clock 0

say "whoever may not"
code=0
sed -i '/^wait:/d' "$(profile carl-phone)" && echo 'wait: 2s' >>"$(profile carl-phone)"
by_handshake open carl-phone ssh || code=$?
equal "gets no answer" "$code" 1
contains "and is told so" "$(cat "$D/err")" "the server does not answer"

say "a client that has lost its state"
rm "$(state_of bob-phone)"
opens bob-phone
contains "begins with the first number" "$(cat "$D/err")" "hello 1 to 192.0.2.1"
contains "and finds that of the server by a stride" "$(cat "$D/err")" "hello 64 to 192.0.2.1"
shut

say "what was heard is sent again"
tcpdump_file=$D/heard.pcap
background "$CLI" tcpdump -q -U --immediate-mode -i cli0 -w "$tcpdump_file" udp port 62201 2>"$D/tcpdump"
eventually 10 grep -q listening "$D/tcpdump" || fail "no tcpdump"
tcpdump_pid=$BACKGROUND
opens bob-phone
shut
sleep 0.2
kill -INT "$tcpdump_pid"
wait "$tcpdump_pid" || true
cat >"$D/again.py" <<'P'
import socket, struct, sys
data, out, at = open(sys.argv[1], "rb").read(), [], 24
while at < len(data):
    size = struct.unpack("<I", data[at + 8:at + 12])[0]
    frame, at = data[at + 16:at + 16 + size], at + 16 + size
    port = struct.unpack(">H", frame[36:38])[0]
    if port == 62201 and frame[42:] not in out:
        out.append(frame[42:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
for packet in out:
    s.sendto(packet, (sys.argv[2], 62201))
answers = 0
try:
    while s.recv(2048):
        answers += 1
except TimeoutError:
    pass
print(len(out), answers)
P
# shellcheck disable=SC2046
set -- $(in_cli python3 "$D/again.py" "$tcpdump_file" 192.0.2.1)
[ "$1" -ge 2 ] || fail "only $1 packets were heard"
equal "nobody answers" "$2" 0
equal "and nothing opens" "$(grants)" 0
# shellcheck disable=SC2046
set -- $(in_str python3 "$D/again.py" "$tcpdump_file" 198.51.100.1)
equal "nor from another address" "$2" 0
equal "nor for it" "$(grants)" 0

say "a million packets that nobody authenticated, of every kind"
in_srv nft 'table inet answers {
	counter sent { }
	chain out { type filter hook output priority 300; meta l4proto { udp, icmp } counter name sent; }
}'
answers() { in_srv nft list counter inet answers sent | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }
before=$(answers)
cat >"$D/junk.py" <<'P'
import base64, os, socket, struct, sys
data, heard, at = open(sys.argv[1], "rb").read(), None, 24
while heard is None:  # the first packet is a hello
    size = struct.unpack("<I", data[at + 8:at + 12])[0]
    frame, at = data[at + 16:at + 16 + size], at + 16 + size
    if struct.unpack(">H", frame[36:38])[0] == 62201:
        heard = frame[42:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
s.connect((sys.argv[2], 62201))
make = [
    lambda: os.urandom(192),
    lambda: heard[:8] + os.urandom(184),  # a tag that was right, or is
    lambda: heard[:100] + bytes([heard[100] ^ 1]) + heard[101:],
    lambda: heard,
    lambda: os.urandom(len(heard) - 1),
    lambda: base64.b64encode(os.urandom(150)),  # as a packet of fwknop
    lambda: b'{"usrnm": "a", "payload": "' + base64.urlsafe_b64encode(os.urandom(153)) + b'"}',
    lambda: b"",
]
sent = 0
while sent < 1000000:
    packets = [kind() for kind in make]
    for _ in range(50):
        for packet in packets:
            try:
                s.send(packet)
                sent += 1
            except (BlockingIOError, ConnectionRefusedError):
                pass
print(sent)
P
[ "$(in_str python3 "$D/junk.py" "$tcpdump_file" 198.51.100.1)" -ge 1000000 ] || fail "fewer packets were sent"
sleep 0.5 # for what must not happen
equal "get no answer" "$(($(answers) - before))" 0
in_srv nft delete table inet answers
opens bob-phone # and a handshake gets through afterwards
shut

say "behind NAT"
NAT=xk$$-nat
MORE_NS=$NAT
ip netns add "$NAT"
ip -n "$NAT" link set lo up
pair "$CLI" nat0 10.9.0.1/24 fd00:9::1/64 "$NAT" in0 10.9.0.2/24 fd00:9::2/64
ip -n "$NAT" route add default via 10.9.0.1
in_cli sysctl -qw net.ipv4.ip_forward=1
in_cli nft 'table inet nat {
	chain post { type nat hook postrouting priority srcnat; oifname cli0 ip saddr 10.9.0.0/24 masquerade; }
}'
FROM=$NAT opens anna-robot
contains "the knock names the address that the server sees" "$(cat "$D/err")" "from 10.9.0.2, bound to 192.0.2.2"
contains "and it opens for it" "$(ctl grants)" "192.0.2.2 "
FROM=$NAT check "close" by_handshake close anna-robot ssh
check "closes it" eventually 5 none_left
echo 'nat: never' >>"$(profile anna-robot)"
code=0
FROM=$NAT by_handshake open anna-robot ssh || code=$?
equal "a client that knows of no NAT does not knock there" "$code" 1
contains "and says so" "$(cat "$D/err")" "the server sees 192.0.2.2 and not 10.9.0.2: "
equal "nothing opens" "$(grants)" 0
opens anna-robot # where there is none
shut

say "a profile that says so"
echo 'mode: handshake' >>"$(profile bob-phone)"
knock 192.0.2.1 bob-phone ssh 2>"$D/err" || fail "it does not open: $(cat "$D/err")"
check "opens" granted
contains "ls shows it" "$(in_cli "$CLIENT" ls --profiles "$D/profiles")" "mode        handshake"
shut
check "and without trying the port" knock 192.0.2.1 bob-phone ssh --no-wait
contains "it says what is known" "$(cat "$D/out")" "knocked; the server answered the hello; it does not say whether"
shut
in_cli "$CLIENT" open 192.0.2.1 ssh --profile "$(profile bob-phone)" --no-handshake -v 2>"$D/err" ||
	fail "it does not open: $(cat "$D/err")"
lacks "once by a packet" "$(cat "$D/err")" hello
shut
in_cli python3 "$TOP/client/xknock.py" open 192.0.2.1 ssh --profile "$(profile bob-phone)" 2>"$D/err" && fail "xknock.py opens"
contains "xknock.py says why it cannot" "$(cat "$D/err")" "this program knows no handshakes: knock-client does"
say "keep"
background "$CLI" "$CLIENT" keep 192.0.2.1 ssh --profile "$(profile bob-phone)" 2>"$D/err"
keeper=$BACKGROUND
check "opens" eventually 5 granted
kill -INT "$keeper"
wait "$keeper" || fail "keep ends badly: $(cat "$D/err")"
check "and closes" eventually 5 none_left

say "over IPv6"
in_cli "$CLIENT" open 2001:db8::1 ssh --profile "$(profile bob-phone)" -v 2>"$D/err" ||
	fail "it does not open: $(cat "$D/err")"
contains "the server sees that address" "$(cat "$D/err")" "sees you as 2001:db8::2 port "
stop
pass
