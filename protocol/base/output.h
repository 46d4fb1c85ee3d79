// SPDX-License-Identifier: MIT
//
// Standard input, output and error of a command: a result that nobody could read must not look like success.
#pragma once

#include <string_view>

namespace xk {

// Call it first in main(). The next file or socket would get the number of a closed standard descriptor, and output
// would go there. Opened here, the descriptor returns an error to its users.
void hold_standard_descriptors();

// The exit code of `program`: this one, or Exit::failed with a line on standard error where standard output did not
// take everything (a full disk, a closed descriptor).
int finish_output(std::string_view program, int code);

} // namespace xk
