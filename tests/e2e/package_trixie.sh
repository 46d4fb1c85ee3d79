#!/bin/bash
# SPDX-License-Identifier: MIT
# The packages for Debian 13: package_ground.sh.
# shellcheck source=SCRIPTDIR/package_ground.sh
. "$(dirname "$0")/package_ground.sh"
package_test trixie
