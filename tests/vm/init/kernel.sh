# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The main job on this kernel: start, native filter, knock over IPv4 and IPv6, and both processes killed.
say "kernel $(uname -r)"
network
configure
enroll
listen 22
check "before xknock the port is open to everybody" can_connect str 198.51.100.1 22
start
contains "the filter runs in native mode" "$(cat "$LOG")" "host0 (native), host1 (native)"
refuse "it is a link of its own: nobody's \"xdp off\" takes it away" ip link set host0 xdp off
refuse "a stranger does not get to the port any more" can_connect str 198.51.100.1 22
refuse "nor does the client without a knock" granted

# The kernel's own word: what each process may.
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
worker=$(pidof xknock-worker)
equal "xknockd holds CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF and nothing else" \
	"$(status_of "$DAEMON" CapPrm) $(status_of "$DAEMON" CapBnd)" "000000c000001000 0000000000000000"
equal "the worker holds no capability" "$(status_of "$worker" CapPrm)$(status_of "$worker" CapBnd)" \
	00000000000000000000000000000000
equal "and runs under a system call filter" "$(status_of "$worker" Seccomp)" 2

out=$(knock 192.0.2.1 laptop 2>&1) || fail "knock over IPv4: $out"
contains "a person's knock opens the port over IPv4" "$out" "after the knock"
refuse "for the client alone" can_connect str 198.51.100.1 22
refuse "and for the knock's family alone" granted6
contains "the grant is a timed element with the user's name" "$(nft list table inet xknock | tr -d '\n')" \
	'comment "anna/laptop"'
capture /tmp/k1
accepted_as_new "a knock off the wire is accepted" /tmp/k1
knockctl close anna/robot >/dev/null
before=$(stat accepted open)
seen=$(stat filter seen)
send_capture /tmp/k1
eventually 5 moved filter seen "$seen" || fail "a copy is not recognised"
equal "its copy is dropped by the filter" "$(stat accepted open)" "$before"

links=$(ls "$PINS")
in_cli xk-packet make --profile "$PROFILES/robot.yaml" --mode 1 --address 2001:db8::2 >/tmp/k6
kill_both
check "both processes were killed: the grant stands" granted
refuse "and the fence" can_connect str 198.51.100.1 22
in_cli xk-packet send /tmp/k6 --to 2001:db8::1
refuse "a knock is not judged while nobody is there" granted6
start
contains "a new daemon takes over" "$(grep ready: "$LOG" | tail -n 1)" " 1 grants"
equal "with the same pins" "$(ls "$PINS")" "$links"
contains "it remembers what was accepted" "$(knockctl status)" "this boot"
check "the grant stands" granted
check "the knock that waited in the ring opens the port over IPv6" eventually 5 granted6
knockctl close anna >/dev/null
refuse "closed again" granted6
out=$(knock 2001:db8::1 robot 2>&1) || fail "knock over IPv6: $out"
contains "a machine's knock opens the port over IPv6" "$out" "after the knock"

stop
xknockd -c "$CONFIG" --remove
equal "after --remove there is no table" "$(nft list tables)" ""
equal "and no pin" "$(ls "$PINS")" ""
check "and the port is as it was" can_connect str 198.51.100.1 22
