#!/bin/bash
# SPDX-License-Identifier: MIT
# knockctl doctor: every fault is made for real and found, and nothing is found where there is none. What only another
# kernel or another machine's clock and tables show is in vm.doctor; rules of nftables are in e2e.doctor_rules.
. "$(dirname "$0")/lib.sh"
begin doctor
configure
enroll anna robot --factor hmac
cp "$KNOCKCTL" "$KNOCKCTL-host" "$D/" # homes are covered up below, and the build may be in one
mkdir "$D/home"

# The doctor as root on the server, in a private mount namespace: $D/home is everybody's home, and $MOUNTS may put more in
# its way. The machine's clock may be synchronised or not: what adjtimex(2) returns is $CLOCK (5: TIME_ERROR).
CLOCK=0 MOUNTS=: DOCTOR=$D/knockctl
doctor() {
	# shellcheck disable=SC2016  # for the other shell
	# (A leak check and strace exclude each other.)
	ASAN_OPTIONS=detect_leaks=0 in_srv unshare -m --propagation private sh -c 'd=$1 clock=$2 && eval "$3" && shift 3 &&
		mount -t tmpfs none /root && if [ -d /home ]; then mount --bind "$d/home" /home; fi && cd / &&
		exec strace -qq -o /dev/null -e trace=clock_adjtime,adjtimex -e inject=clock_adjtime,adjtimex:retval="$clock" "$@"' \
		_ "$D" "$CLOCK" "$MOUNTS" "$DOCTOR" --socket "$D/run/control.sock" doctor -c "${CONFIG:-$D/etc/xknock.yaml}" "$@"
}
# finds SEVERITY WHAT: a line of the doctor's says so, and its exit code fits.
finds() {
	local code=0
	doctor >"$D/found" 2>&1 || code=$?
	grep -F -- "$2" "$D/found" | grep "^$1" >/dev/null || fail "not found: $1 ... $2: $(cat "$D/found")"
	[ "$1" != problem ] || [ $code = 1 ] || fail "exit code $code with a problem"
	say "$1: $2"
}
# well: no problem, no advice, and exit code 0. (That silence stands out here is looked at below.)
well() {
	doctor >"$D/found" 2>&1 || fail "$1: exit code $?: $(cat "$D/found")"
	! grep -E '^(problem|advice)' "$D/found" | grep -v '^advice *stealth:' || fail "$1"
	[ "$(grep -c '^ok' "$D/found")" -ge 8 ] || fail "$1: too little was looked at: $(cat "$D/found")"
	say "well: $1"
}

say "nobody but root"
refuse "others are told to be root" setpriv --reuid=65534 --regid=65534 --clear-groups "$D/knockctl" doctor
contains "in so many words" "$(cat "$D/out")" "only root sees"
check "other verbs want no root" setpriv --reuid=65534 --regid=65534 --clear-groups "$D/knockctl" --version

say "before the first start"
listen 22 80 443
background "$SRV" socat -u UDP6-RECV:51820,ipv6only=0 "OPEN:$D/heard,creat"
udp_listens() { in_srv ss -Hlun 'sport = :51820' | grep .; }
eventually 5 udp_listens || fail "nobody listens on udp/51820"
finds advice "xknockd was not started yet: nothing is shut, and no knock is heard"
contains "with the next step" "$(cat "$D/found")" "knockctl try 5m"
lacks "which is no problem" "$(cat "$D/found")" "problem "
in_srv sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
finds advice "nf_conntrack_tcp_loose is 0"
start
well "a daemon that runs (and loose tracking does not matter any more)"
in_srv sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1
doctor --json >"$D/json"
check "the JSON is some" python3 -c 'import json,sys; l = json.load(open(sys.argv[1]))["findings"]
assert len(l) >= 8 and all(set(f) == {"severity", "check", "message", "hint"} and (f["severity"] == "ok" or f["check"] == "stealth") for f in l)' "$D/json"

