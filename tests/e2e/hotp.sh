#!/bin/bash
# SPDX-License-Identifier: MIT
# Codes of a counter (RFC 4226), from the enrolment to an open port: codes that were skipped, two in a row where too many
# were, and codes that stay used, also over kills.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
begin hotp
configure
ENROLL_HOST=192.0.2.1 enroll anna token --factor hotp --service ssh
secret=$(cat "$D/etc/credentials/anna.token.otp")
contains "keygen gives the URI of a counter" "$(cat "$D/keygen.json")" \
	"otpauth://hotp/xknock%20192.0.2.1:anna@token?secret=$secret&issuer=xknock%20192.0.2.1&counter=0"
code() { oathtool --hotp -b -c "$1" "$secret"; }
shut() { ctl close 0.0.0.0/0 >/dev/null; }
# opens CODE: the port is shut, and this code opens it
opens() {
	shut
	knock 192.0.2.1 anna-token --otp "$1" 2>"$D/out" || fail "$1 does not open: $(cat "$D/out" "$D/log")"
	granted
}
# refused REASON CODE: sent by a client that does not remember what others sent
sent=0
refused() {
	local before
	before=$(stat refused "$1")
	shut
	XDG_STATE_HOME=$D/state-$((++sent)) knock_only 192.0.2.1 anna-token --otp "$2" 2>"$D/out" || fail "no knock: $(cat "$D/out")"
	reaches refused "$1" $((before + 1))
	equal "and nothing is open" "$(grants)" 0
}
listen 22
start

say "codes in their order"
contains "knockctl users says what it is" "$(ctl users | tr -s ' ')" "anna/token hotp packet"
check "the first code opens" opens "$(code 0)"
refused code-used "$(code 0)"
check "and five may be skipped" opens "$(code 6)"
refused wrong-code "$(code 3)"

say "a counter that is far ahead"
refused wrong-code "$(code 57)"
check "is found by two codes in a row" opens "$(code 58) $(code 59)"
refused code-used "$(code 59)"
check "and then one is enough" opens "$(code 60)"

say "kills"
copied() { cmp -s "$D/state/state" "$D/copy" && return 1 || return 0; }
cp "$D/state/state" "$D/copy"
check "another code" opens "$(code 61)"
check "the copy for the next boot has it at once" eventually 3 copied
kill -KILL "$DAEMON" && { wait "$DAEMON" 2>/dev/null || true; }
start
refused code-used "$(code 61)"
check "the next code opens" opens "$(code 62)"

say "a client that has the secret"
printf 'otp_secret: "%s"\n' "$secret" >>"$(profile anna-token)"
mkdir -p "$D/own/xknock"
(umask 077 && echo 100 >"$D/own/xknock/counter-$(sed -n 's/^credential: "\(.*\)"/\1/p' "$(profile anna-token)")")
for next in 102 104; do
	shut
	XDG_STATE_HOME=$D/own knock 192.0.2.1 anna-token 2>"$D/out" || fail "no code of its own opens: $(cat "$D/out" "$D/log")"
	equal "it has counted" "$(cat "$D"/own/xknock/counter-*)" $next
done
say "by handshake"
sed -i '/^modes:/d' "$D/etc/users/anna.yaml" && echo 'modes: [packet, handshake]' >>"$D/etc/users/anna.yaml"
check "a reload allows it" ctl reload
shut
XDG_STATE_HOME=$D/own knock 192.0.2.1 anna-token --handshake -v 2>"$D/out" || fail "no handshake opens: $(cat "$D/out" "$D/log")"
contains "its codes open" "$(cat "$D/out")" "the server sees you as 192.0.2.2"
equal "it has counted" "$(cat "$D"/own/xknock/counter-*)" 106
refused code-used "$(code 104) $(code 105)"
shut
before=$(stat refused code-used)
mkdir -p "$D/copy-of-own/xknock"
cp -p "$D"/own/xknock/counter-* "$D/copy-of-own/xknock/"
echo 104 >"$(ls "$D"/copy-of-own/xknock/counter-*)"
XDG_STATE_HOME=$D/copy-of-own knock_only 192.0.2.1 anna-token --handshake 2>"$D/out" || fail "no knock: $(cat "$D/out")"
reaches refused code-used $((before + 1))
equal "and those of a copy of its disk open nothing" "$(grants)" 0
refuse "keep would use up what does not arrive" in_cli "$CLIENT" keep 192.0.2.1 --profile "$(profile anna-token)"

if command -v python3 >/dev/null; then
	say "xknock.py takes typed codes"
	sed -i '/^otp_secret/d' "$(profile anna-token)"
	for text in "$(code 110)" "$(code 150) $(code 151)"; do
		shut
		in_cli python3 "$(dirname "$0")/../../client/xknock.py" open 192.0.2.1 --profile "$(profile anna-token)" --otp "$text" \
			2>"$D/out" || fail "xknock.py with $text: $(cat "$D/out" "$D/log")"
	done
fi
pass
