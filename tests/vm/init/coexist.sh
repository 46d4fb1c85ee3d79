# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Beside another XDP program (xdp-filter, which drops TCP to port 7777) through libxdp's dispatcher: theirs first on
# host0, ours first on host1.
say "kernel $(uname -r)"
network
configure
alone() { sed -i '/^xdp:/d' "$CONFIG"; }
# share [MORE]: through the dispatcher
share() {
	alone
	echo "xdp: {coexist: libxdp${1:+, $1}}" >>"$CONFIG"
}
share
enroll
listen 22
listen 7777

theirs_on() {
	xdp-filter load "$1" -f tcp -p allow -m "${2:-native}" >"$OUT" 2>&1 || fail "xdp-filter on $1: $(cat "$OUT")"
}
theirs() { can_connect cli 192.0.2.1 7777; }
theirs1() { can_connect str 198.51.100.1 7777; }
# The programs of an interface in the order in which they run, each with its priority: order host0
order() {
	xdp-loader status "$1" | sed -n 's/^ =>  *\([0-9]*\) *\([a-z_]*\) .*/\1 \2/p' | tr '\n' ' '
}
ours_id() { xdp-loader status "$1" | sed -n 's/^ => .* xknock  *\([0-9]*\) .*/\1/p'; }
theirs_id() { xdp-loader status "$1" | sed -n 's/^ => .* xdpfilt_alw_tcp  *\([0-9]*\) .*/\1/p'; }
another_id() { [ -n "$(ours_id "$1")" ] && [ "$(ours_id "$1")" != "$2" ]; }
pins() { (cd "$PINS" && echo ?*); }
knock_opens() {
	knockctl close anna >/dev/null 2>&1
	check "$1" knock 192.0.2.1 robot
	check "and the port is open" granted
}
BOTH="5 xknock 10 xdpfilt_alw_tcp "

say "theirs first"
theirs_on host0
check "a port is filtered by another program" xdp-filter port 7777 -p tcp -m dst
refuse "which drops what comes to it" theirs
before=$(theirs_id host0)
start
contains "ours attaches beside it, in native mode" "$(cat "$LOG")" "host0 (native), host1 (native)"
equal "and runs before it" "$(order host0)" "$BOTH"
equal "theirs is the one that was there" "$(theirs_id host0)" "$before"
refuse "theirs filters" theirs
refuse "ours too: without a knock the port is shut" granted
knock_opens "and hears knocks"

say "ours first"
equal "where nobody else is, ours has a dispatcher of its own" "$(order host1)" "5 xknock "
check "theirs is not there yet" theirs1
theirs_on host1
equal "theirs attaches behind ours" "$(order host1)" "$BOTH"
refuse "and filters" theirs1
send_from_stranger() {
	xk-packet make --profile "$PROFILES/robot.yaml" --mode 1 --address 198.51.100.66 >/tmp/s || fail "making a knock"
	ip netns exec str xk-packet send /tmp/s --to 198.51.100.1
}
send_from_stranger
check "ours hears knocks there as well" eventually 5 can_connect str 198.51.100.1 22
knockctl close anna >/dev/null

# by_filter COUNTER: a stranger's connection ends there, whichever program of ours runs. He never had a grant over IPv6.
by_filter() {
	local before
	before=$(stat filter "$1")
	refuse "a stranger does not get in" can_connect str 2001:db8:66::1 22
	[ "$(stat filter "$1")" -gt "$before" ] || fail "the filter has not counted it: $1"
}
drops_strangers() {
	by_filter syn
	check "an address is banned" knockctl ban 2001:db8:66::66 --for 1h
	by_filter banned
	check "and not any more" knockctl unban 2001:db8:66::66
}
drops_strangers
say "ours drops SYNs without a grant, and who is banned"

status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
equal "xknockd keeps CAP_SYS_ADMIN and CAP_DAC_OVERRIDE" "$(status_of "$DAEMON" CapPrm)" 000000c000201002
# They are, for the moments in which it looks at the dispatcher.
not_in_effect() { [ "$(status_of "$DAEMON" CapEff)" = 000000c000001000 ]; }
check "but not in effect" eventually 5 not_in_effect
equal "the worker holds no capability" "$(status_of "$(pidof xknock-worker)" CapPrm)" 0000000000000000

# What passes the filter is counted by the ruleset's rule for the knock port.
passed() { nft list chain inet xknock decide | sed -n 's/.*packets \([0-9]*\) .*"knock port".*/\1/p'; }
head -c 192 /dev/urandom >/tmp/junk
(while :; do in_cli xk-packet send /tmp/junk --to 192.0.2.1 --count 5; done) >/dev/null 2>&1 &
JUNK=$!
heard() { stat filter tag; }
more_junk() {
	local before
	before=$(heard)
	eventually 30 moved filter tag $((${before:-0} + 50)) || fail "no junk arrives"
}
more_junk
say "junk to the knock port, all the time"