say "the daemon"
cp -r "$D/etc" "$D/other"
CONFIG=$D/other/xknock.yaml finds advice "runs with another configuration, \"$D/etc/xknock.yaml\""
rm -r "$D/other"
stop
finds problem "the daemon is down and the ports are shut: nobody gets in (connecting to"
contains "with the ways out" "$(cat "$D/found")" 'systemctl start xknockd; journalctl -u xknockd says why it ended; "xknockd --remove"'
equal "which is the one problem" "$(grep -c ^problem "$D/found")" 1
finds ok "every service's port is shut to strangers"
finds ok "host0: the filter is attached, in native mode"
daemon_command --remove >"$D/out" 2>&1 || fail "xknockd --remove"
finds problem "connecting to"
finds problem "host0: no filter is attached"
finds problem "there is no table inet xknock: every service is open"
start

say "the identity"
# Of a machine that has no id there is nothing to find.
if [ -s /etc/machine-id ]; then
	mark=$(sed -n '/^[0-9a-f]*$/p' "$D/etc/machines")
	sed -i "s/^$mark/0123456789abcdef0123456789abcdef/" "$D/etc/machines"
	finds problem "this server's identity was made for another machine"
	rm "$D/etc/machines"
	finds advice "it is not written down which machine carries the identity"
	check "which is written down" "$KNOCKCTL" identity keep -c "$D/etc/xknock.yaml"
	finds ok "this machine carries the identity"
	equal "as it was" "$(sed -n '/^[0-9a-f]*$/p' "$D/etc/machines")" "$mark"
fi

say "files"
chmod 666 "$D/etc/xknock.yaml"
finds problem "xknock.yaml"
chmod 644 "$D/etc/xknock.yaml"
sed -i 's/^interfaces:/intrefaces:/' "$D/etc/xknock.yaml"
finds problem "unknown key \"intrefaces\""
sed -i 's/^intrefaces:/interfaces:/' "$D/etc/xknock.yaml"
chmod o+r "$D/etc/credentials/anna.robot.key"
finds problem "anna.robot.key"
chmod o-r "$D/etc/credentials/anna.robot.key"
if [ -d /home ]; then
	mkdir -p "$D/home/anna/.config/xknock"
	install -m 644 "$(profile anna-robot)" "$D/home/anna/.config/xknock/server.yaml"
	finds problem '/home/anna/.config/xknock/server.yaml" is a profile with its key, and others can read it'
	rm -r "$D/home/anna"
