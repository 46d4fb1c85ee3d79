// SPDX-License-Identifier: MIT
//
// PendingUses: knocks that passed every check and wait for their Admission. Their records are not in the ring any more,
// so they are kept in the state file. A process that ends leaves them to the next one, which asks again with the same
// token. The table is bounded, and so is the time that a use may wait in it.
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

// Identifies a use over retries, restarts and hosts.
struct UseToken {
    wire::CredentialId credential{};
    wire::RequestId request{};
    auto operator<=>(const UseToken&) const = default;
};

// Plain data in the state file.
struct PendingUse {
    UseToken token;
    GrantRequest request; // the id in the token counts, because a reload may move the credential's index
    Action action;
    std::uint64_t slot;   // of the knock
    std::int64_t arrived; // boot time, ns
    std::int64_t begun;   // when it began to wait: boot time, ns
    std::uint64_t code;   // CodeStep of the code + 1; 0: none
    std::uint64_t live;   // 1: the entry is in use; stored last
};

// Whether a worker can have written this. The file may be damaged, so nothing else may read an entry before.
bool is_sound(const PendingUse& use);

inline constexpr std::size_t kMostPending = 4096;
// For one credential, so that its flood does not take the room of the others.
inline constexpr std::size_t kMostPendingOfCredential = 256;
// A use without an answer in this time is refused. A client sends the same request for ten seconds, so there is time to
// ask a second time.
inline constexpr std::chrono::seconds kLongestAdmission{5};

class PendingUses {
  public:
    // `entries` are all zero, or were left by an earlier process.
    explicit PendingUses(std::span<PendingUse> entries);

    // Null where the use does not wait.
    const PendingUse* find_use(const UseToken& token) const;
    // Null when the table or the credential's share of it is full. The token must not wait already.
    const PendingUse* begin_use(PendingUse use);
    void end_use(const UseToken& token);
    // The oldest first.
    std::vector<UseToken> waiting() const;
    // Also those that begin to wait only after `now`, which only a damaged file says. They would never be over.
    std::vector<UseToken> overdue(BootTime now) const;
    std::size_t size() const { return by_token_.size(); }

  private:
    std::span<PendingUse> entries_;
    std::vector<std::uint32_t> free_;
    std::map<UseToken, std::uint32_t> by_token_;
    std::map<std::pair<std::int64_t, std::uint32_t>, UseToken> by_age_;
    std::map<wire::CredentialId, std::size_t> held_;
};

} // namespace xk::authz
