#!/bin/bash
# SPDX-License-Identifier: MIT
# Every bad packet has its own counter or its own reason of refusal, gets nothing back, and leaves grants, other users'
# status and the daemon as they were.
. "$(dirname "$0")/lib.sh"
begin bad-input
configure
sed -i 's|^services: {|&games: tcp/6000-6010, |' "$D/etc/xknock.yaml"
enroll_everybody
sed -i 's/^services: .*/services: [ssh, games]/' "$D/etc/users/bob.yaml"
sed -i 's/^# lifetime:.*/lifetime: 10m/' "$D/etc/users/anna.yaml" # longer than the test
start
listen 22

# Whatever leaves the server for the client or the stranger because of these packets; neighbour discovery is not meant.
background "$SRV" tcpdump -i any -Q out -n -U --immediate-mode -w "$D/out.pcap" \
	'udp or icmp or (icmp6 and ip6[40] < 128)' 2>"$D/tcpdump.err"
eventually 5 grep -q listening "$D/tcpdump.err"

send() { in_cli "$PACKET" send "$@"; }
make() { "$PACKET" make --profile "$(profile "$1")" "${@:2}" >"$D/packet"; }
# moved PART NAME BEFORE BY
moved() { [ "$(stat "$1" "$2")" -eq $(($3 + $4)) ]; }
# counted PART NAME BY DESCRIPTION COMMAND...: the counter goes up by this much and nothing is granted.
counted() {
	local part=$1 name=$2 by=$3 what=$4 before
	shift 4
	before=$(stat "$part" "$name")
	"$@"
	eventually 5 moved "$part" "$name" "$before" "$by" ||
		fail "$what: $part/$name went from $before to $(stat "$part" "$name"), not by $by"
	[ "$(grants)" = "$GRANTS" ] || fail "$what: grants changed"
	say "$what: $part $name"
}
GRANTS=0

make bob-phone
for size in 0 1 15 16 191 193 1400; do
	counted filter length 1 "a packet of $size bytes" send "$D/packet" --to 192.0.2.1 --size $size
done
counted filter length 1 "a packet of 191 bytes over IPv6" send "$D/packet" --to 2001:db8::1 --size 191
head -c 192 /dev/zero >"$D/zeros"
head -c 192 /dev/urandom >"$D/noise"
counted filter tag 1 "zeros" send "$D/zeros" --to 192.0.2.1
counted filter tag 1 "noise" send "$D/noise" --to 192.0.2.1
counted filter mac $((8 * 184)) "each changed bit behind the tag" send "$D/packet" --to 192.0.2.1 --flip-all
reaches filter tag 66
say "each changed bit of the tag: filter tag"
counted filter tag 1 "keys of a slot three minutes ago" sh -c "
	'$PACKET' make --profile '$(profile bob-phone)' --clock -180 >'$D/old' &&
	nsenter --net=/run/netns/$CLI '$PACKET' send '$D/old' --to 192.0.2.1"

say "a changed copy that arrives first does not make the genuine packet a replay"
make anna-robot
send "$D/packet" --to 192.0.2.1 --flip 1000
send "$D/packet" --to 192.0.2.1
eventually 5 granted || fail "the genuine packet was not accepted"
GRANTS=1
counted filter seen 3 "replays" send "$D/packet" --to 192.0.2.1 --count 3
cp "$D/packet" "$D/replay"
counted filter seen 1 "a replay from another host" in_str "$PACKET" send "$D/replay" --to 198.51.100.1
refuse "which opens nothing for it" can_connect "$STR" 198.51.100.1 22

