// SPDX-License-Identifier: MIT
//
// Standard input, output and error of a command: a result that nobody could read must not look like success.
#pragma once

#include <string_view>

namespace xk {

// To be called first in main(). A standard descriptor that is closed would become the next file or socket that is
// opened, and what is printed would go there; opened here, it fails whoever uses it.
void hold_standard_descriptors();

// The exit code of `program`: this one, or Exit::failed with a line on standard error where standard output did not
// take everything (a full disk, a closed descriptor).
int finish_output(std::string_view program, int code);

} // namespace xk
