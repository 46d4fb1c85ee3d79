// SPDX-License-Identifier: MIT
//
// Sets: the kernel's sets as whoever keeps grants, bans and ended sessions in them sees them. Socket (transaction.h) is
// the one that is real; the unit tests have another one, which needs no rights and can fail at any step.
#pragma once

#include "protocol/base/result.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xk::nft {

class Transaction;

struct SetName {
    std::string table;
    std::string set;
    auto operator<=>(const SetName&) const = default;
};

struct Element {
    std::vector<std::uint8_t> key;                    // as the kernel holds it
    bool interval_end = false;                        // first key behind a range
    std::optional<std::chrono::milliseconds> timeout; // none: for ever, or the set has none
    std::chrono::milliseconds expires{0};             // read only: what is left of the time-out
    std::string comment;                              // at most kMaxComment bytes
    std::vector<std::uint8_t> data;                   // at most kMaxData bytes
};

class Sets {
  public:
    virtual ~Sets() = default;

    // All of the transaction or nothing of it. It is consumed; an empty one is done at once.
    virtual Result<void> commit(Transaction&& transaction) = 0;
    // The elements of one set; none where there is no such set or table.
    virtual Result<std::vector<Element>> list(const SetName& set) = 0;
};

} // namespace xk::nft
