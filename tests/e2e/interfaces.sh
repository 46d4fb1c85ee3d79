#!/bin/bash
# SPDX-License-Identifier: MIT
# Interfaces that come late, go, come back, change their names or are mistyped: those that are there work, the others are
# named, and get the filter when they come.
. "$(dirname "$0")/lib.sh"
begin interfaces
configure
ENROLL_HOST=192.0.2.1 enroll anna robot --factor hmac
listen 22
main() { sed -i "$1" "$D/etc/xknock.yaml"; }
interfaces() { main "s/^interfaces:.*/interfaces: [$1]/"; }
status() { ctl status | sed -n 's/^interfaces *//p'; }
shows() { case $(status) in *"$1"*) ;; *) return 1 ;; esac; }
becomes() { eventually 10 shows "$1" || fail "status shows: $(status)"; say "status: $1"; }
attached() { in_srv ip link show "$1" 2>/dev/null | matches xdp; }
opens() {
	ctl close anna >/dev/null
	check "a knock opens" knock 192.0.2.1 anna-robot ssh
}
# no_start PART [OPTIONS]: exit code 1, and PART is said.
no_start() {
	local got=0
	in_srv timeout 10 "$XKNOCKD" -c "$D/etc/xknock.yaml" --worker "$WORKER" "${@:2}" >"$D/out" 2>&1 || got=$?
	equal "no start" "$got" 1
	contains "because" "$(cat "$D/out")" "$1"
}
up() { ip -n "$SRV" link set "$1" up; }

say "none of them exists, and none ever did"
interfaces "eht0, vpn0"
no_start 'there is no interface "eht0", "vpn0"'
contains "those that do are named" "$(cat "$D/out")" "interfaces here: lo, host0, host1"
code=0
in_srv "$XKNOCKD" --check -c "$D/etc/xknock.yaml" 2>"$D/out" || code=$?
equal "--check finds it" "$code" 1
code=0
in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml" 2>"$D/out" >&2 || code=$?
equal "knockctl check finds it" "$code" 1
contains "and says it" "$(cat "$D/out")" 'there is no interface "eht0", "vpn0"'

say "one is missing at the first start"
interfaces "host0, vpn0"
contains "knockctl check warns" "$(in_srv "$KNOCKCTL" check "$D/etc/xknock.yaml" 2>&1)" \
	'warning: there is no interface "vpn0"'
contains "so does --check" "$(in_srv "$XKNOCKD" --check -c "$D/etc/xknock.yaml" 2>&1)" 'there is no interface "vpn0"'
start
contains "it is said" "$(cat "$D/log")" 'vpn0 has no filter, and knocks are not heard there: there is no interface "vpn0"'
refuse "the ports are shut" can_connect "$STR" 198.51.100.1 22
opens
becomes "host0 (native), vpn0 (missing since "
contains "the reason is in the JSON" "$(ctl status --json)" '"reason": "there is no interface \"vpn0\""'
sleep 2.5 # xknockd tries it once a second
equal "and it is not said again and again" "$(grep -c vpn0 "$D/log")" 2

say "it comes, goes, and comes back"
pair "$SRV" vpn0 203.0.113.1/24 2001:db8:77::1/64 "$STR" vpn1 203.0.113.2/24 2001:db8:77::2/64
becomes "host0 (native), vpn0 (native)"
check "a knock by it opens" in_str "$CLIENT" open 203.0.113.1 ssh --profile "$(profile anna-robot)"
contains "the log says so" "$(cat "$D/log")" "vpn0: is there, and has the filter (native)"
ip -n "$SRV" link del vpn0
becomes "vpn0 (missing since "
contains "a restart waits for it" "$(cat "$D/state/interfaces")" "vpn0"

say "a restart and a reload without it"
stop
start
opens
check "a reload goes well" ctl reload
contains "and warns" "$(cat "$D/out")" "warning: vpn0 has no filter"
opens

say "other names"
rename() { # FROM TO
	ip -n "$SRV" link set "$1" down
	ip -n "$SRV" link set "$1" name "$2"
	up "$2"
}
# That of an interface which went stays too: it says that there was a filter.
links() { for link in "$D"/bpf/xknock/link-*; do echo "${link##*/}"; done | sort | xargs; }
rename host0 lan0
becomes "host0 (native, on lan0)"
opens
lacks "it keeps the filter that it has" "$(cat "$D/log")" "not attached any more"
stop
start
contains "after a restart too" "$(status)" "host0 (native, on lan0)"
opens
before=$(in_srv ip link show lan0 | grep -o 'prog/xdp id [0-9]*')
interfaces "lan0, vpn0"
check "a reload under the new name" ctl reload
contains "takes the filter along" "$(status)" "lan0 (native), vpn0"
equal "with its link" "$(links)" "link-lan0 link-vpn0"
[ "$before" != "$(in_srv ip link show lan0 | grep -o 'prog/xdp id [0-9]*')" ] || fail "the program is the old one"
opens
interfaces "eth0, vpn0"
rename lan0 lan1
refuse "a reload that would leave no interface with the filter is refused" ctl reload
interfaces "lan0, vpn0"
ip -n "$SRV" link property add dev lan1 altname lan0
becomes "lan0 (native, on lan1)"
opens
say "two names exchanged, as udev may do it"
interfaces "lan1, host1"
check "a reload" ctl reload
rename lan1 tmp0
rename host1 lan1
rename tmp0 host1
both() { attached lan1 && attached host1 && shows "lan1 (native), host1 (native)"; }
eventually 10 both || fail "after an exchange: $(status)"
equal "each has its own link" "$(links)" "link-host1 link-lan1"
opens
rename host1 host0
rename lan1 host1
interfaces "host0, host1"
check "a reload" ctl reload
equal "and back" "$(links)" "link-host0 link-host1"

say "the only one comes late"
interfaces "host1"
check "a reload" ctl reload
ctl close anna >/dev/null
lacks "one that is named no more has no filter" "$(in_srv ip link show host0)" xdp
stop
rm "$D/bpf/xknock/link-host1"
ip -n "$SRV" link set host1 down
ip -n "$SRV" link set host1 name late0
start
becomes "host1 (missing since "
refuse "the ruleset stands" granted
ip -n "$SRV" link set late0 name host1
up host1
becomes "host1 (native)"
check "and then knocks are heard" in_str "$CLIENT" open 198.51.100.1 ssh --profile "$(profile anna-robot)"

say "one that refuses the filter"
ip -n "$SRV" link add br0 type bridge
interfaces "host1, br0"
refuse "a reload with it is refused" ctl reload
contains "with the reason" "$(cat "$D/out")" 'attaching to "br0" in native mode'
equal "and the filter is that of before" "$(status)" "host1 (native)"
stop
start
becomes "host1 (native), br0 (not attached since "
contains "at a start it is said, and the other works" "$(cat "$D/log")" 'br0 has no filter, and knocks are not heard there: attaching to "br0"'
check "reloads go on" ctl reload
stop
interfaces "br0"
no_start 'attaching to "br0" in native mode'
daemon_command --remove 2>/dev/null

pass
