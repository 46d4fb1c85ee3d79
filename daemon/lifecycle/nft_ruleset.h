// SPDX-License-Identifier: MIT
//
// NftRuleset puts the ruleset of a configuration into the kernel: a table of our own, or in mode "external" only
// elements in the administrator's sets.
#pragma once

#include "daemon/lifecycle/panic.h"
#include "daemon/lifecycle/ports.h"
#include "daemon/nft/ruleset.h"

#include <functional>
#include <optional>

namespace xk {

class NftRuleset : public RulesetPort {
  public:
    struct Options {
        bool owned = false;   // the table belongs to our netlink socket
        bool dry_run = false; // installs nothing
    };
    // `panic` is needed because in a panic every session ends with its grant.
    NftRuleset(nft::Socket& socket, const Panic& panic, Options options)
        : socket_(socket), panic_(panic), options_(options) {}

    Result<void> install(const config::Config& config) override;
    // The same transaction adds elements, so that they stand from the first packet on.
    Result<void> install_with(const config::Config& config, const std::function<void(nft::Transaction&)>& more);
    Result<bool> exists() override { return nft::ruleset_exists(socket_); }
    Result<void> remove() override { return nft::remove_ruleset(socket_); }

  private:
    Result<void> fill_external(const config::Config& config, const std::function<void(nft::Transaction&)>& more);

    nft::Socket& socket_;
    const Panic& panic_;
    Options options_;
    std::optional<bool> resets_; // nft::can_reset(), once it is known
};

} // namespace xk
