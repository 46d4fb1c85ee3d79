#!/bin/bash
# SPDX-License-Identifier: MIT
# A client behind NAT whose STUN server lies or is silent gets in all the same, by a knock that names no address.
. "$(dirname "$0")/lib.sh"
begin stun
movable_clock
configure
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
secret=$(cat "$D/etc/credentials/anna.laptop.otp")
sed -i '/otp_secret/d' "$(profile anna-laptop)"
start
READS=yes listen 22
NAT=xk$$-nat
MORE_NS=$NAT
ip netns add "$NAT"
ip -n "$NAT" link set lo up
pair "$CLI" nat0 10.9.0.1/24 fd00:9::1/64 "$NAT" in0 10.9.0.2/24 fd00:9::2/64
ip -n "$NAT" route add default via 10.9.0.1
in_cli sysctl -qw net.ipv4.ip_forward=1
in_srv sysctl -qw net.ipv4.ip_forward=1
in_cli nft 'table inet nat { chain post { type nat hook postrouting priority srcnat; oifname cli0 ip saddr 10.9.0.0/24 masquerade; }; }'
ip -n "$STR" addr add 198.51.100.67/24 dev str0

# One port for each lie, from 4000 on.
lies=(truth transaction source request error truncated enormous length family unspecified loopback multicast broadcast private other storm silent)
cat >"$D/liar.py" <<-'P'
	import select, socket, struct, sys
	COOKIE = b"\x21\x12\xa4\x42"
	def mapped(address, key):
	    family, packed = (2, socket.inet_pton(socket.AF_INET6, address)) if ":" in address else (1, socket.inet_aton(address))
	    value = struct.pack(">BBH", 0, family, 4242 ^ 0x2112) + bytes(a ^ b for a, b in zip(packed, COOKIE + key))
	    return struct.pack(">HH", 0x20, len(value)) + value
	def message(body, key, kind=0x101):
	    return struct.pack(">HH", kind, len(body)) + COOKIE + key + body
	FALSE = {"family": "2001:db8::66", "unspecified": "0.0.0.0", "loopback": "127.0.0.1", "multicast": "224.0.0.1",
	         "broadcast": "255.255.255.255", "private": "10.200.0.1", "other": "203.0.113.9"}
	def answers(lie, key, true):
	    good = message(mapped(FALSE.get(lie, true), key), key)
	    return {"transaction": [message(mapped(true, bytes(12)), bytes(12))],
	            "request": [message(mapped(true, key), key, 0x001)],
	            "error": [message(struct.pack(">HHHBB", 9, 4, 0, 3, 0), key, 0x111), message(mapped(true, key), key, 0x111)],
	            "truncated": [good[:n] for n in range(len(good))],
	            "enormous": [message(mapped(true, key) + struct.pack(">HH", 0x8022, 60000) + bytes(60000), key), bytes(65000)],
	            "length": [good[:2] + b"\xff\xfc" + good[4:], good[:22] + b"\xff\xff" + good[24:]],
	            "storm": [message(mapped(true, key), bytes([n % 256]) * 12) for n in range(3000)],
	            "silent": []}.get(lie, [good])
	elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	elsewhere.bind(("198.51.100.67", 0))
	by = {}
	for number, lie in enumerate(sys.argv[1:]):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.bind(("198.51.100.66", 4000 + number))
	    by[s] = lie
	print("listens", flush=True)
	while True:
	    for s in select.select(list(by), [], [])[0]:
	        request, client = s.recvfrom(2048)
	        for answer in answers(by[s], request[8:20], client[0]):
	            (elsewhere if by[s] == "source" else s).sendto(answer, client)
	        print(by[s], flush=True)
P
background "$STR" python3 "$D/liar.py" "${lies[@]}" >"$D/asked"
eventually 10 grep -q listens "$D/asked" || fail "the STUN server does not come up"
client() { nsenter --net="/run/netns/$NAT" "$CLIENT" "$@"; }
opens() { # PROFILE OPTIONS...
	client open 192.0.2.1 ssh -v --profile "$(profile "$1")" "${@:2}" 2>"$D/err" || fail "it does not get in: $(cat "$D/err")"
	contains "it gets in" "$(ctl grants)" "192.0.2.2 "
	ctl close 0.0.0.0/0 >/dev/null
}
for p in robot laptop; do sed -i '$ a stun: none' "$(profile anna-$p)"; done
for i in "${!lies[@]}"; do
	say "${lies[i]}"
	sed -i "s/^stun:.*/stun: \"198.51.100.66:$((4000 + i))\"/" "$(profile anna-robot)" "$(profile anna-laptop)"
	opens anna-robot
	check "it was asked" grep -qx "${lies[i]}" "$D/asked"
	case ${lies[i]} in
	truth) contains "its answer is named" "$(cat "$D/err")" "from 10.9.0.2, bound to 192.0.2.2" ;;
	private | other)
		contains "an address that may be ours is named" "$(cat "$D/err")" "from 10.9.0.2, bound to "
		contains "and none when that opened nothing" "$(cat "$D/err")" "from 10.9.0.2, for the source that the server sees"
		next_step
		knock_only 192.0.2.1 anna-robot tcp/80 # the first knock behind a jump of the clock is refused (horizon)
		opens anna-laptop --otp "$(oathtool --totp -b "$secret")"
		say "one code is enough for both"
		;;
	*) lacks "no knock names an address" "$(cat "$D/err")" "bound to" ;;
	esac
	case ${lies[i]} in
	truth | private | other | family | unspecified | loopback | multicast | broadcast) ;;
	*) contains "and that is said" "$(cat "$D/err")" "from 10.9.0.2: no answer" ;;
	esac
done
sed -i 's/^stun:.*/stun: "198.51.100.66:4010"/' "$(profile anna-robot)" # loopback
client status 192.0.2.1 ssh --profile "$(profile anna-robot)" >"$D/out"
lacks "status shows no such address either" "$(cat "$D/out")" "seen from outside"

say "a name server that is silent, for half a minute, and knows the STUN server alone"
in_srv nft 'table inet own { chain input { type filter hook input priority -10; udp dport 53 drop; }; }'
printf 'nameserver 192.0.2.1\noptions timeout:30 attempts:1\n' >"$D/resolv.conf"
sed -i 's/^stun:.*/stun: stun.example/' "$(profile anna-robot)"
# unresolved VERB ARGUMENTS...: ends long before the resolver does.
unresolved() {
	timeout 20 unshare -m sh -c "mount --bind '$D/resolv.conf' /etc/resolv.conf && exec \"\$@\"" _ nsenter --net="/run/netns/$NAT" \
		"$CLIENT" "$1" 192.0.2.1 "${@:2}" -v --profile "$(profile anna-robot)" 2>"$D/err"
}
for verb in "open ssh" "open tcp/80 --no-wait" test "close ssh"; do
	# shellcheck disable=SC2086  # words
	check "$verb" unresolved $verb
	contains "it was asked for" "$(cat "$D/err")" "STUN server stun.example from 10.9.0.2: no answer"
done
ctl close 0.0.0.0/0 >/dev/null
kept() { ctl grants | matches "192.0.2.2 "; }
unresolved keep ssh &
keeper=$!
eventually 15 kept || fail "keep does not open: $(cat "$D/err")"
say "keep"
# The client itself: timeout(1) passes a signal on twice, and the second one ends keep before it has closed.
kill -INT "$(pgrep -P "$(pgrep -P "$keeper")")"
wait "$keeper" || fail "keep ends badly: $(cat "$D/err")"
stop
pass
