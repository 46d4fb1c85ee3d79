# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153,SC2154  # sourced by run, whose functions and variables these are
# Knock to open by the other ways of knocking, one after the other with one daemon; sequences of ports have a part of
# their own. The packets of fwknop are made by Debian's client, and fwknopd then gets the same ones. Those of capyknock
# and the ports of c-lock are what their clients send, each from a device of its own, because a code counts once.

ways_ground() {
	local i name udpkey otpkey credentials=$D/etc/credentials
	# secret FILE: owner and mode are those of the keys that keygen makes
	secret() { cat >"$1" && chown --reference="$credentials/bench.d1.key" "$1" && chmod --reference="$credentials/bench.d1.key" "$1"; }
	HANDSHAKE_PROFILES=() C_LOCK_PROFILES=()
	for i in 1 2 3 4; do
		enroll hands "d$i" --factor hmac
		HANDSHAKE_PROFILES+=(--profile "$(profile "hands-d$i")")
	done
	for ((i = 0; i < WAYS; i++)); do
		enroll clock "d$i" --factor totp
		C_LOCK_PROFILES+=(--profile "$(profile "clock-d$i")")
	done
	: >"$D/capyknock.keys"
	enroll old none --factor none # makes the user's file
	for ((i = 0; i < WAYS; i++)); do
		name=name$i udpkey=$(head -c 32 /dev/urandom | base64 -w0 | tr +/ -_)
		otpkey=$(head -c 20 /dev/urandom | base32 -w0)
		printf '%s\n' 'user: old' "device: c$i" "id: \"$(printf '%016x' $((3840 + i)))\"" 'factor: totp' 'kind: capyknock' \
			"name: $name" 'target: 192.0.2.1' 'port: 22' >"$credentials/old.c$i.yaml"
		secret "$credentials/old.c$i.key" <<<"$udpkey"
		secret "$credentials/old.c$i.otp" <<<"$otpkey"
		echo "$name $udpkey $otpkey" >>"$D/capyknock.keys"
	done
	printf '%s\n' 'user: old' 'device: fwknop' 'id: "00000000000000f1"' 'factor: none' 'kind: fwknop' \
		>"$credentials/old.fwknop.yaml"
	printf 'KEY_BASE64 %s\nHMAC_KEY_BASE64 %s\n' "$FWKNOP_KEY" "$FWKNOP_HMAC" | secret "$credentials/old.fwknop.key"
	echo 'modes: [handshake]' >>"$D/etc/users/hands.yaml"
	echo 'modes: [c-lock]' >>"$D/etc/users/clock.yaml"
	echo 'modes: [capyknock, fwknop]' >>"$D/etc/users/old.yaml"
	cp "$D/etc/xknock.yaml" "$D/before.yaml"
	# Strangers have half of the attempts. With so many devices the odds are bad, which does not matter here.
	printf '%s\n' 'legacy: {fwknop: {}, capyknock: {port: 5001}}' \
		"c_lock: {attempts_per_hour: $((2 * WAYS)), max_guess_odds: 0.9}" >>"$D/etc/xknock.yaml"
}

# ways_knocks NAME OPTIONS...
ways_knocks() {
	knocks "$D/way.$1" "$WAYS" "${@:2}"
	ctl close 0.0.0.0/0 >/dev/null
}

bench_ways() {
	say "the other ways of knocking"
	ways_ground
	local name udpkey otpkey mode
	xknock_start
	ways_knocks packet "${PROFILES[@]}"
	ways_knocks handshake --handshake "${HANDSHAKE_PROFILES[@]}"
	sequence_slot
	ways_knocks c-lock --c-lock --tcp "${C_LOCK_PROFILES[@]}"
	while read -r name udpkey otpkey; do
		"$BENCH/../e2e/capyknock_client.py" "$name" "$udpkey" "$otpkey" - 5001 192.0.2.1 22
	done <"$D/capyknock.keys" >"$D/capyknock.packets"
	ways_knocks capyknock --packets "$D/capyknock.packets" --knock-port 5001
	fwknop_packets "$D/spa" "$WAYS"
	ways_knocks fwknop --packets "$D/spa"
	xknock_stop
	for mode in udp pcap; do
		fwknop_start $mode
		# Spread over the 100 ms that the pcap mode sleeps between two looks.
		knocks "$D/way.fwknopd-$mode" "$WAYS" --packets "$D/spa" --jitter-ms 100
		fwknop_stop
	done
	mv "$D/before.yaml" "$D/etc/xknock.yaml"
	for name in packet handshake c-lock capyknock fwknop; do
		[ "$(opened "$D/way.$name")" = "$WAYS" ] || fail "$name: only $(opened "$D/way.$name") of $WAYS opened"
	done
}

way_row() { # TITLE NAME BESIDE
	local median beside
	median=$(percentile 50 "$D/way.$2") beside=$(percentile 50 "$D/way.$3")
	printf '  %-34s %6s %8s %12s %12s %12s\n' "$1" "$(total "$D/way.$2")" "$(opened "$D/way.$2")" \
		"$(calculate '%.3f ms' "$median / 1000")" "$(calculate '%.3f ms' "$(percentile 99 "$D/way.$2") / 1000")" \
		"$(calculate '%.1f x' "$median / $beside")"
}
print_ways() {
	printf '\n10. Other ways of knocking: to a TCP connection, tried every 100 us; c-lock from its last port on\n'
	printf '  %-34s %6s %8s %12s %12s %12s\n' '' knocks opened median p99 'to packet'
	local name
	for name in packet handshake c-lock capyknock fwknop; do way_row "$name" $name packet; done
	printf '  %-34s %6s %8s %12s %12s %12s\n' "the same packets of fwknop's client" '' '' '' '' 'to xknock'
	way_row 'xknock' fwknop fwknop
	way_row 'fwknopd, UDP server' fwknopd-udp fwknop
	way_row 'fwknopd, pcap (its default)' fwknopd-pcap fwknop
}
