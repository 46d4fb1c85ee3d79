#!/bin/bash
# SPDX-License-Identifier: MIT
# Packets of Debian's own fwknop client, with each kind of HMAC and digest, are decoded. No service is started and nothing
# is sent: the client writes its packet to a file, and the user's .fwknoprc is as fwknop has it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
DECODE=$XK_BUILD/tests/tool/xk-fwknop
D=$(mktemp -d)
trap 'rm -rf "$D"' EXIT
export HOME=$D

LONG=$(printf 'hmac-key-of-128-bytes-%.0s' 1 2 3 4 5 6)
LONG=${LONG:0:128} # longer than the block of most hashes, and as long as the client allows

# rc HMAC-TYPE DIGEST HMAC-KEY
rc() {
	cat >"$D/.fwknoprc" <<-END
		[default]
		SPA_SERVER          127.0.0.1
		USE_HMAC            Y
		KEY                 correct-horse
		HMAC_KEY            $3
		HMAC_DIGEST_TYPE    $1
		DIGEST_TYPE         $2
		SPOOF_USER          alice
	END
	chmod 600 "$D/.fwknoprc"
}

# packet OPTION...: the packet is $D/packet, and what the client says of it $D/said.
packet() {
	rm -f "$D/saved"
	fwknop -v -T -B "$D/saved" --no-save-args "$@" >"$D/said" 2>&1 || {
		cat "$D/said" >&2
		fail "the client made no packet"
	}
	tr -d '\n' <"$D/saved" >"$D/packet" # the line end is of the file, not of the packet
}
# The client's own word for a field.
said() { sed -n "/^ *$1: /{s///p;q}" "$D/said"; }
decode() { "$DECODE" --key 'correct-horse' "$@" <"$D/packet" >"$D/decoded" 2>&1; }
decoded() { sed -n "s/^$1: //p" "$D/decoded"; }

same_fields() {
	local ours theirs
	ours="$(decoded message) $(decoded user) $(decoded time) $(decoded timeout)"
	theirs="$(said 'Message String') alice $(said Timestamp) $(said 'Client Timeout')"
	[ "$ours" = "$theirs" ] || fail "the fields differ: $*: $ours, not $theirs"
}

TYPES=(MD5 SHA1 SHA256 SHA384 SHA512 SHA3_256 SHA3_512)
for i in "${!TYPES[@]}"; do
	hmac=${TYPES[i]} digest=${TYPES[(i + 1) % ${#TYPES[@]}]}
	rc "$hmac" "$digest" 'battery-staple'
	packet -A tcp/22,udp/53 -a 203.0.113.9
	decode --hmac-key 'battery-staple' --hmac-type "${hmac,,}" || fail "$hmac $digest: $(cat "$D/decoded")"
	same_fields "$hmac $digest"
	rc "$hmac" SHA256 "$LONG"
	packet -A tcp/22 -s -f 120
	decode --hmac-key "$LONG" --hmac-type "${hmac,,}" || fail "$hmac with a long key: $(cat "$D/decoded")"
	same_fields "$hmac with a long key"
	[ "$(decoded timeout) $(decoded message)" = '120 0.0.0.0,tcp/22' ] || fail "$(cat "$D/decoded")"
	! decode --hmac-key "${LONG%?}x" --hmac-type "${hmac,,}" || fail "another HMAC key opened it"
	[ "$(decoded fault)" = hmac ] || fail "another HMAC key: $(cat "$D/decoded")"
	say "HMAC with $hmac, digest $digest; with a time-out; with an HMAC key of 128 bytes"
done

rc SHA256 SHA256 'battery-staple'
refused() {
	local fault=$1
	shift
	packet -a 203.0.113.9 "$@"
	! decode --hmac-key 'battery-staple' || fail "accepted: $*"
	[ "$(decoded fault)" = "$fault" ] || fail "$*: $(cat "$D/decoded")"
}
refused unsupported_type -C 'id > /tmp/x'
refused unsupported_type -A tcp/22 -N 10.0.0.5:22
refused unsupported_type -A tcp/22 -N 10.0.0.5:22 -f 60
refused unsupported_type -A tcp/22 --nat-local --nat-port 2222
say "a command and NAT are refused, with the reason"
packet -A tcp/022 -a 203.0.113.9
decode --hmac-key 'battery-staple' || fail "$(cat "$D/decoded")"
[ "$(decoded message)" = 203.0.113.9,tcp/22 ] || fail "$(cat "$D/decoded")"
say "the client sends a port as the user wrote it, with its zeros"
pass
