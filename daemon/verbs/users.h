// SPDX-License-Identifier: MIT
//
// The verbs about users and their devices: "users" and "unlock".
#pragma once

#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

namespace xk::verbs {

class Unlocker {
  public:
    virtual ~Unlocker() = default;
    // `credential` is an index in the configuration that counts. Judgement forgets its wrong codes.
    virtual Result<void> unlock_credential(std::size_t credential) = 0;
};

Table user_verbs(const ConfigSource& config, CredentialStates& states, Unlocker& unlocker);

} // namespace xk::verbs
