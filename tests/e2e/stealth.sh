#!/bin/bash
# SPDX-License-Identifier: MIT
# To a stranger the server shows nothing: nmap cannot tell a protected port that listens from one that does not, nor from
# the knock port, and sees the same before and after somebody knocks; whatever they send to the knock port, not one packet
# comes back. Nor does one to the client. Unprotected ports answer all the while: the scan and the ears work. Under
# "stealth: closed" the knock port answers as often as any closed port does, whoever asks beside whom.
. "$(dirname "$0")/lib.sh"
begin stealth
configure
sed -i 's/vpn: udp\/51820/vpn: [udp\/51820, udp\/51821]/' "$D/etc/xknock.yaml"
enroll anna robot --factor hmac
start
listen 22 8080
for port in 7 51820; do
	background "$SRV" socat "UDP6-RECVFROM:$port,fork,ipv6only=0" EXEC:cat
	eventually 5 sh -c "nsenter --net=/run/netns/$SRV ss -Hlun 'sport = :$port' | grep -q ." || fail "nobody listens on udp/$port"
done
# Every answer is to be seen: the kernel would leave some out (one in a second for each host), and would give up on a
# packet of which parts are missing after half a minute only.
in_srv sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.ipfrag_time=1 \
	net.ipv6.ip6frag_time=1 net.netfilter.nf_conntrack_frag6_timeout=1
V4=198.51.100.1 V6=2001:db8:66::1

# scan ADDRESS [nmap options]: one line for each port with its state and nmap's reason.
scan() {
	local address=$1 family=
	shift
	case $address in *:*) family=-6 ;; esac
	in_str nmap $family -n -Pn --reason --max-retries 1 -T4 --host-timeout 30s "$@" "$address" >"$D/nmap" ||
		fail "nmap: $(cat "$D/nmap")"
	awk '$1 ~ "^[0-9]+/" { print $1, $2, $4 }' "$D/nmap"
}
TCP=T:22,80,81,443,8080 UDP=U:7,9,51820,51821,62200,62201
scan_all() { scan "$1" -sS -sU -p "$TCP,$UDP"; }
# seen FILE PORT: what nmap said of it
seen() { sed -n "s|^$2 ||p" "$D/$1"; }
same() { equal "$2 and $3: $4" "$(seen "$1" "$2")" "$(seen "$1" "$3")"; }

declare -A FIRST
for address in $V4 $V6; do
	say "a stranger scans $address"
	FIRST[$address]=$(scan_all "$address")
	printf '%s\n' "${FIRST[$address]}" >"$D/scan"
	equal "every port has its line" "$(wc -l <"$D/scan")" 11
	contains "an unprotected port where something listens is open" "$(seen scan 8080/tcp)" "open syn-ack"
	contains "one where nothing does says so" "$(seen scan 81/tcp)" "closed reset"
	contains "the same with UDP" "$(seen scan 7/udp)" "open udp-response"
	for port in 9 62200; do contains "and closed: $port" "$(seen scan $port/udp)" "closed port-unreach"; done
	equal "a protected port that listens" "$(seen scan 22/tcp)" "filtered no-response"
	same scan 22/tcp 80/tcp "like one that does not"
	same scan 80/tcp 443/tcp "nor another"
	equal "a protected UDP port that would answer" "$(seen scan 51820/udp)" "open|filtered no-response"
	same scan 51820/udp 51821/udp "like one that would not"
	same scan 62201/udp 51820/udp "and the knock port is like a protected one"
	scan "$address" -sA -p "$TCP" >"$D/scan"
	contains "an ACK out of nothing is answered by an unprotected port" "$(seen scan 8080/tcp)" "unfiltered reset"
	for port in 22 80 443; do equal "by $port it is not" "$(seen scan $port/tcp)" "filtered no-response"; done
done

say "the client knocks, on both families"
for address in 192.0.2.1 2001:db8::1; do
	check "$address is open to it" knock $address anna-robot ssh --lifetime 5m
	check "and vpn too" knock_only $address anna-robot vpn
done
four() { [ "$(grants)" -ge 4 ]; }
eventually 5 four || fail "there are $(grants) grants"
contains "the client's UDP reaches the listener" \
	"$(echo heard | in_cli socat -t 1 - UDP:192.0.2.1:51820)" heard
