#!/bin/bash
# SPDX-License-Identifier: MIT
# The first of the README's two commands: it shows the whole main job, and leaves nothing behind.
set -euo pipefail
TOP=$(cd "$(dirname "$0")/../.." && pwd)
OUT=$(mktemp)
trap 'rm -f "$OUT"' EXIT
fail() {
	printf '%s\n' "FAILED: $*" >&2
	tail -n 30 "$OUT" >&2
	exit 1
}
traces() {
	ip netns list | sort
	grep -o ' /tmp/xk-quickstart[^ ]*' /proc/mounts || true
	ls -d /tmp/xk-quickstart* 2>/dev/null || true
	nft list ruleset
	find /sys/fs/bpf /run/xknock /var/lib/xknock 2>/dev/null || true
	pgrep -af 'xk-quickstart' || true
}
before=$(traces)
"$TOP/tools/quickstart" >"$OUT" 2>&1 </dev/null || fail "it ends with $?"
after=$(traces)
[ "$before" = "$after" ] || fail "it leaves behind: $(diff <(echo "$before") <(echo "$after"))"

# shows WHAT PATTERN: a line of the output does.
shows() { grep -qE "$2" "$OUT" || fail "it does not show $1"; }
[ "$(grep -cE '22/tcp +open +ssh' "$OUT")" = 1 ] || fail "the stranger sees ssh not once, before xknock"
[ "$(grep -cE '22/tcp +filtered +ssh' "$OUT")" = 2 ] || fail "the stranger's scans see ssh"
shows "native XDP" 'interfaces host0 \(native\), host1 \(native\)'
shows "that nobody gets in without a knock" 'port 22: Connection timed out'
shows "ssh over IPv4" 'this is the shell of root, connected as 192\.0\.2\.2 '
shows "ssh over IPv6" 'this is the shell of root, connected as 2001:db8::2 '
shows "the client's own time" 'open [0-9.]+ ms after the knock'
shows "the grant with what is left of it" '192\.0\.2\.2 +tcp/22 +ssh +[0-9]+s +anna/laptop'
shows "the daemon's log" 'info: granted anna/laptop ssh from 192\.0\.2\.2 \(tcp/22\) for 30s, until 20'
[ "$(grep -cE '^ +[0-9]+\.[0-9]{2} ms$' "$OUT")" = 5 ] || fail "it shows no measured times"
echo "-- passed"
