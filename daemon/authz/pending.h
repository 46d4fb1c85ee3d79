// SPDX-License-Identifier: MIT
//
// PendingUses: knocks that everything was right of, and that wait for their Admission. Their records are not in the
// ring any more, so they stand in the state file: a process that ends meanwhile leaves them to the next one, which asks
// again with the same token. The table is bounded, and so is the time that one may wait in it.
#pragma once

#include "daemon/authz/firewall.h"
#include "protocol/base/clock.h"
#include "protocol/request.h"
#include "protocol/slot.h"
#include "protocol/wire.h"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace xk::authz {

// By what a use is known to everybody, over retries, restarts and hosts.
struct UseToken {
    wire::CredentialId credential{};
    wire::RequestId request{};
    auto operator<=>(const UseToken&) const = default;
};

// Plain data of the state file.
struct PendingUse {
    UseToken token;
    GrantRequest request; // its credential's index may have moved by a reload: the token's id counts
    Action action;
    std::uint64_t slot;   // of the knock
    std::int64_t arrived; // boot time, ns
    std::int64_t begun;   // to wait; likewise
    std::uint64_t code;   // step of the code + 1; 0: none
    std::uint64_t live;   // 1: this is one; stored last
};

inline constexpr std::size_t kMostPending = 4096;
// Of one credential: whoever floods is refused alone.
inline constexpr std::size_t kMostPendingOfCredential = 256;
// A use that is not answered in this time is refused. A client tries for ten seconds, with the same request, so there
// is time for a second question.
inline constexpr std::chrono::seconds kLongestAdmission{5};

class PendingUses {
  public:
    // `entries` are all zero, or of an earlier process.
    explicit PendingUses(std::span<PendingUse> entries);

    // Null where it does not wait.
    const PendingUse* find(const UseToken& token) const;
    // Null when there is no room, for it or for its credential.
    const PendingUse* begin(const PendingUse& use);
    void end(const UseToken& token);
    // Those that wait, the one that has waited longest first.
    std::vector<UseToken> waiting() const;
    std::vector<UseToken> overdue(BootTime now) const;
    std::size_t size() const { return by_token_.size(); }

  private:
    std::span<PendingUse> entries_;
    std::vector<std::uint32_t> free_;
    std::map<UseToken, std::uint32_t> by_token_; // a credential's stand side by side
    std::map<std::pair<std::int64_t, std::uint32_t>, UseToken> by_age_;
    std::map<wire::CredentialId, std::size_t> held_;
};

} // namespace xk::authz