for address in $V4 $V6; do
	equal "a stranger's scan of $address sees what it saw" "$(scan_all "$address")" "${FIRST[$address]}"
done
check "while the grant was open" granted

# ears NAME NS DEVICE: from now on, whatever comes from the server, except what finds addresses (ARP, neighbour discovery)
# and what a host says to its link unasked (MLD behind a hop-by-hop header, router solicitations).
ears() {
	background "$2" tcpdump -i "$3" -Q in -n -U --immediate-mode -w "$D/$1.pcap" \
		'not arp and not (icmp6 and ip6[40] >= 130 and ip6[40] <= 143) and
		not (ip6[6] = 0 and ip6[40] = 58 and ip6[48] >= 130 and ip6[48] <= 143)' 2>"$D/$1.err"
	eventually 5 grep -q listening "$D/$1.err" || fail "tcpdump: $(cat "$D/$1.err")"
}
heard() { tcpdump -r "$D/$1.pcap" -n 2>/dev/null; }
heard_lines() { [ "$(heard "$1" | wc -l)" -ge "$2" ]; }
# control NAME NS ADDRESS TOTAL: a closed port of the server does answer, and is packet number TOTAL that came.
control() {
	nsenter --net="/run/netns/$2" "$PACKET" send "$D/noise" --to "$3" --port 33434
	eventually 5 heard_lines "$1" "$4" || fail "a closed port of $3 does not answer: $(heard "$1")"
	contains "a closed port of $3 answers, and the ear hears it" "$(heard "$1" | tail -n 1)" "unreachable"
	[ "$(heard "$1" | wc -l)" = "$4" ] || fail "more came than the $4 answers of closed ports: $(heard "$1")"
}

head -c 192 /dev/urandom >"$D/noise"
"$PACKET" make --profile "$(profile anna-robot)" >"$D/genuine"
# part.py ADDRESS first|later PORT: one fragment of a UDP packet whose others never come.
cat >"$D/part.py" <<-'P'
	import socket, struct, sys
	to, first, port = sys.argv[1], sys.argv[2] == "first", int(sys.argv[3])
	data = struct.pack("!HHHH", 40000, port, 200, 0) + bytes(56) if first else bytes(136)
	offset, number = (1, port) if first else (8 << 3, port - 1)
	if ":" in to:
	    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
	    data = struct.pack("!BBHI", 17, 0, offset, number) + data
	    ends = socket.inet_pton(socket.AF_INET6, "2001:db8:66::66") + socket.inet_pton(socket.AF_INET6, to)
	    packet = struct.pack("!IHBB", 6 << 28, len(data), 44, 64) + ends + data
	else:
	    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	    ends = socket.inet_aton("198.51.100.66") + socket.inet_aton(to)
	    packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), number, 0x2000 if first else 8, 64, 17, 0) + ends + data
	raw.sendto(packet, (to, 0))
P
ears stranger "$STR" str0
total=0
for address in $V4 $V6; do
	say "the stranger sends to the knock port of $address"
	control stranger "$STR" "$address" $((total += 1))
	to() { in_str "$PACKET" send "$1" --to "$address" "${@:2}"; }
	before=$(stat filter length)
	for size in 0 1 16 191 193 1400; do to "$D/noise" --size $size; done
	reaches filter length $((before + 6))
	say "six packets of a wrong length"
	before=$(stat filter tag)
	to "$D/noise" --count 100
	reaches filter tag $((before + 100))
	say "noise of the right length"
	before=$(stat filter mac)
	for bit in 64 800 1535; do to "$D/genuine" --flip $bit; done
	reaches filter mac $((before + 3))
	say "a genuine packet with one bit changed"
	before=$(stat filter candidate)
	to "$D/genuine"
	reaches filter candidate $((before + 1))
	before=$(stat filter seen)
	to "$D/genuine" --count 2
	reaches filter seen $((before + 2))
	say "a genuine packet that is accepted, and its replays"
	"$PACKET" make --profile "$(profile anna-robot)" >"$D/genuine"
	for port in 51820 62201; do
		for size in 1600 4000; do to "$D/noise" --size $size --port $port; done
		in_str python3 "$D/part.py" "$address" later $port
	done
	if [ "$address" = $V4 ]; then
		in_str nmap -n -Pn -sU -f --data-length 192 -p 62201 --max-retries 1 -T4 "$address" >/dev/null
	fi
	say "fragments: whole packets, and parts of which the others never come"
