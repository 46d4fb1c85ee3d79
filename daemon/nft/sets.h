// SPDX-License-Identifier: MIT
//
// Sets: the kernel's sets as grants, bans and ended sessions need them. Socket (transaction.h) is the real one; the
// unit tests have another, which needs no rights and can fail at any step.
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
    std::vector<std::uint8_t> key;                    // as the kernel holds it, in network byte order
    bool interval_end = false;                        // the first key behind a range
    std::optional<std::chrono::milliseconds> timeout; // none: for ever, or the set has no time-outs
    std::chrono::milliseconds expires{0};             // read only: what is left of the time-out
    std::string comment;                              // at most kMaxComment bytes
    std::vector<std::uint8_t> data;                   // at most kMaxData bytes
};

class Sets {
  public:
    virtual ~Sets() = default;

    // Does all of the transaction or nothing of it. It is consumed; an empty one is done at once.
    virtual Result<void> commit(Transaction&& transaction) = 0;
    // The elements of one set, all of one moment; none where there is no such set or table.
    virtual Result<std::vector<Element>> list_set(const SetName& set) = 0;
};

} // namespace xk::nft
