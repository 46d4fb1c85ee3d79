// SPDX-License-Identifier: MIT
#pragma once

namespace xk {

// "0.1.0", as CMakeLists.txt has it.
extern const char kProductVersion[];

} // namespace xk
