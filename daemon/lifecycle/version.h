// SPDX-License-Identifier: MIT
#pragma once

namespace xk {

// "xknockd 0.1.0". It is a variable of its own, so that the text stands whole in the executable: tests/e2e/upgrade.sh
// replaces it there to make another release.
extern const char kNameAndVersion[];
inline const char* version() { return kNameAndVersion + sizeof "xknockd"; }

} // namespace xk
