// SPDX-License-Identifier: MIT
//
// The verb "close": grants of an address, of a network, or of whoever holds them, and with "cut" their sessions.
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
    // How many grants were closed, or are held by fewer now.
    virtual Result<std::size_t> close_grants(const Prefix& prefix, const Now& now) = 0;
    virtual Result<std::size_t> close_grants(const Credentials& credentials, const Now& now) = 0;
    struct Sessions {
        std::size_t ended = 0;
        std::size_t shared = 0; // grants whose sessions may be somebody else's: those live on
    };
    // Not those of gate.allow, and not this one.
    virtual Result<Sessions> end_sessions(const Prefix& prefix, const std::optional<TcpSession>& spared) = 0;
    virtual Result<Sessions> end_sessions(const Credentials& credentials, const std::optional<TcpSession>& spared) = 0;
};

Table close_verbs(GrantCloser& closer, const ConfigSource& config);

} // namespace xk::verbs