say "reload: another program of ours"
before=$(ours_id host0) before_theirs=$(theirs_id host0)
share "priority: 20"
knockctl reload >"$OUT" 2>&1 || fail "reload: $(cat "$OUT")"
another_id host0 "$before" || fail "the program is the same"
equal "with another priority it runs after theirs" "$(order host0)" "10 xdpfilt_alw_tcp 20 xknock "
equal "of which nothing changed" "$(theirs_id host0)" "$before_theirs"
more_junk
share
knockctl reload >"$OUT" 2>&1 || fail "reload: $(cat "$OUT")"
equal "and before it again" "$(order host0)" "$BOTH"
more_junk
equal "not one packet passed the filter meanwhile" "$(passed)" 0
check "a ban stays banned" knockctl ban 2001:db8:66::66 --for 1h
knockctl reload >"$OUT" 2>&1 || fail "reload: $(cat "$OUT")"
by_filter banned
check "until it is over" knockctl unban 2001:db8:66::66
drops_strangers

say "restart"
before=$(ours_id host0)
stop
equal "the filter outlives a stop" "$(ours_id host0)" "$before"
start
another_id host0 "$before" || fail "the program is the same"
equal "the next daemon's takes its place" "$(order host0)$(order host1)" "$BOTH$BOTH"
equal "theirs stayed" "$(theirs_id host0)" "$before_theirs"
more_junk
before=$(ours_id host0)
kill_both
equal "the filter outlives kill -9" "$(ours_id host0)" "$before"
start
equal "and is exchanged after it" "$(order host0)$(order host1)" "$BOTH$BOTH"
more_junk
equal "not one packet passed the filter meanwhile" "$(passed)" 0
knock_opens "a knock opens"
refuse "theirs filters" theirs

say "detached by others"
stop
xdp-loader unload host0 --id "$(ours_id host0)" >"$OUT" 2>&1 || fail "unload: $(cat "$OUT")"
junk_passed() { [ "$(passed)" -gt 0 ]; }
check "while nobody of us lives: without ours junk does pass, and is counted" eventually 20 junk_passed
start
equal "the next start brings it back" "$(order host0)" "$BOTH"
noted() { [ "$(grep -c "$1: the filter was not attached any more and is again" "$LOG")" -ge "$2" ]; }
xdp-loader unload host0 --id "$(ours_id host0)" >"$OUT" 2>&1 || fail "unload: $(cat "$OUT")"
check "ours is missed" eventually 10 noted host0 1
equal "and back beside theirs" "$(order host0)" "$BOTH"
knock_opens "a knock opens"
ip link set dev host1 xdpdrv off || fail "xdp off"
check "the whole dispatcher is missed" eventually 10 noted host1 1
equal "ours is back" "$(order host1)" "5 xknock "
contains "status says that all is well" "$(knockctl status)" "host0 (native), host1 (native)"
kill "$JUNK"

say "another port of knocks"
echo "port: 62202" >>"$CONFIG"
knockctl reload >"$OUT" 2>&1 || fail "reload: $(cat "$OUT")"
knockctl close anna >/dev/null
capture /tmp/k
send_capture /tmp/k
sleep 0.5 # a knock that nobody hears leaves nothing to wait for
refuse "the old port does not hear" granted
in_cli xk-packet send /tmp/k --to 192.0.2.1 --port 62202
check "the new one does" eventually 5 granted
sed -i '/^port:/d' "$CONFIG"
knockctl reload >"$OUT" 2>&1 || fail "reload: $(cat "$OUT")"
alone
refuse "coexist takes effect with a restart only" knockctl reload
contains "and that is said" "$(cat "$OUT")" "xdp.coexist"
share

say "--remove"
stop
check "it goes well" xknockd -c "$CONFIG" --remove
equal "ours is gone, theirs is not" "$(order host0)" "10 xdpfilt_alw_tcp "
equal "where ours was alone, nothing is left" "$(order host1)$(ip link show host1 | grep prog/xdp)" ""
refuse "theirs filters" theirs
equal "no pin of ours" "$(ls "$PINS")" ""
equal "nor one of a dispatcher that was exchanged" \
	"$(find /sys/fs/bpf/xdp -name "dispatch-$(cat /sys/class/net/host0/ifindex)-*" | grep -c .)" 1

# does_not_start: LOG says why.
does_not_start() {
	: >"$LOG"
	timeout 30 xknockd -c "$CONFIG" --worker /bin/xknock-worker >"$LOG" 2>&1
	equal "$1: exit code" $? 1
}
say "without the dispatcher, where there is one"
sed -i 's/host0, host1/host0/' "$CONFIG" # where another interface has the filter, it starts
alone
does_not_start "a dispatcher is in the way"
contains "it is said" "$(grep error: "$LOG")" 'is attached to interface "host0"'
contains "with the setting" "$(grep hint "$LOG")" "xdp: {coexist: libxdp}"
equal "theirs is not touched" "$(order host0)" "10 xdpfilt_alw_tcp "