make_and_send() { make "$@" && send "$D/packet" --to 192.0.2.1; }
counted refused stale 1 "a clock behind by more than the skew" make_and_send bob-phone --clock -40 --slot 1
counted refused future 1 "a clock ahead by more than the skew" make_and_send bob-phone --clock 40 --slot -1
counted refused version 1 "another version" make_and_send bob-phone --set 0=2
counted refused action 1 "an unknown action" make_and_send bob-phone --set 1=9
counted refused factor 1 "an unknown factor" make_and_send bob-phone --set 2=9
counted refused address-mode 1 "an unknown address mode" make_and_send bob-phone --set 3=3
counted refused protocol 1 "ICMP is no service" make_and_send bob-phone --set 4=1
counted refused flags 1 "unknown flags" make_and_send bob-phone --set 5=2
counted refused port 1 "port 0" make_and_send bob-phone --set 6=0 --set 7=0
counted refused target 1 "a target that is multicast" make_and_send bob-phone --set 56=255
counted refused target 1 "a target that is loopback" make_and_send bob-phone --set 71=1
counted refused target 1 "a target of IPv4 in IPv6 clothes" make_and_send bob-phone --set 68=192
counted refused address 1 "an address that cannot be" make_and_send bob-phone --mode 1 --address 127.0.0.1
counted refused source 1 "an address that is not the source" make_and_send bob-phone --mode 1 --address 192.0.2.3
counted refused source 1 "the wrong family" make_and_send bob-phone --mode 1 --address 2001:db8::2
counted refused delegation 1 "another's address without the right to" make_and_send bob-phone --mode 2 --address 192.0.2.3
counted refused service 1 "the wrong port" make_and_send bob-phone --endpoint tcp/23
counted refused service 1 "a service of somebody else" make_and_send bob-phone --service web
counted refused service 1 "a service that does not exist" make_and_send bob-phone --service nothing
counted refused unsupported 1 "a whole range of ports for one connection" make_and_send bob-phone --service games --set 5=1
counted refused factor-kind 1 "another factor than the credential's" make_and_send bob-phone --factor 1
counted refused proof-form 1 "a proof where none is due" make_and_send bob-phone --set 72=1
counted refused proof-form 1 "a code of letters" make_and_send anna-laptop --set 72=65
counted refused wrong-code 1 "a wrong code" make_and_send anna-laptop --code 000000
counted refused request-reused 1 "a request id for another address" sh -c "
	'$PACKET' make --profile '$(profile anna-robot)' --id 7 >'$D/one' &&
	'$PACKET' make --profile '$(profile anna-robot)' --id 7 >'$D/two' &&
	nsenter --net=/run/netns/$CLI '$PACKET' send '$D/one' --to 192.0.2.1 &&
	nsenter --net=/run/netns/$STR '$PACKET' send '$D/two' --to 198.51.100.1"

say "a disabled user"
sed -i '$ a enabled: false' "$D/etc/users/bob.yaml"
check "is reloaded" ctl reload
counted filter disabled 1 "their packets are dropped at the NIC" make_and_send bob-phone

wrong_codes() { ctl users --json | tr -d ' \n' | grep -o "\"device\":\"$1\"[^}]*\"wrong_codes\":[0-9]*" | grep -o '[0-9]*$'; }
equal "the wrong code counts for the device that sent it" "$(wrong_codes laptop)" 1
equal "and for no other device of the user" "$(wrong_codes robot)" 0
equal "nor for another user" "$(wrong_codes phone)" 0

say "the same refusal over and over"
lines() { grep -c 'refused anna/robot from 192.0.2.2: action' "$D/log" || true; }
for _ in $(seq 20); do make_and_send anna-robot --set 1=9; done
reaches refused action 21
[ "$(lines)" -le 3 ] || fail "20 refusals of one kind and source are $(lines) lines"
say "is a few lines of the log, not 20"
eventually 70 grep -q 'more refusals and probes were not logged' "$D/log" || fail "the others are not told of"
say "and the others are counted in one"

check "the daemon is the same as before" kill -0 "$DAEMON"
# What is captured up to a packet that the server does send is all that there was.
echo end | in_srv socat -u - UDP:192.0.2.2:9
captured() { tcpdump -r "$D/out.pcap" -n 2>/dev/null; }
the_end() { captured | matches '192.0.2.2.9: UDP'; }
eventually 10 the_end || fail "nothing is captured"
equal "nothing was sent back to any of them" "$(captured | wc -l)" 1
stop
for secret in "$D"/etc/credentials/*.key "$D"/etc/credentials/*.otp; do
	lacks "no secret in the log" "$(cat "$D/log")" "$(cat "$secret")"
done
pass
