// SPDX-License-Identifier: MIT
//
// The bans and their owners as text, which outlives the daemon. The first line names format and boot. Then there is one
// line for each change, in the order of the changes, so that a ban costs one line however many there are.
//
//   xknock-bans 1 BOOT-ID
//   + PREFIX NAMED UNTIL OWNER      until a moment of this boot in ns, or "-" for ever; the owner may be empty
//   - PREFIX NAMED OWNER
#pragma once

#include "daemon/authz/ban_book.h"

#include <optional>
#include <string>
#include <string_view>

namespace xk::authz {

// The first line; `boot` is the boot's id, because times of another boot mean nothing in this one.
std::string bans_head(std::string_view boot);
std::string claim_line(const Prefix& prefix, const BanClaim& claim);
std::string unclaim_line(const Prefix& prefix, const BanClaim& claim);
// One line for each change from `before` to `after`.
std::string change_lines(const Prefix& prefix, const BanClaims& before, const BanClaims& after);
// The whole book, without its head.
std::string bans_text(const BanBook& book);

// Whether a newer release wrote it in this boot: the number in its first line is higher.
bool is_of_newer_release(std::string_view text, std::string_view boot);

// Whether it is a text of bans from another boot, whose times mean nothing in this one.
bool is_of_another_boot(std::string_view text, std::string_view boot);

// Nothing where the text has another first line, or a line that cannot be read. A last line without line end was not
// written completely and is ignored.
std::optional<BanBook> read_bans_text(std::string_view text, std::string_view boot);

} // namespace xk::authz
