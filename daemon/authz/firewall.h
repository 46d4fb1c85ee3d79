// SPDX-License-Identifier: MIT
//
// Firewall: the one thing that a judgement can do to the world. The worker's implementation asks the
// privileged process, which checks every request once more against its own configuration.
#pragma once

#include "daemon/authz/reject.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <chrono>
#include <cstdint>

namespace xk::authz {

struct GrantRequest {
    std::uint32_t credential = 0; // index
    Address address;              // to open for, or to close
    ServiceId service = 0;        // as in the request: a service, ...
    Address target;               // ... or one endpoint, of this host (unspecified) or of one behind it
    Endpoint endpoint;
    bool single = false;        // the grant is to end with its first connection
    std::uint32_t lifetime = 0; // seconds asked for; 0: the default
};

enum class Answer : std::uint8_t {
    done = 0,
    waiting,     // it will be done in a moment, together with others; whoever asked is told
    banned,      // the address is banned
    own_address, // an address of this host
    limit,       // too many grants
    refused,     // the configuration does not allow it: the judge should have known
    failed,      // the kernel refused
    panic,       // nobody is let in: the operator's panic
};

// Of an answer that is neither done nor waiting.
Reject reject_of(Answer answer);

class Firewall {
  public:
    virtual ~Firewall() = default;
    virtual Answer open(const GrantRequest& request) = 0;
    // Closes what this credential opened, there or (close_all) everywhere. Others' grants stay.
    virtual Answer close(const GrantRequest& request) = 0;
    virtual Answer close_all(std::uint32_t credential) = 0;
};

} // namespace xk::authz
