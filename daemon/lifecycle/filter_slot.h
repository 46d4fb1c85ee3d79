// SPDX-License-Identifier: MIT
//
// FilterSlot has the filter that counts, and during a reload also the next one. Both use the same pinned maps.
#pragma once

#include "daemon/lifecycle/interfaces.h"
#include "daemon/lifecycle/ports.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/forwarding.h"
#include "daemon/xdp/own_addresses.h"

#include <functional>

namespace xk {

// Loads the filter for a configuration, and attaches nothing. It shares the maps of the running one, if there is one.
Result<std::unique_ptr<xdp::Filter>> load_filter(const config::Config& config, bool dry_run,
                                                 const xdp::Filter* running = nullptr);

// The filter's links as Interfaces sees them.
class FilterLinks : public LinksPort {
  public:
    using Which = std::function<xdp::Filter&()>; // returns the filter to use; a reload exchanges it
    explicit FilterLinks(Which which) : which_(std::move(which)) {}

    Result<xdp::Attachment> attach(const std::string& interface, bool allow_generic) override;
    bool is_attached(const xdp::Attachment& attachment) const override;
    void detach_others(const std::vector<std::string>& interfaces) override;
    int index_of(const std::string& interface) const override;

  private:
    Which which_;
};

class FilterSlot : public FilterPort {
  public:
    // Bind the parts that write into a filter's maps to another filter.
    struct Writers {
        std::function<void(xdp::Filter&)> bans;   // called with the filter that was loaded last
        std::function<void(xdp::Filter&)> others; // called with the filter that counts
    };
    // The values for the maps: those of this host, which the loop keeps current, and the disabled credentials.
    struct Host {
        const xdp::OwnAddresses& addresses;
        const xdp::Forwarding& forwarding;
        std::function<std::vector<bool>()> disabled_places; // by place in the filter's maps
    };
    FilterSlot(std::unique_ptr<xdp::Filter> filter, Host host, std::string pins, bool dry_run);
    FilterSlot(const FilterSlot&) = delete; // its links point to it
    FilterSlot& operator=(const FilterSlot&) = delete;
    void set_writers(Writers writers) { writers_ = std::move(writers); }

    Result<void> load(const config::Config& next) override;
    void discard_loaded() override;
    void commit_loaded() override;
    Result<void> write(const config::Config& config) override;
    // The disabled flags of these credentials alone, by their places.
    Result<void> write_credentials(const std::set<std::uint32_t>& places);
    Result<void> write_addresses(const config::Config& config);
    Result<void> write_forwarding(const config::Config& config);
    Result<void> take_away() override;

    xdp::Filter& counting() const { return *counting_; }
    LinksPort& latest_links() { return latest_links_; }
    LinksPort& counting_links() { return counting_links_; }

  private:
    std::unique_ptr<xdp::Filter> counting_, loaded_;
    Host host_;
    std::string pins_; // the same for all configurations: another directory takes a restart
    bool dry_run_;
    Writers writers_;
    FilterLinks latest_links_, counting_links_;
};

// Returns this host's addresses, or those that the configuration names in their place.
const std::set<Address>& addresses_of(const config::Config& config, const xdp::OwnAddresses& own);

} // namespace xk
