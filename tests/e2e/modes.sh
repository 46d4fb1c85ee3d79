#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/modes.md: every command of its blocks, as it is printed, on a server with the unit under a real systemd and on a client
# with a home, and what they open. The document is the only place where they stand.
. "$(dirname "$0")/lib.sh"
begin modes
HERE=$E2E

# Every program that counts half minutes has the clock that this test moves; the file is where the container sees it.
DESTDIR=$D/stage cmake --install "$XK_BUILD" >/dev/null
cp "$MOVED_CLOCK" "$D/stage/clock.so"
AHEAD=0
set_clock "$D/stage/clock" 0
moved() { env XK_SYNCHRONISED=yes XK_CLOCK="$D/stage/clock" LD_PRELOAD="$D/stage/clock.so" "$@"; }
move_clock() { set_clock "$D/stage/clock" $((AHEAD += $1 * 1000000000)); }
into_step() { echo $(($(moved date +%s) % 30)); }
new_slot() { [ "$(into_step)" -lt 20 ]; }
# A sequence needs a half minute that began since the clock was moved, and since the daemon began.
fresh_slot() {
	late_in_step
	eventually 5 new_slot || fail "no new slot"
}

boot "$SRV" "$D/stage"
inside cp -a /opt/stage/usr/. /usr/
inside mountpoint -q /sys/fs/bpf || inside mount -t bpf -o mode=700 bpf /sys/fs/bpf
inside systemd-sysusers
inside systemd-tmpfiles --create /usr/lib/tmpfiles.d/xknock.conf
inside mkdir -p /etc/xknock /etc/systemd/system/xknockd.service.d /home/anna
inside sed 's/^interfaces: .*/interfaces: [host0, host1]/' /usr/share/doc/xknock/examples/xknock.yaml | inside tee /etc/xknock/xknock.yaml >/dev/null
inside tee /etc/systemd/system/xknockd.service.d/clock.conf >/dev/null <<-'C'
	[Service]
	Environment=LD_PRELOAD=/opt/stage/clock.so XK_CLOCK=/opt/stage/clock XK_SYNCHRONISED=yes
C
# Whoever edits the three files of a capyknock client writes what configuration.md has, with the values of the client's file.
# shellcheck disable=SC2016  # for the other shell
inside tee /usr/local/bin/editor >/dev/null <<-'C'
	#!/bin/bash
	awk '/^### Old clients/ {on = 1} on && /^```yaml/ {block = 1; next} block && /^```/ {exit} block' \
		/usr/share/doc/xknock/docs/configuration.md >"$1"
	echo "$UDPKEY" >"$2"
	echo "$OTPKEY" >"$3"
C
inside chmod 755 /usr/local/bin/editor
UDPKEY=$(head -c 32 /dev/urandom | base64 -w0 | tr +/ -_)
OTPKEY=$(head -c 20 /dev/urandom | base32 -w0)
export UDPKEY OTPKEY

# The home of whoever is at the client, who knows the server by the document's name.
mkdir -m 700 "$D/home" "$D/home/.config" "$D/home/.config/xknock"
printf '127.0.0.1 localhost\n192.0.2.1 server.example.net\n' >"$D/hosts"
# shellcheck disable=SC2016  # for the inner shell
at_client() {
	moved unshare -m sh -c 'mount --bind "$0/hosts" /etc/hosts && exec "$@"' "$D" nsenter --net="/run/netns/$CLI" \
		env HOME="$D/home" PATH="$D/stage/usr/bin:$PATH" "$@"
}
# take_home USER-DEVICE: the profile that keygen wrote goes to the client. The device's codes come from there.
take_home() {
	{
		inside cat "/root/xknock-$1.yaml"
		inside sh -c "test ! -e /etc/xknock/credentials/${1/-/.}.otp || sed 's/.*/otp_secret: \"&\"/' /etc/xknock/credentials/${1/-/.}.otp"
	} >"$D/home/.config/xknock/server.yaml"
	chmod 600 "$D/home/.config/xknock/server.yaml"
}

