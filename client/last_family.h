// SPDX-License-Identifier: MIT
//
// The family by which each profile's host was reached last. It goes first the next time, so that a network or a service
// that works with one family alone costs a pause only once. The file is $XDG_STATE_HOME/xknock/families, mode 0600: a
// line "CREDENTIAL ipv4" for each profile. It is a hint: no fault of it keeps anybody out.
#pragma once

#include "client/addresses.h"
#include "client/profile.h"

#include <string>
#include <vector>

namespace xk::client {

void put_last_family_first(const Profile& profile, std::vector<Place>& places);
// Writes only where it changed.
void remember_family(const Profile& profile, const Address& worked);

// Pure: the text with this credential's line changed. The newest lines stay, 256 at most.
std::string with_family(const std::string& text, const std::string& credential, Family family);
Family family_in(const std::string& text, const std::string& credential);

} // namespace xk::client
