# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The main job on this kernel: start, native filter, knock over IPv4 and IPv6, and both processes killed.
say "kernel $(uname -r)"
network
configure
enroll
listen 22
check "before xknock the port is open to everybody" can_connect str 198.51.100.1 22
start
contains "the filter runs in native mode" "$(cat "$LOG")" "host0 (native), host1 (native)"
refuse "it is a link of its own: nobody's \"xdp off\" takes it away" ip link set host0 xdp off
refuse "a stranger does not get to the port any more" can_connect str 198.51.100.1 22
refuse "nor does the client without a knock" granted

# The kernel's own word: what each process may.
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
worker=$(pidof xknock-worker)
equal "xknockd holds CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF and nothing else" \
	"$(status_of "$DAEMON" CapPrm) $(status_of "$DAEMON" CapBnd)" "000000c000001000 0000000000000000"
equal "the worker holds no capability" "$(status_of "$worker" CapPrm)$(status_of "$worker" CapBnd)" \
	00000000000000000000000000000000
equal "and runs under a system call filter" "$(status_of "$worker" Seccomp)" 2
check "each right that this kernel's Landlock knows can be given up" unit_landlock
case $(uname -r) in
5.10.*) version=0 ;;
6.1.*) version=2 ;;
6.12.*) version=6 ;;
*) version= ;;
esac
contains "that is version $version" "$(cat "$OUT")" "Landlock has version $version"

out=$(knock 192.0.2.1 laptop 2>&1) || fail "knock over IPv4: $out"
contains "a person's knock opens the port over IPv4" "$out" "after the knock"
refuse "for the client alone" can_connect str 198.51.100.1 22
refuse "and for the knock's family alone" granted6
contains "the grant is a timed element with the user's name" "$(nft list table inet xknock | tr -d '\n')" \
	'comment "anna/laptop"'
capture /tmp/k1
accepted_as_new "a knock off the wire is accepted" /tmp/k1
knockctl close anna/robot >/dev/null
before=$(stat accepted open)
seen=$(stat filter seen)
send_capture /tmp/k1
eventually 5 moved filter seen "$seen" || fail "a copy is not recognised"
equal "its copy is dropped by the filter" "$(stat accepted open)" "$before"

links=$(ls "$PINS")
in_cli xk-packet make --profile "$PROFILES/robot.yaml" --mode 1 --address 2001:db8::2 >/tmp/k6
kill_both
check "both processes were killed: the grant stands" granted
refuse "and the ruleset" can_connect str 198.51.100.1 22
in_cli xk-packet send /tmp/k6 --to 2001:db8::1
refuse "a knock is not judged while nobody is there" granted6
start
contains "a new daemon takes over" "$(grep ready: "$LOG" | tail -n 1)" " 1 grants"
equal "with the same pins" "$(ls "$PINS")" "$links"
contains "it remembers what was accepted" "$(knockctl status)" "this boot"
check "the grant stands" granted
check "the knock that waited in the ring opens the port over IPv6" eventually 5 granted6
knockctl close anna >/dev/null
refuse "closed again" granted6
out=$(knock 2001:db8::1 robot 2>&1) || fail "knock over IPv6: $out"
contains "a machine's knock opens the port over IPv6" "$out" "after the knock"

say "a sequence of ports"
enroll_device phone --factor none --host 192.0.2.1
echo 'modes: [packet, sequence, c-lock]' >>/etc/xknock/users/anna.yaml
echo 'c_lock: {max_guess_odds: 1e-2}' >>/etc/xknock/xknock.yaml
check "the filter that follows them and those of c-lock takes the place of the other one" knockctl reload
close_all
sequence_opens() { in_cli knock-client sequence 192.0.2.1 ssh --profile "$PROFILES/phone.yaml"; }
check "it opens, once a slot has begun since the boot" eventually 70 sequence_opens
contains "for its device" "$(knockctl grants)" "anna/phone"
close_all
c_lock_opens() {
	xk-packet code --profile "$PROFILES/laptop.yaml" | in_cli knock-client sequence 192.0.2.1 --code - || return 1
	eventually 3 granted
}
new_slot() { [ $(($(date +%s) / 30)) != "$slot" ]; }
slot=$(($(date +%s) / 30))
check "the next slot begins" eventually 40 new_slot # a code counts once
check "a sequence of c-lock opens too" c_lock_opens
contains "for the device whose code it is" "$(knockctl grants)" "anna/laptop"

say "packets of old clients"
echo 'legacy: {capyknock: {port: 62201}, fwknop: {}}' >>"$CONFIG"
check "the filter that looks at each byte of them takes the place of the other one" knockctl reload
before=$(stat filter legacy)
printf '%204s' '' | tr ' ' 'A' >/tmp/old_client
in_cli xk-packet send /tmp/old_client --to 192.0.2.1
check "it lets one through to judgement" eventually 5 moved filter legacy "$before"
before=$(stat filter length)
printf '%204s' '' | tr ' ' '*' >/tmp/old_client
in_cli xk-packet send /tmp/old_client --to 192.0.2.1
check "and none of another form" eventually 5 moved filter length "$before"

