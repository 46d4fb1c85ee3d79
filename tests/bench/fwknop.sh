#!/bin/bash
# SPDX-License-Identifier: MIT
# fwknopd beside xknock: in the server's network namespace only, with a configuration of its own, and a firewall as its
# manual wants it: everything shut but what is established. For tests/bench/run, behind tests/e2e/lib.sh.

FWKNOPD=/usr/sbin/fwknopd

fwknop_configure() {
	mkdir -m 700 "$D/fwknop"
	FWKNOP_KEY=$(head -c 32 /dev/urandom | base64 -w 0)
	FWKNOP_HMAC=$(head -c 64 /dev/urandom | base64 -w 0)
	(
		umask 077
		# Both links, like xknockd; everything else as in the package. Its syslog would cost more than a file.
		printf '%s\n' 'PCAP_INTF any;' >"$D/fwknop/fwknopd.conf"
		# No rule of a round times out within it: each expiry runs iptables and would delay the next knock.
		cat >"$D/fwknop/access.conf" <<-C
			SOURCE ANY
			OPEN_PORTS tcp/22
			KEY_BASE64 $FWKNOP_KEY
			HMAC_KEY_BASE64 $FWKNOP_HMAC
			FW_ACCESS_TIMEOUT 120
		C
	)
}

# fwknop_packets FILE COUNT: that many sealed packets, one a line, each for the source that it will be sent from. They
# are good for two minutes, so they are made just before they are used.
fwknop_packets() {
	local i
	: >"$1"
	for ((i = 0; i < $2; i++)); do
		fwknop -A tcp/22 -a "$(source_address "$i")" -D 192.0.2.1 --use-hmac \
			--key-base64-rijndael "$FWKNOP_KEY" --key-base64-hmac "$FWKNOP_HMAC" \
			-T -B "$1" -b --no-rc-file --no-home-dir -E "$D/fwknop/args" >"$D/out" 2>&1 ||
			fail "fwknop makes no packet: $(cat "$D/out")"
	done
}

# fwknop_start pcap|udp
fwknop_start() {
	local -a mode=()
	in_srv iptables -P INPUT DROP
	in_srv iptables -A INPUT -i lo -j ACCEPT
	in_srv iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	if [ "$1" = udp ]; then
		mode=(--udp-server)
		in_srv iptables -A INPUT -p udp --dport 62201 -j ACCEPT
		# A flood would fill the connection table, and then nothing could connect, whoever guards the port.
		in_srv iptables -t raw -A PREROUTING -p udp --dport 62201 -j NOTRACK
	fi
	background "$SRV" "$FWKNOPD" -f -c "$D/fwknop/fwknopd.conf" -a "$D/fwknop/access.conf" -r "$D/fwknop" \
		-p "$D/fwknop/pid" -d "$D/fwknop/digests" "${mode[@]}" >/dev/null 2>"$D/fwknop/log"
	FWKNOP_PID=$BACKGROUND
	eventually 10 fwknop_ready "$1" || fail "fwknopd does not come up: $(tail -n 5 "$D/fwknop/log")"
}
fwknop_ready() {
	kill -0 "$FWKNOP_PID" 2>/dev/null || return 1
	in_srv iptables -S FWKNOP_INPUT >/dev/null 2>&1 || return 1
	if [ "$1" = udp ]; then
		in_srv ss -Hlun 'sport = :62201' | matches .
	else
		in_srv ss -H0 | matches .
	fi
}

fwknop_stop() {
	kill -KILL "$FWKNOP_PID"
	wait "$FWKNOP_PID" 2>/dev/null || true
	in_srv nft flush ruleset
	rm -f "$D/fwknop/digests" "$D/fwknop/pid"
}
