// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/nft_ruleset.h"

#include "daemon/lifecycle/ruleset_spec.h"
#include "daemon/nft/ended.h"

namespace xk {

Result<void> NftRuleset::install(const config::Config& config) {
    return install_with(config, [](nft::Transaction&) {});
}

Result<void> NftRuleset::install_with(const config::Config& config,
                                      const std::function<void(nft::Transaction&)>& more) {
    if (options_.dry_run)
        return {};
    if (config.gate_mode == config::GateMode::external)
        return fill_external(config, more);
    if (!resets_)
        resets_ = nft::can_reset(socket_);
    nft::RulesetSpec spec = ruleset_of(config);
    for (nft::ProtectedPort& port : spec.protected_ports)
        port.cut = port.cut || panic_.is_on();
    spec.owned = options_.owned;
    spec.resets = *resets_;
    return nft::install_ruleset(socket_, spec, more);
}

Result<void> NftRuleset::fill_external(const config::Config& config,
                                       const std::function<void(nft::Transaction&)>& more) {
    for (const bool v4 : {true, false}) {
        const std::string& set = v4 ? config.external.set4 : config.external.set6;
        if (auto fit = nft::check_external_set(socket_, {config.external.table, set}, v4); !fit)
            return fit;
    }
    nft::Transaction elements;
    more(elements);
    return socket_.commit(std::move(elements));
}

} // namespace xk
