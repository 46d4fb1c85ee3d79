// SPDX-License-Identifier: MIT
//
// The verb "close": closes the grants of an address, of a network, of a user or of a device. "cut" ends their sessions
// too.
#pragma once

#include "daemon/lifecycle/ssh_caller.h"
#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"
#include "protocol/wire.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace xk::verbs {

class GrantCloser {
  public:
    virtual ~GrantCloser() = default;
    virtual bool is_dry_run() const = 0;
    using Credentials = std::vector<wire::CredentialId>;
    // These return how many pinholes were closed or lost a holder.
    virtual Result<std::size_t> close_grants(const Prefix& prefix, const Now& now) = 0;
    virtual Result<std::size_t> close_grants(const Credentials& credentials, const Now& now) = 0;
    struct Sessions {
        std::size_t ended = 0;
        std::size_t shared = 0; // pinholes that other users held too: their sessions live on
    };
    // Sessions of gate.allow and the session `spared` live on. An error says how many ended and which may live on.
    virtual Result<Sessions> end_sessions(const Prefix& prefix, const std::optional<TcpSession>& spared) = 0;
    virtual Result<Sessions> end_sessions(const Credentials& credentials, const std::optional<TcpSession>& spared) = 0;
};

Table close_verbs(GrantCloser& closer, const ConfigSource& config);

} // namespace xk::verbs
