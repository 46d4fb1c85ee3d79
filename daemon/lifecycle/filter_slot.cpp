// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/filter_slot.h"

#include "daemon/log.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/maps.h"

#include <algorithm>

namespace xk {

Result<std::unique_ptr<xdp::Filter>> load_filter(const config::Config& config, bool dry_run,
                                                 const xdp::Filter* running) {
    xdp::FilterSettings settings;
    settings.knock_port = config.port;
    settings.capyknock_port = config.capyknock_port;
    settings.fwknop_port = config.fwknop_port;
    settings.dry_run = dry_run;
    settings.answer_as_closed = config.answer_as_closed;
    const auto any_knocks_by = [&](authz::KnockMode mode) {
        return std::ranges::any_of(config.policy.credentials, [&](const auto& c) { return c.has_mode(mode); });
    };
    settings.sequences = any_knocks_by(authz::KnockMode::sequence);
    settings.c_lock_ports = any_knocks_by(authz::KnockMode::c_lock) ? config.policy.settings.c_lock.ports : 0;
    settings.attempts_per_hour = config.c_lock.attempts_per_hour;
    settings.open_ports = config.c_lock.open_ports;
    settings.share = config.coexist;
    settings.run_priority = config.run_priority;
    const std::string pins = dry_run ? xdp::Filter::pins_of_dry_run(config.pin_directory) : config.pin_directory;
    auto filter = xdp::Filter::load(
        settings, pins, [](const std::string& note) { log::warn("{}", note); }, running);
    if (!filter)
        return filter.error();
    return std::make_unique<xdp::Filter>(*std::move(filter));
}

const std::set<Address>& addresses_of(const config::Config& config, const xdp::OwnAddresses& own) {
    return config.local_addresses ? *config.local_addresses : own.all();
}

Result<xdp::Attachment> FilterLinks::attach(const std::string& interface, bool allow_generic) {
    return which_().attach(interface, allow_generic);
}

bool FilterLinks::is_attached(const xdp::Attachment& attachment) const { return which_().is_attached(attachment); }

void FilterLinks::detach_others(const std::vector<std::string>& interfaces) { which_().detach_others(interfaces); }

int FilterLinks::index_of(const std::string& interface) const { return xdp::index_of_interface(interface); }

FilterSlot::FilterSlot(std::unique_ptr<xdp::Filter> filter, Host host, std::string pins, bool dry_run)
    : counting_(std::move(filter)), host_(std::move(host)), pins_(std::move(pins)), dry_run_(dry_run),
      latest_links_([this]() -> xdp::Filter& { return loaded_ ? *loaded_ : *counting_; }),
      counting_links_([this]() -> xdp::Filter& { return *counting_; }) {}

Result<void> FilterSlot::load(const config::Config& next) {
    auto filter = load_filter(next, dry_run_, counting_.get());
    if (!filter)
        return filter.error();
    loaded_ = *std::move(filter);
    writers_.bans(*loaded_); // so that the filter drops banned sources from its first packet on
    return {};
}

void FilterSlot::discard_loaded() {
    writers_.bans(*counting_);
    loaded_.reset();
}

void FilterSlot::commit_loaded() {
    std::swap(counting_, loaded_);
    writers_.others(*counting_);
    loaded_.reset();
}

// Writes all three even if one fails, and returns the first error.
Result<void> FilterSlot::write(const config::Config& config) {
    auto credentials = xdp::set_disabled(*counting_, host_.disabled_places());
    auto addresses = write_addresses(config);
    auto forwarding = write_forwarding(config);
    return !credentials ? credentials : !addresses ? addresses : forwarding;
}

Result<void> FilterSlot::write_credentials(const std::set<std::uint32_t>& places) {
    return xdp::set_disabled(*counting_, host_.disabled_places(), places);
}

Result<void> FilterSlot::write_addresses(const config::Config& config) {
    return xdp::set_local_addresses(*counting_, addresses_of(config, host_.addresses));
}

// A packet to the knock port that is no knock may be the answer to a forwarded flow, so the filter passes it to
// nftables. It does so only where a rule of ours drops all other such packets. With the administrator's own rules the
// host's stack might answer them.
Result<void> FilterSlot::write_forwarding(const config::Config& config) {
    return xdp::set_forwarding(*counting_, config.gate_mode == config::GateMode::table && host_.forwarding.is_on());
}

Result<void> FilterSlot::take_away() { return xdp::Filter::remove_pins(pins_); }

} // namespace xk