# block SECTION NUMBER: that block of code of the section, as it is printed.
block() {
	awk -v wanted="$1" -v number="$2" '
		/^##+ / {here = $0 ~ "^##+ " wanted "$"; blocks = 0}
		/^```/ {if (here && !open) blocks++; open = !open; next}
		here && open && blocks == number' "$TOP/docs/modes.md"
}
ROOTS_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin # of a login on Debian
CARRIED=0 # commands of the document
# carry_out SECTION NUMBER: each line behind "# " is a command of root on the server. The lines behind it are what a command
# with "<<" reads, or what the command prints.
carry_out() {
	local line command='' input=''
	block "$1" "$2" >"$D/block"
	while IFS= read -r line || [ -n "$line" ]; do
		if [[ $line = '# '* ]]; then
			one_command "$command" "$input"
			command=${line#'# '} input=
		else
			input+=$line$'\n'
		fi
	done <"$D/block"
	[ -n "$command" ] || fail "no command in block $2 of $1"
	one_command "$command" "$input"
}
one_command() {
	[ -n "$1" ] || return 0
	local command=${1//PORT\}/5001\}}
	if [[ $1 = *'<<'* ]]; then
		inside env -C /root PATH="$ROOTS_PATH" bash -c "$command"$'\n'"$2" >"$D/out" 2>&1 </dev/null || fail "$1: $(cat "$D/out")"
	else
		inside env -C /root PATH="$ROOTS_PATH" bash -c "$command" >"$D/out" 2>&1 </dev/null || fail "$1: $(cat "$D/out")"
		[ -z "$2" ] || diff <(printf %s "$2") "$D/out" || fail "$1 does not print what the document has"
	fi
	CARRIED=$((CARRIED + 1))
	say "as printed: $1"
}
# client_line SECTION BLOCK LINE: what is behind "$ ".
client_line() {
	local line
	line=$(block "$1" "$2" | sed -n "$3s/^\\$ //p")
	[ -n "$line" ] || fail "no line $3 in block $2 of $1"
	printf '%s\n' "$line"
}
at_client_line() {
	local line
	line=$(client_line "$@")
	at_client sh -c "$line" >"$D/client.out" 2>"$D/client.err" || fail "$line: $(cat "$D/client.out" "$D/client.err")"
	CARRIED=$((CARRIED + 1))
	say "as printed: $line"
}
ctl() { inside knockctl "$@"; }
is_open_for() { ctl grants | matches -- "$1"; }
# opened DEVICE: the port is open for it. Behind that nothing of the section is left.
opened() {
	eventually 5 is_open_for "$1" || fail "nothing is open for $1: $(inside journalctl -q -u xknockd -n 8 --no-pager -o cat)"
	check "the port is open for $1" granted
	ctl close 0.0.0.0/0 >/dev/null
	inside sh -c "sed -i '/^modes:/d' /etc/xknock/users/*.yaml && sed -i '/^c_lock:/d; /^legacy:/d' /etc/xknock/xknock.yaml"
	ctl reload >/dev/null
}
# open_by MODE DEVICE: the status says that the device may knock so.
open_by() { contains "the status has $1 for $2" "$(ctl status | grep "^$1 ")" "$2"; }
listen 22

# knockctl reload needs a daemon, and the daemon an identity: what configuration.md does at the first time.
inside knockctl keygen first --device laptop --host server.example.net --out /root/first.yaml >/dev/null
inside systemctl daemon-reload
inside systemctl start xknockd || fail "systemctl start: $(inside journalctl -q -u xknockd -n 8 --no-pager -o cat)"

carry_out Packets 1
take_home anna-laptop
refuse "shut before" granted
at_client_line Packets 2 1
open_by packet anna/laptop
opened anna/laptop

carry_out Handshake 1
open_by handshake anna/laptop
next_step # a code opens once
candidates=$(stat filter candidate)
at_client_line Handshake 2 1
reaches filter candidate $((candidates + 2)) # a hello and a request
opened anna/laptop

carry_out "Sequences of ports" 1
open_by sequence bob/phone
take_home bob-phone
fresh_slot
at_client_line "Sequences of ports" 2 1
eventually 5 is_open_for bob/phone || fail "the sequence opens nothing"
check "the port is open for bob/phone" granted
ctl close 0.0.0.0/0 >/dev/null
fresh_slot
next_slot=$(($(moved date +%s) / 30))
at_client_line "Sequences of ports" 2 2
in_cli bash -c "$(cat "$D/client.out")" >/dev/null 2>&1 || true
equal "within one half minute" $(($(moved date +%s) / 30)) "$next_slot"
opened bob/phone

carry_out c-lock 1
open_by c-lock carol/phone
secret=$(inside cat /etc/xknock/credentials/carol.phone.otp)
[ "$(into_step)" -lt 20 ] || fresh_slot # that of before is still good
in_cli env XK_CLOCK="$D/stage/clock" LD_PRELOAD="$D/stage/clock.so" python3 "$HERE/c_lock_client.py" 192.0.2.1 --secret "$secret"
opened carol/phone

say "fwknop: a client that worked with another server"
inside fwknop --key-gen --use-hmac --key-gen-file /root/keys >/dev/null
{ printf '%s\n' '[default]' 'SPA_SERVER server.example.net' 'ACCESS tcp/22' 'ALLOW_IP source' 'USE_HMAC Y' &&
	inside sed 's/: / /' /root/keys; } >"$D/home/.fwknoprc"
chmod 600 "$D/home/.fwknoprc"
inside tee /home/anna/.fwknoprc <"$D/home/.fwknoprc" >/dev/null
carry_out "Old clients" 1
open_by fwknop anna/fwknop
at_client fwknop -n default -s >"$D/out" 2>&1 || fail "fwknop: $(cat "$D/out")"
opened anna/fwknop

say "capyknock"
carry_out "Old clients" 2
open_by capyknock anna/capybara
name=$(inside sed -n 's/^name: //p' /etc/xknock/credentials/anna.capybara.yaml)
at_client "$HERE/capyknock_client.py" "$name" "$UDPKEY" "$OTPKEY" 192.0.2.1 5001 192.0.2.1 22
opened anna/capybara
carry_out "Old clients" 3
equal "these are all commands of the document" "$CARRIED" "$(grep -c '^[#$] [a-z/]' "$TOP/docs/modes.md")"
inside systemctl stop xknockd
pass