fi
install -m 640 "$(profile anna-robot)" "$D/etc/xknock-anna-robot.yaml"
finds problem 'xknock-anna-robot.yaml" is a profile with its key, and others can read it'
chmod 600 "$D/etc/xknock-anna-robot.yaml"
well "a profile that nobody else can read"
rm "$D/etc/xknock-anna-robot.yaml"
if [ -d /home ]; then # what a user chose is read for a little while only, and where it is, not where a link leads
	mkdir -p "$D/home/mallory/.config" "$D/home/bob/.config/xknock"
	truncate -s 64G "$D/home/mallory/a.yaml"
	mkfifo "$D/home/mallory/b.yaml"
	mknod "$D/home/mallory/c.yaml" c 1 5 # /dev/zero
	ln -s /dev/zero "$D/home/mallory/d.yaml"
	mkdir "$D/home/mallory/e.yaml"
	ln "$D/home/mallory/a.yaml" "$D/home/mallory/f.yaml"
	socat -u UNIX-LISTEN:"$D/home/mallory/g.yaml" /dev/null &
	eventually 5 test -S "$D/home/mallory/g.yaml"
	chmod 644 "$D"/home/mallory/*.yaml
	install -m 644 "$(profile anna-robot)" "$D/home/bob/.config/xknock/server.yaml"
	ln -s ../../bob/.config/xknock "$D/home/mallory/.config/xknock"
	# (With a sanitizer, which wants terabytes of addresses, it does not run.)
	MOUNTS='ulimit -v 2000000' doctor >"$D/found" 2>&1 || true
	contains "a large file does no harm" "$(cat "$D/found")" '/home/bob/.config/xknock/server.yaml" is a profile'
	lacks "nor does a link" "$(cat "$D/found")" mallory
	rm -r "$D/home/mallory" "$D/home/bob"
fi

say "saved rulesets"
# A few files more in /etc.
mkdir "$D/loaded" "$D/loaded/nftables.d" "$D/loaded/iptables" "$D/loaded/more"
BOOT="mount -t overlay -o lowerdir=$D/loaded:/etc none /etc"
ctl ban 203.0.113.9 --for 1h >/dev/null
in_srv nft list ruleset >"$D/saved"
ctl unban 203.0.113.9 >/dev/null
line=$(($(grep -n '^table inet xknock' "$D/saved" | cut -d: -f1) + 1))
{ echo 'flush ruleset' && cat "$D/saved"; } >"$D/loaded/nftables.conf"
MOUNTS=$BOOT finds problem "saved: /etc/nftables.conf:$line: \"table inet xknock\" is in a ruleset that is loaded at boot"
contains "with the way out" "$(cat "$D/found")" "take what is of table inet xknock out of that file"
cat >"$D/loaded/nftables.conf" <<-'N'
	# table inet xknock { }
	flush ruleset
	define ours = xknock
	include "more/*.nft"
	include "/etc/nftables.conf"
	table inet mine { chain xknock { comment "table inet xknock {"; }; }
	table inet xknock
	delete table inet xknock
N
printf 'add element inet mine a { 1 }; \\\n add element inet xknock grants4 { 192.0.2.9 . tcp . 22 timeout 1h }\n' >"$D/loaded/more/a.nft"
# shellcheck disable=SC2016  # nft's own variable
printf '# Nothing but:\ntable inet $ours { chain x { }; }\n' >"$D/loaded/nftables.d/b.conf"
sed -i '1i define ours = xknock' "$D/loaded/nftables.d/b.conf"
MOUNTS=$BOOT finds problem 'saved: /etc/more/a.nft:2: "element inet xknock"'
contains "in another" "$(cat "$D/found")" 'problem  saved: /etc/nftables.d/b.conf:3: "table inet xknock"'
contains "and what takes it away" "$(cat "$D/found")" 'advice   saved: /etc/nftables.conf:8: "delete table inet xknock"'
[ "$(grep -c ' saved: ' "$D/found")" = 3 ] || fail "more is found than there is: $(grep ' saved: ' "$D/found")"
rm "$D/loaded/more/a.nft" "$D/loaded/nftables.d/b.conf"
printf 'flush ruleset\ninclude "more/mallory.nft"\ninclude "more/pipe"\ninclude "more/large"\n' >"$D/loaded/nftables.conf"
echo 'table inet xknock { }' >"$D/loaded/more/mallory.nft"
chown 65534 "$D/loaded/more/mallory.nft"
mkfifo "$D/loaded/more/pipe"
truncate -s 64G "$D/loaded/more/large"
MOUNTS="ulimit -v 2000000 && $BOOT" finds advice 'saved: "/etc/more/mallory.nft" is loaded as root and can be written by others'
contains "and a large one is left out" "$(cat "$D/found")" '"/etc/more/large" is larger than'
rm -r "$D/loaded"
well "the host as it was"

say "the clock"
CLOCK=5 finds problem "the clock is not synchronised"

say "who listens"
background "$SRV" socat TCP6-LISTEN:2222,fork,reuseaddr,ipv6only=0 - 2>/dev/null
other=$BACKGROUND
eventually 5 listening 2222
finds advice "socat listens on tcp/2222, which is no service's port: strangers reach it"
in_srv nft 'table inet admin { chain input { type filter hook input priority 0; tcp dport 2222 drop; }; }'
well "one that another rule shuts"
in_srv nft delete table inet admin
kill "$other"
not_listening() { ! listening 2222; }
eventually 5 not_listening || fail "it still listens"
background "$SRV" socat TCP4-LISTEN:2222,fork,reuseaddr,bind=127.0.0.1 - 2>/dev/null
eventually 5 listening 2222
well "one that listens on loopback only"
kill "$BACKGROUND"
sed -i 's/web: \[tcp.80, tcp.443\]/web: [tcp\/80, tcp\/443, tcp\/8443]/' "$D/etc/xknock.yaml"
finds problem "tcp/8443 (web) is not protected: no rule of table inet xknock drops it"
ctl reload >/dev/null
finds advice "tcp/8443 (web): nobody listens on it"
background "$SRV" socat TCP4-LISTEN:8443,fork,reuseaddr,bind=127.0.0.1 - 2>/dev/null
eventually 5 listening 8443
finds advice "tcp/8443 (web): it is listened on at loopback addresses only"
sed -i 's/, tcp.8443\]/]/' "$D/etc/xknock.yaml"
ctl reload >/dev/null
well "the services as they were"

say "the ruleset"
stop
echo 'gate: {owned: false}' >>"$D/etc/xknock.yaml"
daemon_command --remove 2>/dev/null
start
stop # a daemon that runs would put back at once what follows
rule() { in_srv nft -a list chain inet xknock "$1" | sed -n "s/.*$2.* # handle \\([0-9]*\\)$/\\1/p" | sed -n 1p; }
in_srv nft insert rule inet xknock allow ip6 saddr 2001:db8:66::/64 accept
finds problem 'tcp/22 (ssh) is not protected: "ip6 saddr 2001:db8:66::/64 accept" in chain allow of table inet xknock lets strangers pass (IPv6, host0, host1)'
in_srv nft delete rule inet xknock allow handle "$(rule allow 'saddr 2001:db8:66::.64')"
in_srv nft insert rule inet xknock prerouting ip6 saddr 2001:db8:66::/64 accept
finds ok "every service's port is shut to strangers" # the first chain drops, and so does the last
in_srv nft delete rule inet xknock prerouting handle "$(rule prerouting 'saddr 2001:db8:66::.64')"
in_srv nft delete element inet xknock protected '{ tcp . 80 }'
finds problem "tcp/80 (web) is not protected: no rule of table inet xknock drops it"
for chain in early_begin decide; do in_srv nft delete rule inet xknock $chain handle "$(rule $chain '@protected')"; done
finds problem "tcp/80 (web) is not protected: no rule of table inet xknock drops it"
lacks "what is shut where it is delivered is shut" "$(cat "$D/found")" "tcp/22 (ssh) is not protected"
in_srv nft delete rule inet xknock delivered handle "$(rule delivered '@protected')"
finds problem "tcp/22 (ssh) is not protected: no rule of table inet xknock drops it (IPv4 and IPv6, host0, host1)"
in_srv nft delete table inet xknock
finds problem "there is no table inet xknock"
# Who is to answer as closed lets packets as far as the translation.
sed -i 's/^gate:.*/gate: {owned: false, stealth: closed}/' "$D/etc/xknock.yaml"
start
finds ok "every service's port is shut to strangers"
in_srv nft 'table inet early { chain pre { type nat hook prerouting priority -170; iifname host1 tcp dport 80 redirect to :8080; }; }'
finds problem "tcp/80 (web) is not protected: chain pre of table inet early changes its address or port before xknock sees it (IPv4 and IPv6, host1)"
in_srv nft delete table inet early
in_srv nft 'table inet early { chain pre { type filter hook prerouting priority -310; iifname host0 tcp dport 80 tcp dport set 8080; }; }'
finds problem "tcp/80 (web) is not protected: chain pre of table inet early changes its address or port before xknock sees it (IPv4 and IPv6, host0)"
in_srv nft delete table inet early

