// SPDX-License-Identifier: MIT
#pragma once

namespace xk {

// "xknockd 0.1.0". One text of the program, and not a constant that the compiler could take apart: so it can be found
// in the file, and tests/e2e/upgrade.sh makes another release of it.
extern const char kNameAndVersion[];
inline const char* version() { return kNameAndVersion + sizeof "xknockd"; }

} // namespace xk
