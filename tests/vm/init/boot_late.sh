# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# An interface that comes when everything else has been up for a while.
# shellcheck source=/dev/null
. /test/wire.sh
sleep 3 # this interface is late: xknockd starts without it
wire late0 02:00:00:00:00:03 str2 203.0.113.1
