// SPDX-License-Identifier: MIT
//
// The HOTP counter of a profile that holds its secret (factor hotp, otp_secret). The file is
// $XDG_STATE_HOME/xknock/counter-CREDENTIAL, mode 0600: the next counter as a decimal number. It is not a hint as the
// other files of the client are: without it the server would refuse every code as a used one.
#pragma once

#include "client/profile.h"
#include "protocol/base/result.h"

#include <string>

namespace xk::client {

// The next two codes in a row, as one text. Their counters are used up on the disk before this returns, whatever
// becomes of the codes, so no two processes have the same ones. Two codes, because knocks may be lost: the server finds
// them when up to a thousand others did not arrive (kHotpResync), and one only among ten. Begins at 0 where there is no
// file. An error where the file cannot be read or written, or does not hold a number.
Result<std::string> own_hotp_codes(const Profile& profile);

} // namespace xk::client
