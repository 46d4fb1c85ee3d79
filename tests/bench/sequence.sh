# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2153,SC2154  # sourced by run, whose functions and variables these are
# Sequences of six ports, beside Debian's knockd: from the last port to an open one, by datagrams and by SYNs; and how many
# of them are recognised while somebody scans all ports of the same interface with 50,000 SYNs a second.

KNOCKD=/usr/sbin/knockd
SEQUENCE_DEVICES=100 SCAN_RATE=50000
FIXED=(24600 25000 32767 24576 30000 31000) # knockd's are the same for everybody and for ever

sequence_ground() {
	local i
	SEQUENCE_PROFILES=()
	for ((i = 0; i < SEQUENCE_DEVICES; i++)); do
		enroll ports "d$i" --factor none
		SEQUENCE_PROFILES+=(--profile "$(profile "ports-d$i")")
	done
	echo 'modes: [sequence]' >>"$D/etc/users/ports.yaml"
}

# A slot begins, and it is the first one or a later one since judgement began: each device has a sequence in it.
sequence_slot() {
	SLOT=$(($(date +%s) / 30))
	eventually 32 slot_is_over || fail "no new slot"
}
slot_is_over() { [ $(($(date +%s) / 30)) -gt "$SLOT" ]; }

knockd_start() { # tcp|udp
	in_srv iptables -P INPUT DROP
	in_srv iptables -A INPUT -i lo -j ACCEPT
	in_srv iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	local port ports=
	for port in "${FIXED[@]}"; do ports+="${ports:+,}$port:$1"; done
	cat >"$D/knockd.conf" <<-C
		[options]
			logfile = $D/knockd.log
			interface = host0
		[open]
			sequence = $ports
			seq_timeout = 10
			$([ "$1" = udp ] || echo 'tcpflags = syn')
			start_command = $(command -v iptables) -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	C
	background "$SRV" "$KNOCKD" -c "$D/knockd.conf" -i host0 >>"$D/log" 2>&1
	KNOCKD_PID=$BACKGROUND
	eventually 10 knockd_listens || fail "knockd does not come up: $(tail -n 3 "$D/log")"
}
knockd_listens() { kill -0 "$KNOCKD_PID" 2>/dev/null && in_srv ss -H0 | matches .; }
knockd_stop() {
	kill -KILL "$KNOCKD_PID"
	wait "$KNOCKD_PID" 2>/dev/null || true
	in_srv nft flush ruleset
}

# scanned NAME KNOCK_OPTIONS: a hundred knocks beside the scan
scanned() {
	background "$CLI" "$TOOLS/xk-bench-flood" --syn --scan --rate "$SCAN_RATE" --interface cli0 --to 192.0.2.1 \
		--mac "$(mac_of "$SRV" host0)" --seconds 10 >"$D/scan.$1"
	local generator=$BACKGROUND
	sleep 0.3 # it is in full flow
	knocks "$D/sequence.$1" "$SEQUENCE_DEVICES" --gap-ms 20 --jitter-ms 10 --timeout-ms 50 "${@:2}"
	kill -TERM "$generator" 2>/dev/null || true
	wait "$generator" || fail "the scan"
}

bench_sequence() {
	sequence_ground
	local round by
	local -a syn
	for ((round = 1; round <= ROUNDS; round++)); do
		for by in udp tcp; do
			say "sequences by $by: round $round of $ROUNDS"
			syn=()
			[ $by = udp ] || syn=(--tcp)
			xknock_start
			sequence_slot
			knocks "$D/sequence.xknock-$by" "$KNOCKS" "${syn[@]}" --sequence "${SEQUENCE_PROFILES[@]}"
			xknock_stop
			knockd_start $by
			knocks "$D/sequence.knockd-$by" "$KNOCKS" "${syn[@]}" --ports "${FIXED[@]}"
			knockd_stop
		done
	done
	say "sequences beside a scan"
	xknock_start
	sequence_slot
	scanned xknock-scan --tcp --sequence "${SEQUENCE_PROFILES[@]}"
	xknock_stop
	knockd_start tcp
	scanned knockd-scan --tcp --ports "${FIXED[@]}"
	knockd_stop
	for by in udp tcp; do
		[ "$(opened "$D/sequence.xknock-$by")" = "$(total "$D/sequence.xknock-$by")" ] || fail "by $by a sequence did not open"
	done
}

sequence_row() { # TITLE FILE OURS
	local median mine
	median=$(percentile 50 "$D/sequence.$2") mine=$(percentile 50 "$D/sequence.$3")
	printf '  %-28s %6s %8s %12s %12s %12s\n' "$1" "$(total "$D/sequence.$2")" "$(opened "$D/sequence.$2")" \
		"$(calculate '%.3f ms' "$median / 1000")" "$(calculate '%.3f ms' "$(percentile 99 "$D/sequence.$2") / 1000")" \
		"$(calculate '%.1f x' "$median / $mine")"
}
print_sequence() {
	printf '\n9. Sequences of six ports: from the last port to a TCP connection, tried every 100 us\n'
	printf '  %-28s %6s %8s %12s %12s %12s\n' '' knocks opened median p99 "to xknock"
	local by
	for by in udp tcp; do
		sequence_row "xknock, $by" "xknock-$by" "xknock-$by"
		sequence_row "knockd, $by" "knockd-$by" "xknock-$by"
	done
	printf '  Recognised beside a scan of %s SYNs a second: xknock %s of %s, knockd %s of %s\n' \
		"$(awk '{printf "%d", $1 / $2}' "$D/scan.xknock-scan")" \
		"$(opened "$D/sequence.xknock-scan")" "$(total "$D/sequence.xknock-scan")" \
		"$(opened "$D/sequence.knockd-scan")" "$(total "$D/sequence.knockd-scan")"
}
