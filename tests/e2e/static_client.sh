#!/bin/bash
# SPDX-License-Identifier: MIT
# static_client.sh [ARCH]: the static knock-client of amd64, arm64 or armhf computes what tests/vectors say, and gets into
# a real sshd. A foreign one runs under QEMU's emulation of that processor on this machine's kernel.
. "$(dirname "$0")/lib.sh"
ARCH=${1:-amd64}
"$TOP/tools/static-client" --tests "$ARCH"
begin "static-client-$ARCH"
built=$TOP/build/static/$ARCH/knock-client
case $ARCH in
arm64) run=(qemu-aarch64) ;;
armhf) run=(qemu-arm) ;;
*) run=() ;;
esac
# ssh, too, is to run it as one program.
printf '#!/bin/sh\nexec %s "$@"\n' "${run[*]} $built" >"$D/knock-client"
chmod +x "$D/knock-client"
CLIENT=$D/knock-client

say "the file"
readelf -hldW "$built" >"$D/elf"
refuse "it asks for no loader and no shared library" grep -qE 'INTERP|NEEDED' "$D/elf"
check "what is relocated is read-only" grep -q GNU_RELRO "$D/elf"
check "the stack is not executable" grep -q 'GNU_STACK.* RW ' "$D/elf"
refuse "nothing can be written and executed" grep -q 'LOAD.* RWE' "$D/elf"
[ "$ARCH" = armhf ] || check "it is position independent" grep -qE 'Type: +DYN' "$D/elf"
refuse "it does not know where it was built" grep -qF "$TOP/" "$built"
equal "it runs" "$("$CLIENT" --version)" "knock-client $(sed -n 's/^project(xknock VERSION \([0-9.]*\).*/\1/p' "$TOP/CMakeLists.txt")"
check "its keys, codes and packets are those of the vectors" "${run[@]}" "$TOP/build/static/$ARCH/tree/tests/unit/unit_protocol"

# A static program loads no other clock, but the emulator does.
[ ${#run[@]} = 0 ] || movable_clock
configure
ENROLL_HOST=192.0.2.1 enroll anna laptop --factor totp
ENROLL_HOST=server.example enroll anna robot --factor hmac
start_sshd
start
refuse "the port is shut" granted

say "a knock with a code"
check "opens the port" knock 192.0.2.1 anna-laptop ssh
contains "for this device" "$(cat "$D/log")" "granted anna/laptop ssh from 192.0.2.2"
ctl close anna >/dev/null
refuse "the port is shut again" granted

# Modules of the machine's C library that a static program cannot load are passed over.
say "names"
printf 'nameserver 127.0.0.1\n' >"$D/resolv.conf"
printf 'hosts: files mymachines resolve [!UNAVAIL=return] dns\n' >"$D/nsswitch.conf"
background "$CLI" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file \
	--listen-address=127.0.0.1 --bind-interfaces --host-record=server.example,192.0.2.1,2001:db8::1 2>/dev/null
asked() { in_cli ss -Hlun 'sport = :53' | matches .; }
eventually 5 asked || fail "no name server"
with_names() {
	unshare -m sh -c "mount --bind '$D/resolv.conf' /etc/resolv.conf && mount --bind '$D/nsswitch.conf' /etc/nsswitch.conf &&
		exec \"\$@\"" _ nsenter --net="/run/netns/$CLI" "$@"
}
printf '%s %s\n' server.example "$(cut -d' ' -f1,2 "$D/ssh/host_key.pub")" >>"$D/ssh/known_hosts"
# shellcheck disable=SC2086,SC2016
out=$(with_names $SSH -o ProxyCommand="$CLIENT proxy --profiles $D/profiles -v -- %h %p" root@server.example \
	'echo "in as $SSH_CONNECTION"' 2>"$D/ssh.err") || fail "ssh: $(cat "$D/ssh.err")"
contains "ssh gets in by the name that DNS has" "$out" "in as 2001:db8::2"
contains "after a knock with a key" "$(cat "$D/log")" "granted anna/robot"
ctl close anna >/dev/null

if [ ${#run[@]} -gt 0 ]; then
	say "in 2040, behind the end of a time of 32 bits"
	refuse "the port is shut" granted
	move_clock $((2208988800 - $(date +%s)))
	knock_only 192.0.2.1 anna-robot tcp/80 # the first knock behind a jump of the clock is refused (horizon)
	check "a knock opens the port" knock 192.0.2.1 anna-robot ssh
fi
stop
pass