done
sleep 2.5 # the parts are given up: see ipfrag_time
control stranger "$STR" $V4 $((total += 1))
control stranger "$STR" $V6 $((total += 1))
say "nothing else came back"
# What is put together is dropped by the ruleset; what cannot be is answered before any rule is asked.
for address in $V4 $V6; do
	for port in 33434 51820 62201; do
		in_str python3 "$D/part.py" "$address" first $port
		eventually 5 heard_lines stranger $((total += 1)) || fail "a first part alone to $port of $address is not answered"
		contains "a first part alone, to $port of $address, is answered like any other" "$(heard stranger | tail -n 1)" \
			"reassembly"
	done
done

say "a genuine knock is not answered either"
ears client "$CLI" cli0
total=0
for address in 192.0.2.1 2001:db8::1; do
	control client "$CLI" $address $((total += 1))
	before=$(stat accepted open)
	check "the client knocks at $address" knock_only $address anna-robot web
	in_cli "$PACKET" send "$D/noise" --to $address
	reaches accepted open $((before + 1))
	control client "$CLI" $address $((total += 1))
done
ctl close anna >/dev/null

say "stealth: closed: the knock port is like any other closed port"
echo 'stealth: closed' >>"$D/etc/xknock.yaml"
check "reload" ctl reload
for address in $V4 $V6; do
	scan_all "$address" >"$D/scan"
	contains "62200 of $address is closed" "$(seen scan 62200/udp)" "closed port-unreach"
	same scan 62201/udp 62200/udp "no difference"
	same scan 62201/udp 9/udp "nor to a third"
	equal "protected ports are as before" "$(grep -E '^(22|80|443|51820|51821)/' "$D/scan")" \
		"$(grep -E '^(22|80|443|51820|51821)/' <<<"${FIRST[$address]}")"
done
# The kernel's own limits again: so many answers for each host. Everybody asks from an address that has not asked before.
in_srv sysctl -qw net.ipv4.icmp_ratelimit=1000 net.ipv6.icmp.ratelimit=1000
cat >"$D/answers.py" <<-'P'
	import select, socket, sys
	to, host, count, size, ports = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]
	six = ":" in to
	def ask(port, host, count):
	    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
	    s.setsockopt(41 if six else 0, 25 if six else 11, 1)  # IPV6_RECVERR, IP_RECVERR
	    s.bind(("2001:db8:66::%x" % host if six else "198.51.100.%d" % host, 0))
	    for _ in range(count):
	        try: s.sendto(bytes(size), (to, port))
	        except OSError: s.sendto(bytes(size), (to, port))  # it spoke of an answer to one before
	    return s
	def answers(s):
	    n, poll = 0, select.poll()
	    poll.register(s, 0)
	    while poll.poll(100):
	        s.recvmsg(1, 1, socket.MSG_ERRQUEUE)
	        n += 1
	    return n
	for i, port in enumerate(map(int, ports)):
	    one, other = ask(port, host + 2 * i, count), ask(port, host + 2 * i + 1, 1)
	    print(port, answers(one), answers(other))
P
for host in {140..179}; do
	ip -n "$STR" addr add "198.51.100.$host/24" dev str0
	ip -n "$STR" addr add "$(printf '2001:db8:66::%x' "$host")/64" dev str0 nodad
done
for address in $V4 $V6; do
	host=140
	for size in 20 192; do
		for count in 3 300; do
			in_str python3 "$D/answers.py" "$address" $host $count $size 62199 62200 62201 62202 62203 >"$D/answers" ||
				fail "asking $address"
			host=$((host + 10))
			numbers=$(cut -d' ' -f2- "$D/answers" | sort -u)
			contains "of $address another source is answered after $count packets of $size bytes: $numbers" "$numbers" " 1"
			equal "and by the number of answers nobody tells the knock port from others" "$(wc -l <<<"$numbers")" 1
		done
	done
done
stop
pass
