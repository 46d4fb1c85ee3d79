// SPDX-License-Identifier: MIT
//
// The verbs about bans: "bans", "ban" and "unban".
#pragma once

#include "daemon/authz/ban_book.h"
#include "daemon/verbs/verb.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace xk::verbs {

class BanSource {
  public:
    virtual ~BanSource() = default;
    // Removes the bans that are over.
    virtual void expire_bans(const Now& now) = 0;
    // The book at this moment. The reference does not outlive the next change.
    virtual const authz::BanBook& ban_book() const = 0;
};

class Banner {
  public:
    virtual ~Banner() = default;
    virtual bool is_dry_run() const = 0;
    // The owner's name as the book keeps it: printable and cut.
    virtual std::string owner_of(const std::string& reason) const = 0;

    struct Order {
        std::vector<Prefix> prefixes;
        std::optional<std::chrono::seconds> time; // none: for ever
        std::string reason;
        unsigned ipv6_prefix = 128; // an address of IPv6 is banned by its network with this prefix length
    };
    struct Refusal {
        Prefix prefix;
        Error error;
    };
    struct Banned {
        std::vector<Prefix> prefixes; // the prefixes or their networks, which are banned now
        std::vector<Refusal> refused;
        std::optional<Error> unfinished; // the bans count, but a later step failed; the same order repeats it
    };
    virtual Result<Banned> ban_prefixes(const Order& order, const Now& now) = 0;

    // Lift the bans of this owner, or of all owners, and return how many.
    virtual Result<std::size_t> unban_prefixes(const std::vector<Prefix>& prefixes,
                                               const std::optional<std::string>& owner, const Now& now) = 0;
    enum class Family { any, v4, v6 };
    virtual Result<std::size_t> unban_all(Family family, const std::optional<std::string>& owner, const Now& now) = 0;
    // Ends the sessions of banned addresses now: a ban ends them even where it is lifted at once. An error names those
    // that may live on.
    virtual Result<void> end_banned_sessions(const Now& now) = 0;
};

Table ban_verbs(BanSource& bans, Banner& banner);

} // namespace xk::verbs
