// SPDX-License-Identifier: MIT
//
// Small files of the client's own, in $XDG_STATE_HOME/xknock. They are hints: no fault of them keeps anybody out.
#pragma once

#include <string>

namespace xk::client {

// $XDG_STATE_HOME/xknock, or ~/.local/state/xknock. Empty without a home directory.
std::string state_directory();
// The same, made with mode 0700 where it is missing. A home that is not there is not made.
std::string made_state_directory();

// Nothing from a file that is not ours alone: somebody else could choose for us.
std::string read_state(const std::string& file);
// As a whole or not at all, mode 0600: two clients may write at once.
void write_state(const std::string& file, const std::string& text);

} // namespace xk::client
