// SPDX-License-Identifier: MIT
//
// Admission: whether a knock may be used. It consumes at once all that counts only once: the packet, the request id and
// the code's step. The local one asks this host's memory and answers at once. One that asks others, too, may answer
// later: judgement goes on with the next record, and the answer comes to Judge::on_admitted().
#pragma once

#include "daemon/authz/replay.h"
#include "daemon/authz/state.h"
#include "protocol/otp.h"

#include <compare>
#include <optional>
#include <span>

namespace xk::authz {

// What is consumed. Every pointer is into the state and good for the call.
struct Use {
    UseToken token;
    Address address; // whom the request is for
    CredentialState* record = nullptr;
    std::optional<TotpStep> step; // of the code
    bool request = true; // false: the policy refuses. The code is used up all the same; packet and request are not
    // The packet's, and those of its other replay keys; empty where they are used already.
    std::span<ReplayEntry* const> entries;
};

enum class Admitted : std::uint8_t {
    granted,
    code_used, // another request had this code, or a later one
    taken,     // somebody else used it
    later,     // the answer comes to Judge::on_admitted(), or never
};

class Admission {
  public:
    virtual ~Admission() = default;
    // The same token again, with the same address and step, is the same use: it is granted to whom it was granted. So a
    // process that ended in between asks again, and nothing counts twice.
    virtual Admitted consume(const Use& use) = 0;
};

// By this host's own memory. One that asks others asks this one first, so that the same host does not use a code twice
// while an answer is under way.
class LocalAdmission : public Admission {
  public:
    Admitted consume(const Use& use) override;
};

} // namespace xk::authz
