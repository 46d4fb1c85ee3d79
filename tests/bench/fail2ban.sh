# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A real fail2ban with one jail, for tests/bench/run: what a thousand bans take by an action, phase by phase. The server runs
# in the namespace of the host, with a database of its own.

# fail2ban_ground: its directory, with our action and its own.
fail2ban_ground() {
	F=$D/fail2ban
	mkdir -p "$F/filter.d" "$F/action.d"
	cp /etc/fail2ban/filter.d/{common,sshd}.conf "$F/filter.d/"
	cp "$TOP/packaging/fail2ban/xknock.conf" /etc/fail2ban/action.d/nftables.conf "$F/action.d/"
	: >"$F/auth.log"
	printf '%s\n' '[Definition]' 'loglevel = NOTICE' "logtarget = $F/log" 'syslogsocket = auto' "socket = $F/sock" \
		"pidfile = $F/pid" "dbfile = $F/db" 'dbpurgeage = 10d' 'allowipv6 = auto' >"$F/fail2ban.conf"
}
fail2ban() { fail2ban-client -c "$F" -s "$F/sock" -p "$F/pid" "$@" >/dev/null; }
fail2ban_start() {
	: >"$F/log"
	nsenter --net="/run/netns/$SRV" fail2ban-server -c "$F" -s "$F/sock" -p "$F/pid" -f -x start >"$F/out" 2>&1 &
	FAIL2BAN=$!
	eventually 30 fail2ban status sshd || fail "fail2ban does not start: $(cat "$F/out")"
}
fail2ban_stop() { fail2ban stop && wait "$FAIL2BAN"; }
restored() { [ "$(grep -c 'Restore Ban' "$F/log")" -ge "$1" ]; }

# seconds COMMAND...: how long it takes.
seconds() {
	local t0=$EPOCHREALTIME
	"$@" || fail "$*"
	calculate '%.3f' "$EPOCHREALTIME - $t0"
}
# In the shell itself, because it waits for a child of this shell.
stop_seconds() {
	local t0=$EPOCHREALTIME
	fail2ban_stop || fail "fail2ban's stop"
	STOPPED=$(calculate '%.3f' "$EPOCHREALTIME - $t0")
}

# fail2ban_phases BANS ACTION: a line "ban unban flush stop restore", s: BANS by hand, as many taken back by hand, all of
# them at once, a stop with all of them, and a start that brings all of them back.
fail2ban_phases() {
	local bans=$1 addresses t0
	read -ra addresses < <(python3 -c "print(*[f'100.66.{i >> 8}.{i & 255}' for i in range($bans)])")
	printf '%s\n' '[DEFAULT]' 'backend = polling' 'usedns = no' '[sshd]' 'enabled = true' 'filter = sshd' "logpath = $F/auth.log" \
		'bantime = 604800' 'port = 22' 'protocol = tcp' "action = $2" >"$F/jail.conf"
	rm -f "$F/db"
	fail2ban_start
	BY_HAND=$(seconds fail2ban set sshd banip "${addresses[@]}")
	BACK=$(seconds fail2ban set sshd unbanip "${addresses[@]}")
	fail2ban set sshd banip "${addresses[@]}"
	FLUSHED=$(seconds fail2ban unban --all)
	fail2ban set sshd banip "${addresses[@]}"
	stop_seconds
	local first=$STOPPED
	t0=$EPOCHREALTIME
	fail2ban_start
	eventually 120 restored "$bans" || fail "it restores $(grep -c 'Restore Ban' "$F/log")"
	RESTORED=$(calculate '%.3f' "$EPOCHREALTIME - $t0")
	fail2ban_stop
	! grep ERROR "$F/log" >&2 || fail "the action had errors"
	# shellcheck disable=SC2034  # for whoever calls
	PHASES="$BY_HAND $BACK $FLUSHED $first $RESTORED"
}
