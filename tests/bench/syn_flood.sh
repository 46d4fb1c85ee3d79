# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # sourced by run, whose functions and variables these are
# A flood of SYNs at the protected port, of 131,072 sources, as fast as the generator can, and what a client who has a
# grant gets meanwhile over another interface: exchanges in a second over a connection that stands, and new logins.
#
# Of two processors the generator and the server's side of the flood have one, and client and service the other, as with
# a network card whose queue for the flood is another core's. So the generator sends what the server takes, and how much
# that is tells what a SYN costs, beside a program that drops all of them and does nothing else.

# The rules of before the guard: the connection is tracked first, and then dropped. The client is let in by its address.
before_rules() {
	in_srv nft 'add table inet before
		add chain inet before first { type filter hook prerouting priority -150; }
		add rule inet before first ct state established,related accept
		add rule inet before first ip saddr 192.0.2.2 tcp dport 22 accept
		add rule inet before first tcp dport 22 counter drop'
}
bare_program() {
	[ -e "$D/bpf/generator" ] || bpftool prog loadall "$TOOLS/generator.bpf.o" "$D/bpf/generator" || fail "loading"
	in_srv bpftool net attach xdpdrv pinned "$D/bpf/generator/bare" dev host1 || fail "attaching the bare program"
}
syn_gate() { # on|off KIND
	case $1-$2 in
	on-before) before_rules ;;
	off-before) in_srv nft delete table inet before ;;
	on-bare) bare_program ;;
	off-bare) in_srv bpftool net detach xdpdrv dev host1 ;;
	on-nft | on-xknock)
		sed -i '/^xdp:/d' "$D/etc/xknock.yaml"
		[ "$2" = xknock ] || echo 'xdp: {drop_syn: false}' >>"$D/etc/xknock.yaml"
		xknock_start
		ctl open 192.0.2.2 ssh --for 1h >/dev/null || fail "no grant for the client"
		;;
	off-nft | off-xknock) xknock_stop ;;
	esac
}

exchanges() { in_cli taskset -c 0 "$TOOLS/xk-bench-exchange" exchange 192.0.2.1 22 "$SYN_SECONDS"; }
# syn_round KIND: a line in $D/syn.KIND: exchanges/s with the flood, in per cent of those before it, logins of 100, their
# median in us, SYNs sent/s and received/s.
syn_round() {
	local kind=$1 quiet flooded logins generator r0 r1 t0 t1
	syn_gate on "$kind"
	quiet=$(exchanges) || fail "$kind: exchanging"
	background "$STR" taskset -c 1 "$TOOLS/xk-bench-flood" --syn --interface str0 --to 198.51.100.1 --port 22 \
		--mac "$(mac_of "$SRV" host1)" --seconds 10 >"$D/flood.out"
	generator=$BACKGROUND
	sleep 0.3 # the flood is in full flow
	r0=$(received) t0=$EPOCHREALTIME
	flooded=$(exchanges) || flooded=0
	r1=$(received) t1=$EPOCHREALTIME
	logins=$(in_cli timeout 5 taskset -c 0 "$TOOLS/xk-bench-exchange" logins 192.0.2.1 22 100) || logins="0 0"
	kill -0 "$generator" 2>/dev/null || fail "the flood ended before the client"
	kill -TERM "$generator"
	wait "$generator" || fail "the flood"
	calculate "%d %.1f $logins %.0f %.0f\n" "$flooded, 100 * $flooded / $quiet, $(awk '{print $1 / $2}' "$D/flood.out"), \
		($r1 - $r0) / ($t1 - $t0)" >>"$D/syn.$kind"
	[ "$kind" != xknock ] || [ "$(stat filter syn)" -gt 0 ] || fail "the filter has not seen the flood"
	syn_gate off "$kind"
}
bench_syn_flood() {
	local round kind
	ip -n "$SRV" route add 198.18.0.0/15 via 198.51.100.66
	ip -n "$SRV" neigh replace 198.51.100.66 lladdr "$(mac_of "$STR" str0)" dev host1 nud permanent
	# The generator and the server's side of it on one processor: no thread for that.
	ip netns exec "$SRV" sh -c 'echo 0 >/sys/class/net/host1/threaded'
	kill "$LISTENER"
	wait "$LISTENER" 2>/dev/null || true
	background "$SRV" taskset -c 0 "$TOOLS/xk-bench-exchange" serve 22
	eventually 5 listening 22 || fail "the service does not come up"
	for ((round = 1; round <= SYN_ROUNDS; round++)); do
		say "flood of SYNs: round $round of $SYN_ROUNDS"
		for kind in none before nft xknock bare; do syn_round $kind; done
	done
	sed -i '/^xdp:/d' "$D/etc/xknock.yaml"
	[ "$(cut -d' ' -f3 "$D/syn.xknock" | sort -n | head -n 1)" = 100 ] || fail "not every login came through the flood"
}

syn_median() { cut -d' ' -f"$2" "$D/syn.$1" >"$D/column" && percentile 50 "$D/column"; }
print_syn_flood() {
	local kind name
	printf '\n7. Flood of SYNs at the protected port, beside a client who has a grant: its exchanges/s and new logins\n'
	printf '  %-26s %10s %10s %9s %12s %13s %10s\n' '' 'sent/s' 'got/s' "to bare" exchanges/s 'of before' 'logins'
	while IFS=, read -r kind name; do
		printf '  %-26s %10s %10s %7s x %12s %11s %% %6s of 100, %s us\n' "$name" "$(syn_median "$kind" 5)" \
			"$(syn_median "$kind" 6)" "$(calculate '%.2f' "$(syn_median bare 6) / $(syn_median "$kind" 6)")" \
			"$(syn_median "$kind" 1)" "$(syn_median "$kind" 2)" \
			"$(cut -d' ' -f3 "$D/syn.$kind" | sort -n | head -n 1)" "$(syn_median "$kind" 4)"
	done <<-K
		none,no gate
		before,the rules of before
		nft,xknock without drop_syn
		xknock,xknock
		bare,a program that only drops
	K
}