say "with the dispatcher, where a program is without"
check "a program of others goes" xdp-loader unload host0 --all
OBJECT=$(ls /usr/lib/*/bpf/xdpfilt_alw_all.o)
LIBXDP_SKIP_DISPATCHER=1 xdp-loader load host0 "$OBJECT" >"$OUT" 2>&1 || fail "load: $(cat "$OUT")"
share
does_not_start "a single program is in the way"
contains "it is said" "$(grep error: "$LOG")" 'without libxdp'
contains "with its name" "$(grep error: "$LOG")" '"xdpfilt_alw_all"'
contains "and what to do" "$(grep hint "$LOG")" "take it away first"
equal "no pin of ours" "$(ls "$PINS")" ""
check "it goes" xdp-loader unload host0 --all

say "generic mode, where there is no native XDP"
sed -i 's/interfaces:.*/interfaces: [lo]/' "$CONFIG"
share
does_not_start "a driver without native XDP"
contains "it is said" "$(grep error: "$LOG")" 'attaching to "lo"'
contains "with the setting" "$(grep hint "$LOG")" "allow_generic: true"
equal "nothing of ours stays on the other interface" "$(order host0)" ""
sed -i 's/interfaces:.*/interfaces: [host0]/' "$CONFIG"
theirs_on host0 skb
does_not_start "theirs in generic mode"
contains "with the setting" "$(grep hint "$LOG")" "allow_generic: true"
sed -i 's/interfaces:.*/interfaces: [host0, lo]/' "$CONFIG"
share "allow_generic: true"
start
contains "with it ours runs in generic mode" "$(cat "$LOG")" "host0 (generic), lo (generic)"
theirs_on lo skb
equal "beside theirs" "$(order host0)$(order lo)" "$BOTH$BOTH"
before=$(ours_id lo)
knockctl reload >"$OUT" 2>&1 || fail "reload: $(cat "$OUT")"
another_id lo "$before" || fail "the program is the same"
equal "a reload exchanges it there too" "$(order host0)$(order lo)" "$BOTH$BOTH"
knock_opens "a knock opens"
stop
check "--remove" xknockd -c "$CONFIG" --remove
equal "leaves theirs" "$(order host0)$(order lo)" "10 xdpfilt_alw_tcp 10 xdpfilt_alw_tcp "
check "theirs goes" xdp-filter unload --all
sed -i 's/host0, lo/host0, host1/' "$CONFIG"

say "from one mode to the other"
alone
start
refuse "a link of our own" ip link set host0 xdp off
stop
share
start
equal "a restart changes to the dispatcher" "$(order host0)$(order host1)" "5 xknock 5 xknock "
equal "with the same maps" "$(pins)" "maps4 share-host0 share-host1"
knock_opens "a knock opens"
theirs_on host0
stop
alone
start
contains "back, but theirs is there: that is said" "$(cat "$LOG")" "host0 has no filter, and knocks are not heard there: others attached"
contains "with the setting" "$(grep hint "$LOG")" "xdp: {coexist: libxdp}"
equal "ours stays in the dispatcher" "$(order host0)" "$BOTH"
stop
check "theirs goes" xdp-loader unload host0 --id "$(theirs_id host0)"
start
equal "back to links of our own" "$(order host0)$(pins)" "link-host0 link-host1 maps4"
refuse "which nobody takes away" ip link set host0 xdp off
equal "and without the capabilities of the other mode" "$(status_of "$DAEMON" CapPrm)" 000000c000001000
equal "in each of its two threads" "$(sed -n 's/^CapPrm:[[:space:]]*//p' "/proc/$DAEMON"/task/*/status)" "000000c000001000
000000c000001000"
knock_opens "a knock opens"
stop

say "as the unit starts it"
share
ulimit -l unlimited # LimitMEMLOCK
# as_unit CAPABILITIES: of the unit, and these
as_unit() {
	local caps=+net_admin,+bpf,+perfmon,+setuid,+setgid$1
	: >"$LOG"
	setpriv --reuid 990 --regid 990 --clear-groups --no-new-privs --inh-caps "-all,$caps" --ambient-caps "-all,$caps" \
		--bounding-set "-all,$caps" xknockd -v -c "$CONFIG" --worker /bin/xknock-worker >>"$LOG" 2>&1 &
	DAEMON=$!
}
as_unit ""
wait "$DAEMON"
equal "without its drop-in: exit code" $? 1
contains "it says what lacks" "$(grep error: "$LOG")" "lacks CAP_SYS_ADMIN"
contains "and what to do" "$(grep hint "$LOG")" "drop-in"
as_unit ",+sys_admin,+dac_override"
check "with its drop-in it starts" eventually 20 ready_again 0
equal "in the dispatcher" "$(order host0)" "5 xknock "
theirs_on host0
knock_opens "a knock opens"
stop
check "and goes again" xknockd -c "$CONFIG" --remove
equal "from a host as it was" "$(order host0)$(ls "$PINS")$(nft list tables)" "10 xdpfilt_alw_tcp "
