// SPDX-License-Identifier: MIT
//
// Firewall: the only effect that a judgement has. The worker's implementation sends a request to the privileged
// process, which checks it again by its own configuration.
#pragma once

#include "daemon/authz/reject.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <chrono>
#include <cstdint>

namespace xk::authz {

struct GrantRequest {
    std::uint32_t credential = 0; // index
    Address address;              // the pinhole is opened or closed for it
    ServiceId service = 0;        // a service, or 0 and ...
    Address target;               // ... one endpoint of this host (unspecified) or of a host behind it
    Endpoint endpoint;
    bool single_use = false;    // the grant is to end with its first connection
    std::uint32_t lifetime = 0; // requested seconds; 0: the default
};

// Whether each field has a value of its type. A request from a file may be damaged: call this before anything else
// reads it.
bool is_sound(const GrantRequest& request);

enum class Answer : std::uint8_t {
    done = 0,
    waiting,     // it will be done soon, together with others; then the worker gets a message
    banned,      // the address is banned
    own_address, // an address of this host
    limit,       // too many grants
    refused,     // the configuration does not allow it, which the judge should have found
    failed,      // the kernel refused
    panic,       // the operator's panic is on
};

// The reject for an answer that is neither done nor waiting.
Reject reject_of(Answer answer);

class Firewall {
  public:
    virtual ~Firewall() = default;
    virtual Answer open_grant(const GrantRequest& request) = 0;
    // Closes what this credential opened: the requested pinholes, or all of them. Grants of others stay.
    virtual Answer close_grant(const GrantRequest& request) = 0;
    virtual Answer close_all(std::uint32_t credential) = 0;
};

} // namespace xk::authz
