// SPDX-License-Identifier: MIT
//
// Profile and client together, for a machine without a package: a tar with the client in Python, which needs no other
// module, and the profile beside it.
#pragma once

#include "tools/knockctl/host/users/wiped_text.h"

#include <ctime>
#include <string>
#include <string_view>

namespace xk::tools {

// client/xknock.py as it was when this program was built.
std::string_view portable_client();

// ustar (POSIX.1-2017, pax): NAME/xknock.py with mode 0755 and NAME/profile.yaml with mode 0600.
WipedText portable_tar(const std::string& name, std::string_view profile, std::time_t now);

} // namespace xk::tools
