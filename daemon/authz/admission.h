// SPDX-License-Identifier: MIT
//
// Admission decides whether a knock may be used. In one step it uses up everything that may be used only once: the
// packet, the request id and the code's step. LocalAdmission looks into this host's memory and answers at once. An
// Admission that also asks other hosts may answer later: judgement goes on with the next record, and the answer comes
// to Judge::on_admitted().
#pragma once

#include "daemon/authz/code_step.h"
#include "daemon/authz/replay.h"
#include "daemon/authz/state.h"

#include <compare>
#include <optional>
#include <span>

namespace xk::authz {

// One use of a knock. Every pointer is into the state and valid during the call.
struct Use {
    UseToken token;
    Address address; // that the request is for
    CredentialState* record = nullptr;
    std::optional<CodeStep> step; // of the code
    // False: the policy refuses. The code is used up nevertheless; packet and request are not.
    bool request = true;
    // True: the use waits already, and an earlier process asked about it. LocalAdmission has granted it and does not
    // check it again, because a later code may have been used meanwhile.
    bool again = false;
    // The replay entries of the packet and of its other keys. Empty if they are used already.
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
    // The same token with the same address and step is the same use: if it was granted once, it is granted again. So
    // the next process can ask again after a crash, and nothing is used twice.
    virtual Admitted consume_use(const Use& use) = 0;
};

// Decides by this host's own memory. An Admission that asks other hosts asks this one first, so that this host does not
// use a code twice while an answer is on its way.
class LocalAdmission : public Admission {
  public:
    Admitted consume_use(const Use& use) override;
};

} // namespace xk::authz