say "which answer fits, beside what the host's closed ports do"
# silent ADDRESS PORT / refused ADDRESS PORT: what a stranger hears.
hears() { nsenter --net="/run/netns/$STR" socat -u OPEN:/dev/null "TCP:$1:$2,connect-timeout=0.5" 2>&1 || true; }
refused() { grep 'Connection refused' <<<"$(hears "$1" "$2")" >/dev/null || fail "port $2 of $1 does not answer"; }
silent() { grep 'Connection timed out' <<<"$(hears "$1" "$2")" >/dev/null || fail "port $2 of $1 is not silent"; }
for address in 198.51.100.1 '[2001:db8:66::1]'; do refused "$address" 97 && refused "$address" 22; done
finds ok "a protected port answers as this host's other closed tcp ports do: gate: {stealth: closed} fits"
finds advice "the knock port is silent, and this host's other closed udp ports answer: it stands out"
contains "with what to write" "$(grep -A 1 'the knock port' "$D/found")" "hint: stealth: closed"
sed -i 's/^gate:.*/gate: {owned: false}/; $a stealth: closed' "$D/etc/xknock.yaml"
ctl reload >/dev/null
refused 198.51.100.1 97 && silent 198.51.100.1 22
finds advice "a protected port is silent, and this host's other closed tcp ports answer: it stands out"
contains "likewise" "$(grep -A 1 'a protected port' "$D/found")" "hint: gate: {stealth: closed}"
finds ok "the knock port answers as this host's other closed udp ports do: stealth: closed fits"
others() { in_srv nft "table inet others { chain input { type filter hook input priority 0; ct state established accept; $1; }; }"; }
others 'tcp dport { 22, 80, 443 } accept; ip saddr 192.0.2.2 udp dport 1 accept; drop'
silent 198.51.100.1 97 && silent 198.51.100.1 22
finds ok "a protected port is silent, as this host's other closed tcp ports are: gate: {stealth: drop} fits"
finds advice "the knock port answers as closed, and this host's rules drop what comes to other closed udp ports: it stands out"
in_srv nft delete table inet others
others 'meta l4proto tcp reject with tcp reset; reject'
refused 198.51.100.1 97
finds advice "a protected port is silent, and this host's other closed tcp ports answer: it stands out"
finds ok "the knock port answers as this host's other closed udp ports do"
in_srv nft delete table inet others
others 'tcp dport 22 accept; reject with icmpx admin-prohibited'
finds ok "a protected port: this host's rules refuse other closed tcp ports in a way of their own"
finds ok "the knock port: this host's rules refuse other closed udp ports in a way of their own"
in_srv nft delete table inet others
others 'th dport < 1024 drop'
silent 198.51.100.1 97 && refused 198.51.100.1 9111
finds ok "a protected port: some of this host's other closed tcp ports answer, some do not"
in_srv nft delete table inet others
in_srv iptables -A INPUT -p tcp -j REJECT --reject-with tcp-reset
in_srv ip6tables -P INPUT DROP
finds ok "a protected port: some of this host's other closed tcp ports answer, some do not"
in_srv ip6tables -P INPUT ACCEPT
finds advice "a protected port is silent, and this host's other closed tcp ports answer: it stands out"
in_srv iptables -F INPUT
sed -i '/^stealth:/d' "$D/etc/xknock.yaml"
ctl reload >/dev/null
well "the ruleset as it was"

