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
    // Takes away what is over.
    virtual void expire_bans(const Now& now) = 0;
    // As it is at this moment; to be asked for again after anything that may change it.
    virtual const authz::BanBook& ban_book() const = 0;
};

class Banner {
  public:
    virtual ~Banner() = default;
    virtual bool is_dry_run() const = 0;
    // The name of an owner, as the book keeps it.
    virtual std::string owner_of(const std::string& reason) const = 0;

    struct Order {
        std::vector<Prefix> prefixes;
        std::optional<std::chrono::seconds> time; // none: for ever
        std::string reason;
        unsigned ipv6_prefix = 128; // addresses of IPv6 are banned by their network of so many bits
    };
    struct Refusal {
        Prefix prefix;
        Error error;
    };
    struct Banned {
        std::vector<Prefix> prefixes; // what is banned now for those that were asked for
        std::vector<Refusal> refused;
    };
    virtual Result<Banned> ban_prefixes(const Order& order, const Now& now) = 0;

    // How many bans of this owner, or of all, were taken away.
    virtual Result<std::size_t> unban_prefixes(const std::vector<Prefix>& prefixes,
                                               const std::optional<std::string>& owner, const Now& now) = 0;
    enum class Family { any, v4, v6 };
    virtual Result<std::size_t> unban_all(Family family, const std::optional<std::string>& owner, const Now& now) = 0;
    // Sessions of those who are banned at this moment: however short a ban is, it ends them.
    virtual void end_banned_sessions(const Now& now) = 0;
};

Table ban_verbs(BanSource& bans, Banner& banner);

} // namespace xk::verbs
