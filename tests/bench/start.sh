#!/bin/bash
# SPDX-License-Identifier: MIT
# The client from the start of its program, beside fwknop's client and beside a plain TCP connection of another small
# program, in turns. For tests/bench/run, behind tests/e2e/lib.sh.
# shellcheck disable=SC2154  # variables of tests/bench/run

# started FILE COMMAND...: adds a line "microseconds until the knock left, until the program ended".
started() { in_cli "$TOOLS/xk-bench-start" cli0 62201 "${@:2}" >>"$1" || fail "${*:2:3}"; }

bench_start() {
	say "the client, $STARTS times from its start"
	xknock_start
	background "$SRV" "$TOOLS/xk-bench-listen" 8022
	eventually 5 listening 8022
	# As a person has it: the keys of each client are in a file.
	(
		umask 077
		printf '%s\n' '[192.0.2.1]' 'SPA_SERVER 192.0.2.1' 'ACCESS tcp/22' 'ALLOW_IP 192.0.2.2' 'USE_HMAC Y' \
			"KEY_BASE64 $FWKNOP_KEY" "HMAC_KEY_BASE64 $FWKNOP_HMAC" >"$D/fwknoprc"
	)
	local i profile
	for ((i = 0; i < STARTS; i++)); do
		# Four devices take turns, so that none meets its rate limit.
		profile=$(profile "bench-d$((i % 4 + 1))")
		ctl close 0.0.0.0/0 >/dev/null
		started "$D/start.open" "$CLIENT" open 192.0.2.1 tcp/22 --profile "$profile"
		ctl close 0.0.0.0/0 >/dev/null
		started "$D/start.proxy" "$CLIENT" proxy 192.0.2.1 22 --profile "$profile"
		started "$D/start.plain" socat -u OPEN:/dev/null TCP:192.0.2.1:8022
		started "$D/start.fwknop" fwknop --rc-file "$D/fwknoprc" -n 192.0.2.1 -E "$D/fwknop/args"
	done
	xknock_stop
}

start_row() {
	local column=$1 name=$2
	cut -d' ' -f"$column" "$D/start.$3" >"$D/column"
	printf '  %-46s %12s %12s\n' "$name" "$(calculate '%.2f ms' "$(percentile 50 "$D/column") / 1000")" \
		"$(calculate '%.2f ms' "$(percentile 99 "$D/column") / 1000")"
}
print_start() {
	printf '\n8. The client, from the start of the program, %s times in turns\n' "$STARTS"
	printf '  %-46s %12s %12s\n' '' median p99
	start_row 1 'knock-client, until the packet leaves' open
	start_row 1 "fwknop's client, until the packet leaves" fwknop
	start_row 2 'knock-client open, until it was connected' open
	start_row 2 'knock-client proxy, connected and relayed' proxy
	start_row 2 'socat, plain TCP connection to an open port' plain
}