say "gate mode external"
stop
daemon_command --remove 2>/dev/null
sed -i '/^gate:/d' "$D/etc/xknock.yaml"
echo 'gate: {mode: external, external: {table: mine, set4: knock4, set6: knock6}}' >>"$D/etc/xknock.yaml"
mine() {
	in_srv nft -f - <<-N
		table inet mine
		delete table inet mine
		table inet mine {
		 set knock4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
		 set knock6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }
		 chain input { type filter hook input priority 0; policy accept;
		  iif lo accept
		  ct state established,related accept
		  ${1:-}
		 }
		}
	N
}
USE4='ip saddr . meta l4proto . th dport @knock4 accept' USE6='ip6 saddr . meta l4proto . th dport @knock6 accept'
CLOSE='meta l4proto . th dport { tcp . 22, tcp . 80, tcp . 443, udp . 51820 } drop'
mine
start
finds problem "no rule of table inet mine uses set knock4: a grant opens nothing"
finds problem "tcp/22 (ssh) is not protected: none of your rules drops it without a grant (IPv4 and IPv6, host0, host1)"
mine "$USE4
$USE6
tcp dport { 80, 443 } drop"
finds problem "tcp/22 (ssh) is not protected: none of your rules drops it without a grant (IPv4 and IPv6, host0, host1)"
mine "$USE4
$CLOSE"
finds problem "no rule of table inet mine uses set knock6"
finds problem 'tcp/22 (ssh) is dropped all the same, whoever has a grant'
mine "$USE4
$USE6
$CLOSE"
well "rules that use both sets and shut the ports"
mine "$USE4
$USE6
ip saddr 203.0.113.0/24 accept
$CLOSE"
finds advice 'strangers may reach tcp/22 (ssh): it depends on "ip saddr 203.0.113.0/24 accept"'
stop
daemon_command --remove 2>/dev/null
in_srv nft delete table inet mine
sed -i '/^gate:/d' "$D/etc/xknock.yaml"