close_all
say "WireGuard: packets without an Ethernet header"
ip link add wg0 type wireguard || fail "this kernel has no WireGuard"
ip -n cli link add wg0 type wireguard
ip addr add 203.0.113.1/24 dev wg0
ip addr add 2001:db8:7::1/64 dev wg0 nodad
ip -n cli addr add 203.0.113.2/24 dev wg0
ip -n cli addr add 2001:db8:7::2/64 dev wg0 nodad
check "one end" xk-wireguard wg0 server 5000 client 192.0.2.2 5001
check "the other" in_cli xk-wireguard wg0 client 5001 server 192.0.2.1 5000
ip link set wg0 up
ip -n cli link set wg0 up
check "a packet through it" eventually 5 in_cli ping -c 1 -W 1 203.0.113.1
sed -i 's/^interfaces:.*/interfaces: [host0, host1, wg0]/' "$CONFIG"
check "it gets the filter by a reload" knockctl reload
contains "in generic mode, without leave, because it has no other" "$(knockctl status)" "wg0 (generic)"
for address in 203.0.113.1 2001:db8:7::1; do
	before=$(stat filter candidate)
	refuse "without a knock $address is shut" can_connect cli "$address" 22
	out=$(knock "$address" robot 2>&1) || fail "knock over WireGuard: $out"
	contains "a knock at $address opens it" "$out" "after the knock"
	[ "$(stat filter candidate)" -gt "$before" ] || fail "the filter has not heard it"
	check "and TCP passes the filter" can_connect cli "$address" 22
	close_all
done
before=$(stat filter banned)
check "a ban" knockctl ban 203.0.113.2
refuse "keeps its source out" in_cli ping -c 1 -W 1 203.0.113.1
[ "$(stat filter banned)" -gt "$before" ] || fail "not in the filter"
check "and not any more" knockctl unban 203.0.113.2
ip link add gre1 type gre local 192.0.2.1 remote 192.0.2.2
ip link set gre1 up
sed -i 's/wg0/wg0, gre1/' "$CONFIG"
refuse "a tunnel of another kind is refused" knockctl reload
contains "with its kind" "$(cat "$OUT")" "gre1: the filter cannot read the packets of such an interface (type 778, kind gre)"
sed -i 's/, wg0, gre1//' "$CONFIG"
check "the filter is taken from WireGuard's interface" knockctl reload

# The peer of a veth has the packets that come in.
say "an MTU above a page"
jumbo() { ip -n str link set str0 mtu 9001 && ip link set host1 mtu 9001; }
if jumbo >"$OUT" 2>&1; then
	check "packets of 8,000 bytes pass" ip netns exec str ping -c 1 -W 2 -s 8000 198.51.100.1
	contains "the filter stays in native mode" "$(ip link show host1)" "xdp "
	stop
	xknockd -c "$CONFIG" --remove
	start
	contains "and attaches so" "$(tail -n 3 "$LOG")" "host1 (native)"
	check "packets of 8,000 bytes pass" ip netns exec str ping -c 1 -W 2 -s 8000 198.51.100.1
	check "a knock among them" knock 192.0.2.1 robot
else
	case $(uname -r) in 5.10.*) ;; *) fail "this kernel knows fragments: $(cat "$OUT")" ;; esac
	say "before Linux 5.18 the kernel refuses it while the filter is attached"
	stop
	xknockd -c "$CONFIG" --remove
	check "without filter it does not" jumbo
	sed -i 's/^interfaces:.*/interfaces: [host1]/' "$CONFIG" # with another one it would work
	refuse "and then refuses the filter" timeout 20 xknockd -c "$CONFIG" --worker /bin/xknock-worker
	contains "the hint names both numbers" "$(cat "$OUT")" "its MTU is 9001"
	contains "and the command" "$(cat "$OUT")" "ip link set dev host1 mtu 3498"
	contains "the error has the driver's own words" "$(cat "$OUT")" "MTU is too large"
	check "that command" ip -n str link set str0 mtu 3498
	check "on both ends" ip link set host1 mtu 3498
	sed -i 's/^interfaces:.*/interfaces: [host0, host1]/' "$CONFIG"
	start
	contains "helps" "$(tail -n 3 "$LOG")" "host1 (native)"
fi

stop
xknockd -c "$CONFIG" --remove
equal "after --remove there is no table" "$(nft list tables)" ""
equal "and no pin" "$(ls "$PINS")" ""
check "and the port is as it was" can_connect str 198.51.100.1 22
