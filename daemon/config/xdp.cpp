// SPDX-License-Identifier: MIT
// "xdp" of the main file: the filter.
#include "daemon/config/config.h"
#include "daemon/config/sections.h"
#include "protocol/base/quote.h"

namespace xk::config {
using yaml::EmptyList;
using yaml::Scalar;
using yaml::Section;

namespace {

void read_coexist(Section& xdp, Config& config) {
    const auto coexist = xdp.scalar("coexist");
    if (!coexist)
        return;
    config.coexist = coexist->value == "libxdp";
    if (coexist->value != "libxdp" && coexist->value != "none")
        xdp.faults().add(coexist->place, in_quotes(coexist->value) + " is neither none nor libxdp");
}

void read_local_addresses(Section& xdp, Config& config) {
    const auto addresses = xdp.scalars("local_addresses", EmptyList::fine);
    if (!addresses)
        return;
    config.local_addresses.emplace();
    for (const Scalar& text : *addresses)
        if (const auto address = xdp.parse_at(text, Address::parse))
            config.local_addresses->insert(*address);
}

} // namespace

void read_xdp(Section& main, Config& config) {
    auto xdp = main.section("xdp");
    if (!xdp)
        return;
    config.allow_generic = xdp->boolean("allow_generic").value_or(config.allow_generic);
    read_coexist(*xdp, config);
    if (const auto priority = xdp->number("priority", 0, 65535))
        config.run_priority = static_cast<std::uint32_t>(*priority);
    config.drop_syn = xdp->boolean("drop_syn").value_or(config.drop_syn);
    read_local_addresses(*xdp, config);
    xdp->finish();
}

} // namespace xk::config