say "interfaces"
sed -i 's/^interfaces:.*/interfaces: [host0, host7]/' "$D/etc/xknock.yaml"
finds advice "host7: there is no such interface"
sed -i 's/^interfaces:.*/interfaces: [host6, host7]/' "$D/etc/xknock.yaml"
finds problem "host7: there is no such interface"
sed -i 's/^interfaces:.*/interfaces: [host0, host1]/' "$D/etc/xknock.yaml"
printf '%s\n' '#include <linux/bpf.h>' '#define SEC(x) __attribute__((section(x), used))' \
	'SEC("xdp") int somebody_else(struct xdp_md *c) { return XDP_PASS; }' 'char l[] SEC("license") = "GPL";' >"$D/other.c"
clang-14 -O2 -target bpf -I"/usr/include/$(uname -m)-linux-gnu" -c "$D/other.c" -o "$D/other.o"
bpftool prog load "$D/other.o" "$D/bpf/other"
start
stop
bpftool link detach pinned "$D/bpf/xknock/link-host0" # its pin stays
in_srv bpftool net attach xdpdrv pinned "$D/bpf/other" dev host0
finds problem 'host0: XDP program "somebody_else"'
in_srv bpftool net detach xdpdrv dev host0
start
finds ok "host0: the filter is attached, in native mode"
bpftool link detach pinned "$D/bpf/xknock/link-host1" && kill -STOP "$DAEMON" # it would attach it again
CLOCK=0 doctor >"$D/found" 2>&1 || true
contains "a filter that was detached is missed" "$(cat "$D/found")" "host1: no filter is attached"
kill -CONT "$DAEMON"
attached() { in_srv ip link show host1 | grep xdp; }
eventually 10 attached || fail "the filter does not come back"
well "the filter is back"
stop
daemon_command --remove 2>/dev/null
# A bridge has no native XDP.
ip -n "$SRV" link add br0 type bridge
ip -n "$SRV" link set br0 up
sed -i 's/^interfaces:.*/interfaces: [host0, br0]/' "$D/etc/xknock.yaml"
finds problem "br0: its driver has no native XDP: no knock is heard there"
echo 'xdp: {allow_generic: true}' >>"$D/etc/xknock.yaml"
start
finds advice "br0: its driver has no native XDP"
stop
daemon_command --remove 2>/dev/null
# And this one has, but not with so many queues at the other end.
ip -n "$SRV" link add host2 numrxqueues 1 numtxqueues 1 type veth peer name str2 netns "$STR" numtxqueues 2
ip -n "$SRV" link set host2 up mtu 9001
sed -i 's/^interfaces:.*/interfaces: [host0, host2]/' "$D/etc/xknock.yaml"
start
finds advice "host2: its driver has no native XDP"
in_str ethtool -L str2 tx 1
finds advice "host2: the filter works in generic mode"
finds advice "host2: its MTU is 9001, with which some drivers, and kernels before 5.18, refuse native XDP"
finds ok "host0: the filter is attached, in native mode"
stop
daemon_command --remove 2>/dev/null
# Nor a tunnel; and of this kind the filter cannot read the packets.
background "$SRV" socat UDP-DATAGRAM:192.0.2.2:9999,bind=192.0.2.1:9999 TUN:203.0.113.1/24,tun-name=tun9,iff-no-pi,iff-up,tun-type=tun
eventually 5 ip -n "$SRV" link show tun9 || fail "no tunnel"
sed -i 's/^interfaces:.*/interfaces: [host0, tun9]/' "$D/etc/xknock.yaml"
finds advice "tun9: it has no Ethernet header, and so generic mode only"
sed -i 's/^interfaces:.*/interfaces: [host0, host1]/' "$D/etc/xknock.yaml"
sed -i '/^xdp:/d' "$D/etc/xknock.yaml"
start

