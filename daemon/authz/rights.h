// SPDX-License-Identifier: MIT
//
// "May this credential hold this now?": asked by the worker of a knock, by the privileged process of the request that
// comes of it, and of every grant that stands, as long as it stands.
#pragma once

#include "daemon/authz/pinhole.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/reject.h"
#include "protocol/base/clock.h"

#include <optional>

namespace xk::authz {

// Why it may hold nothing at this time: disabled, not in its dates, not in its hours. Nothing: it may.
std::optional<Reject> barred(const Credential& credential, WallTime when);
// Likewise, for this address: also not one of its networks.
std::optional<Reject> barred(const Credential& credential, const Address& address, WallTime when);
// Whether dates or hours can end what it holds, with nobody changing the configuration.
bool is_bound_in_time(const Credential& credential);

// Whether the policy gives this pinhole to whoever has this id, at any time: there is such a credential, it is enabled,
// and the service is one of its own. Of the operator: there is such a service.
bool is_entitled(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole);
// Why this credential may not hold this pinhole at this time.
std::optional<Reject> barred(const Policy& policy, const wire::CredentialId& id, const Pinhole& pinhole, WallTime when);

// As much of this lifetime as is left of the credential's own; at least a moment.
std::chrono::seconds until_its_end(std::chrono::seconds lifetime, const Credential& credential, WallTime now);

} // namespace xk::authz
