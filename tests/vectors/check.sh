#!/bin/sh
# SPDX-License-Identifier: MIT
# The committed vectors are what the reference implementation prints, and siphash.txt is what SipHash's
# authors published (first, middle and last of their 64 lines).
set -eu
cd "$(dirname "$0")"
for file in siphash.txt keys.txt otp.txt packets.txt sequences.txt; do
	python3 reference.py "$file" | cmp - "$file"
done
for line in '0 = 310e0edd47db6f72' '15 = e545be4961ca29a1' '31 = 42c341d8fa92d832' '63 = 724506eb4c328a95'; do
	grep -qx "$line" siphash.txt
done
# c-lock's own functions gave these (commit 382f03f of the project, MIT, (c) 2018 Javier Junquera Sanchez).
for line in '22215 53450 5755 58305 21731 29150 63227 18289 64620 1267' '63247 29401 44270 36024 48182 62665 31975 54562 58834 63650' \
	'38779 3527 56830 50720 15672 50278 42842 28329 62118 11978' '22251 45971 34763 20230 45795 24400 61299 40361 35806 24081' \
	'26578 41325 37749 60758 61096 6170 23251 10814 44478 56095'; do
	grep -qx "clock = $line" sequences.txt
done
