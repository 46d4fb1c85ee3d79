#!/bin/bash
# SPDX-License-Identifier: MIT
# An upgrade, a downgrade, a removal: the files are replaced under the daemon that runs, it goes on with those it has, and
# the next start takes over what stands. "The next release" is this one with another number in its programs.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
begin upgrade
configure "clock_skew: 90s" # a packet must not grow too old on a slow machine
leave_to_nftables
enroll anna robot --factor hmac
sed -i 's/^# lifetime:.*/lifetime: 1h/' "$D/etc/users/anna.yaml"

PROGRAMS=(xknockd xknock-worker xknock-hooks knockctl knockctl-host)
mkdir "$D/bin" "$D/old" "$D/next"
cp "$XKNOCKD" "$WORKER" "$HOOKS" "$KNOCKCTL" "$KNOCKCTL-host" "$D/old/"
XKNOCKD=$D/bin/xknockd WORKER=$D/bin/xknock-worker HOOKS=$D/bin/xknock-hooks KNOCKCTL=$D/bin/knockctl
version=$("$D/old/knockctl" --version | cut -d' ' -f2)
next=$(echo "$version" | tr 0-8 9)
# changed FROM TO: the next release's programs have these bytes instead, as many.
changed() { sed -i "s/$1/$2/g" "$D"/next/*; }
# installed OLD|NEXT, as dpkg does it: a new file under another name, then renamed.
install_release() {
	local program
	for program in "${PROGRAMS[@]}"; do
		cp "$D/$1/$program" "$D/bin/$program.dpkg-new"
		mv "$D/bin/$program.dpkg-new" "$D/bin/$program"
	done
}
make() { "$PACKET" make --profile "$(profile anna-robot)" "${@:2}" >"$D/$1"; }
send() { in_cli "$PACKET" send "$D/$1" --to 192.0.2.1; }
accepted() { # FILE
	local before
	before=$(stat accepted open)
	send "$1"
	reaches accepted open $((before + 1))
}
stands() { # all that a restart must not take
	check "$1: the grant stands" granted
	equal "with its holder, and so does the ban" \
		"$(ctl grants | grep -c 'tcp/22 .* anna/robot') $(ctl bans | grep -c 203.0.113.9)" "1 1"
	talks old || fail "$1: the session hangs"
}

say "the files are replaced under the daemon"
install_release old
listen 22
background "$SRV" socat TCP4-LISTEN:80,fork,reuseaddr EXEC:cat
start
make first
accepted first
make web --endpoint tcp/80
send web
eventually 5 granted 80 || fail "the second knock does not open"
session old "$CLI" 192.0.2.1 80
ctl ban 203.0.113.9 >/dev/null
cp "$D"/old/* "$D/next/"
changed "\\([ \\x00]\\)${version//./\\.}" "\\1$next" # not in the name of a library's symbol
pids="$DAEMON $(worker_pid)"
install_release next
stands "the old daemon goes on"
make second --endpoint tcp/443
accepted second
equal "it judges as before, with the worker that it has" "$DAEMON $(worker_pid)" "$pids"
contains "the new knockctl asks it" "$(ctl status)" "xknockd      $version, pid"
check "and has it reload" ctl reload
in_srv "$KNOCKCTL" --socket "$D/run/control.sock" doctor -c "$D/etc/xknock.yaml" >"$D/found" 2>&1 || true
contains "the doctor says what is due" "$(cat "$D/found")" "xknockd $version runs, and $next is installed"

say "it restarts"
make late
accepted late
stop
start
contains "as the next release" "$(ctl status)" "xknockd      $next, pid"
contains "with all that it knew" "$(ctl status)" "begun with the memory of this boot"
stands "after the upgrade"
rm "$D/bpf/xknock"/maps*/seen # what the filter remembers
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null || true
start
before=$(stat refused replay)
send late
reaches refused replay $((before + 1))
say "a knock from before the upgrade is none"

say "a knockctl of another release than the daemon's"
cp "$D/old/knockctl" "$D/other"
sed -i 's/clock-accept/clock-axcept/g' "$D/other" # a verb that this daemon does not have
# Where the linker made one text of the verb's end and the word of the command line, that has changed too.
for word in axcept accept; do
	code=0
	"$D/other" --socket "$D/run/control.sock" clock $word >"$D/out" 2>&1 || code=$?
	! grep -q 'subcommand is required' "$D/out" || continue
	break
done
equal "fails" "$code" 2
contains "says which verb is missing" "$(cat "$D/out")" 'there is no verb "clock-axcept"'
contains "and why" "$(cat "$D/out")" "xknockd $next runs, and this is knockctl $version: systemctl restart xknockd"

# The layout of the memory that this release does not know.
say "back to a release that cannot read the memory of a newer one"
stop
cp -p "$D/run/state" "$D/kept"
refused_start() { # WHAT FILE COMPLAINT
	local code=0
	daemon_command >"$D/out" 2>&1 || code=$?
	equal "$1: it does not start" "$code" 78
	contains "and says why" "$(cat "$D/out")" "\"$2\" $3"
	contains "and what begins anew" "$(cat "$D/out")" "\"rm $2\" begins anew, and forgets"
	stands_shut
}
stands_shut() {
	granted || fail "the grant is gone"
	refuse "the ports stay shut" can_connect "$STR" 198.51.100.1 22
	talks old || fail "the session hangs"
}
printf 5 | dd of="$D/run/state" conv=notrunc status=none # the digit of the layout
refused_start "memory of a newer release" "$D/run/state" "was written by a newer release"
printf 2 | dd of="$D/run/state" conv=notrunc status=none
refused_start "of one too old" "$D/run/state" "was written by a release that is older than the one before this"
cp "$D/kept" "$D/run/state" # the file keeps its owner
printf X | dd of="$D/run/state" bs=1 seek=100 conv=notrunc status=none
refused_start "damaged memory" "$D/run/state" "is damaged"
cp "$D/kept" "$D/run/state"
truncate -s -64 "$D/run/state"
refused_start "half of it" "$D/run/state" "is damaged"
mv "$D/run/state" "$D/away"
cp -p "$D/state/state" "$D/copy"
printf 5 | dd of="$D/state/state" conv=notrunc status=none
refused_start "a copy of a newer release" "$D/state/state" "was written by a newer release"
rm "$D/run/state"
cp "$D/copy" "$D/state/state"
printf X | dd of="$D/state/state" bs=1 seek=1200 conv=notrunc status=none
refused_start "a damaged copy" "$D/state/state" "is damaged"
cp "$D/copy" "$D/state/state"
cp -p "$D/kept" "$D/run/state"
printf 2 | dd of="$D/run/bans" bs=1 seek=12 conv=notrunc status=none # xknock-bans 1
code=0
daemon_command >"$D/out" 2>&1 || code=$?
equal "bans of a newer release: it does not start" "$code" 78
contains "and says why" "$(cat "$D/out")" "\"$D/run/bans\" was written by a newer release"
stands_shut
printf 1 | dd of="$D/run/bans" bs=1 seek=12 conv=notrunc status=none
start
contains "the right files: it goes on" "$(ctl status)" "begun with the memory of this boot"
stands "all the same"

say "and with nothing, where that is wanted"
make fourth
accepted fourth
stop
rm "$D/run/state" "$D/state/state" "$D/bpf/xknock"/maps*/seen
start
contains "it begins with the horizon up" "$(ctl status)" "begun with nothing; knocks of before are refused"
stands "grants and bans are not in there"
make third
for file in third fourth; do send $file; done
reaches refused horizon 2
equal "no knock of before is let in" "$(stat accepted open)" 0
stop
install_release old
start
contains "a release with this layout reads it" "$(ctl status)" "begun with the memory of this boot"
stands "all the same"

say "removal"
make third
stop
check "the daemon is stopped: the grant stands" granted
refuse "and the port is shut to strangers" can_connect "$STR" 198.51.100.1 22
check "xknockd --remove" daemon_command --remove
check "opens the ports" can_connect "$STR" 198.51.100.1 22
talks old || fail "the session does not outlive it"
equal "no table of ours is left" "$(in_srv nft list tables | grep -c xknock)" 0
equal "no filter on any interface" "$(ip -n "$SRV" -o link show | grep -c xdp)" 0
equal "no pin" "$(find "$D/bpf/xknock" -mindepth 1 | wc -l)" 0
equal "no file for the time of this boot" "$(find "$D/run" -mindepth 1)" ""
equal "what a purge takes away is the memory alone" "$(cd "$D/state" && echo *)" state
check "and again, where there is nothing" daemon_command --remove
start
contains "the next start begins as after any stop within the horizon" "$(ctl status)" "begun with a copy that may be incomplete"
before=$(stat refused horizon)
send third
reaches refused horizon $((before + 1))
say "and refuses knocks of before"
stop
pass
