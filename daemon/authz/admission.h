// SPDX-License-Identifier: MIT
//
// Admission: whether a knock may be used. It consumes in one step all that counts only once: the packet, the request id
// and the code's step. The local one looks into this host's memory and answers at once. One that also asks other hosts
// may answer later: judgement goes on with the next record, and the answer comes to Judge::on_admitted().
#pragma once

#include "daemon/authz/replay.h"
#include "daemon/authz/state.h"
#include "protocol/otp.h"

#include <compare>
#include <optional>
#include <span>

namespace xk::authz {

// One use of a knock. Every pointer is into the state and valid during the call.
struct Use {
    UseToken token;
    Address address; // whom the request is for
    CredentialState* record = nullptr;
    std::optional<TotpStep> step; // of the code
    // False: the policy refuses. The code is used up all the same; packet and request are not.
    bool request = true;
    // It waits already, and a process before us asked. This host's own memory has granted it and is not asked again:
    // a later code may have been used meanwhile.
    bool again = false;
    // The replay entries of the packet and of its other keys. Empty where they are used already.
    std::span<ReplayEntry* const> entries;
};

enum class Admitted : std::uint8_t {
    granted,
    code_used, // another request used this code, or a later one
    taken,     // another host used the knock
    later,     // the answer comes to Judge::on_admitted() after consume_use() has returned, or never
};

class Admission {
  public:
    virtual ~Admission() = default;
    // The same token with the same address and step is the same use: where it was granted once, it is granted again.
    // So the next process can ask again after a crash, and nothing counts twice.
    virtual Admitted consume_use(const Use& use) = 0;
};

// By this host's own memory. An Admission that asks other hosts asks this one first, so that this host does not use a
// code twice while an answer is on its way.
class LocalAdmission : public Admission {
  public:
    Admitted consume_use(const Use& use) override;
};

} // namespace xk::authz