say "containers"
ip -n "$SRV" link add docker0 type bridge
ip -n "$SRV" addr add 172.17.0.1/16 dev docker0
ip -n "$SRV" addr add 2001:db8:17::1/64 dev docker0 nodad
ip -n "$SRV" link set docker0 up
CON=xk$$-con MORE_NS=xk$$-con
ip netns add "$CON"
ip link add veth0 netns "$SRV" type veth peer name eth0 netns "$CON"
ip -n "$SRV" link set veth0 master docker0
ip -n "$SRV" link set veth0 up
ip -n "$CON" addr add 172.17.0.2/16 dev eth0
ip -n "$CON" link set eth0 up
refuse "one does not reach its own host's service" can_connect "$CON" 172.17.0.1 22
finds advice 'bridges: containers or guests of docker0 (172.17.0.0/16) are strangers too'
contains "with what to write" "$(cat "$D/found")" 'hint: if they need one: gate: {allow: ["172.17.0.0/16"]}'
contains "for IPv6 too" "$(cat "$D/found")" 'docker0 (2001:db8:17::/64) are strangers too'
echo 'gate: {allow: ["172.17.0.0/16", "2001:db8:17::/64"]}' >>"$D/etc/xknock.yaml"
ctl reload >/dev/null
check "with that line it does" can_connect "$CON" 172.17.0.1 22
well "networks that are allowed"
sed -i '/^gate:/d' "$D/etc/xknock.yaml"
ctl reload >/dev/null
ip netns del "$CON"
ip -n "$SRV" link del docker0

say "the knock port"
finds ok "the knock port is given to no connection of this host"
in_srv sysctl -qw net.ipv4.ip_local_port_range="1024 65535" net.ipv4.ip_local_reserved_ports=8080,9148-9150
finds advice "knock port 62201 is among those that the kernel gives to connections of this host (1024-65535)"
fix=$(sed -n 's/.*hint: \(sysctl -w net.ipv4.ip_local_reserved_ports=[^ ,]*,[^ ]*\), and .*/\1/p' "$D/found")
# shellcheck disable=SC2086  # a command and its arguments
check "the doctor's command" in_srv $fix
equal "adds it to what is reserved" "$(in_srv sysctl -n net.ipv4.ip_local_reserved_ports)" 8080,9148-9150,62201
well "the port is reserved"
background "$SRV" socat -u UDP-RECV:62201 "OPEN:$D/heard,creat"
bound() { in_srv ss -Hlun 'sport = :62201' | grep .; }
eventually 5 bound || fail "nobody is bound to the knock port"
finds advice "socat is bound to the knock port: only answers to what it sends reach it"
kill "$BACKGROUND"

say "the kernel"
mkdir "$D/core"
echo 0 >"$D/core/bpf_jit_enable"
# The switch is the whole machine's, and not to be seen in this network namespace: a copy of it that says 0.
MOUNTS="mount --bind '$D/core' /proc/sys/net/core" finds advice "the kernel interprets BPF"
in_srv iptables-legacy -A INPUT -p tcp --dport 22 -j DROP
finds advice "rules of the old iptables are in force"
in_srv iptables-legacy -F INPUT
well "in the end"
stop
pass
